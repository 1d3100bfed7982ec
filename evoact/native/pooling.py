"""The max pooling of `pooling.c` on tensors: single precision, CPU, contiguous."""

import torch
from torch import Tensor

from evoact.native.library import call
from evoact.native.mixture import Program
from evoact.native.tensors import threads

SERIAL = 32_768  # elements
LARGEST_WINDOW = 16  # per side: a place in the window is one byte


def max_pool(x: Tensor, size: int, stride: int, program: Program | None = None) -> tuple[Tensor, Tensor]:
    """Return the largest value of each window of x[..., H, W, B], and its place there, [..., H', W', B] each.

    With a program without coefficients, whose rows are the images in their order, the number is taken whose function is
    largest.
    """
    height, width = ((n - size) // stride + 1 for n in x.shape[-3:-1])
    y = x.new_empty(*x.shape[:-3], height, width, x.shape[-1])
    where = torch.empty(y.shape, dtype=torch.uint8)
    sizes = y[..., 0, 0, 0].numel(), *x.shape[-3:], height, width
    functions = (None, None) if program is None else (program.begin, program.terms)
    call("evoact_max_pool", x, y, where, *functions, *sizes, size, stride, threads(x, SERIAL))
    return y, where


def spread(g: Tensor, where: Tensor, height: int, width: int, size: int, stride: int) -> Tensor:
    """Return the gradient for x[..., height, width, B]: that of each window, g[..., H', W', B], at its maximum."""
    x = g.new_empty(*g.shape[:-3], height, width, g.shape[-1])
    sizes = g[..., 0, 0, 0].numel(), height, width, g.shape[-1], *g.shape[-3:-1]
    call("evoact_max_pool_backward", g, where, x, *sizes, size, stride, threads(x, SERIAL))
    return x
