"""The units of `units.c` on tensors: single precision, CPU, contiguous; c[sets, numbers of a unit]."""

import torch
from torch import Tensor

from evoact.native.library import call
from evoact.native.tensors import threads

SERIAL = 16_384  # elements
LARGEST_PIECES = 256  # which one is a byte


def value(name: str, x: Tensor, c: Tensor, settings: tuple[int, ...]) -> Tensor:
    """Return what the unit of this name gives, [sets, E], for x[sets, E] or its pieces [sets, P, E]."""
    y = x.new_empty(len(x), x.shape[-1])
    call(name, x, c, y, *x.shape, *settings, threads(x, SERIAL))
    return y


def gradients(name: str, g: Tensor, x: Tensor, c: Tensor, settings: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Return the gradients with respect to x and c, where g is that with respect to the value."""
    grad_x, grad_c = torch.empty_like(x), torch.empty_like(c)
    call(f"{name}_backward", g, x, c, grad_x, grad_c, *x.shape, *settings, threads(x, SERIAL))
    return grad_x, grad_c


def largest(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the largest of the pieces x[sets, P, E], and which it is, [sets, E] each."""
    y, which = x.new_empty(len(x), x.shape[2]), torch.empty(len(x), x.shape[2], dtype=torch.uint8)
    call("evoact_largest", x, y, which, *x.shape, threads(x, SERIAL))
    return y, which


def spread(g: Tensor, which: Tensor, pieces: int) -> Tensor:
    """Return the gradient for x[sets, pieces, E]: g at the largest piece."""
    x = g.new_empty(len(g), pieces, g.shape[1])
    call("evoact_largest_backward", g, which, x, *x.shape, threads(x, SERIAL))
    return x
