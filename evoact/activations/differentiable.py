"""Derivatives of what kernels compute: their own backward passes end at the first."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def followed(reference: Callable[..., Tensor], inputs: Sequence[Tensor], g: Tensor) -> list[Tensor | None]:
    """Return the gradients of `reference` as operations that autograd can follow again.

    Args:
        reference: of these inputs, in PyTorch
        inputs: as a backward pass unpacks them
        g: the gradient with respect to its result

    Returns:
        one for each input; None if it needs none

    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> slope, _ = followed(torch.mul, (x, x.detach()), torch.ones(()))
    >>> slope
    tensor(3.)
    """
    wanted = [t for t in inputs if t.requires_grad]
    found = torch.autograd.grad(reference(*inputs), wanted, g, create_graph=True, materialize_grads=True)
    each = iter(found)
    return [next(each) if t.requires_grad else None for t in inputs]
