"""The batch norm of `normalisation.c` on tensors: single precision, CPU, contiguous; x[K, N, M], over M."""

import torch
from torch import Tensor

from evoact.native.library import call
from evoact.native.mixture import Program
from evoact.native.tensors import threads

SERIAL = 32_768  # elements


def values(x: Tensor, scale: Tensor, shift: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """Return the normalised rows, and each one's mean and 1 / sqrt(variance + epsilon), [K, N, 2]."""
    y, found = torch.empty_like(x), x.new_empty(*x.shape[:2], 2)
    rows = scale.numel(), x.shape[2]
    call("evoact_batch_norm", x, scale, shift, y, found, *rows, epsilon, threads(x, SERIAL))
    return y, found


def gradients(g: Tensor, x: Tensor, scale: Tensor, found: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients for x, scale and shift of g, that for the values; `found` is what `values` gives."""
    grad_x, grad_scale, grad_shift = torch.empty_like(x), torch.empty_like(scale), torch.empty_like(scale)
    tensors = g, x, scale, found, grad_x, grad_scale, grad_shift
    call("evoact_batch_norm_backward", *tensors, scale.numel(), x.shape[2], threads(x, SERIAL))
    return grad_x, grad_scale, grad_shift


def activated(
    x: Tensor, scale: Tensor, shift: Tensor, added: Tensor | None, epsilon: float, program: Program
) -> tuple[Tensor, Tensor]:
    """Return the functions of a program without coefficients, of the normalised rows plus `added`, and what `values`
    gives besides."""
    y, found = torch.empty_like(x), x.new_empty(*x.shape[:2], 2)
    n = threads(x, SERIAL)
    tensors = x, scale, shift, added, y, found, program.begin, program.terms, x.new_empty(n, x.shape[2])
    call("evoact_normed", *tensors, scale.numel(), x.shape[2], epsilon, n)
    return y, found


def activated_gradients(
    g: Tensor,
    x: Tensor,
    scale: Tensor,
    shift: Tensor,
    added: Tensor | None,
    y: Tensor,
    found: Tensor,
    program: Program,
    from_values: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Return the gradients for x, scale, shift and `added` of g, that for the functions y.

    Args:
        from_values: whether y = f(z) says all of z that f's slope asks for
    """
    grads = torch.empty_like(x), torch.empty_like(scale), torch.empty_like(scale)
    grad_added = None if added is None else torch.empty_like(added)
    n = threads(x, SERIAL)
    room = x.new_empty(n, 2, x.shape[2])
    tensors = g, x, scale, shift, added, y, found, *grads, grad_added, program.begin, program.terms, room
    call("evoact_normed_backward", *tensors, scale.numel(), x.shape[2], int(from_values), n)
    return *grads, grad_added
