"""Max pooling, differentiable to any order: a kernel if there is one, PyTorch elsewhere."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from evoact.native import pooling as native
from evoact.native.mixture import Program
from evoact.native.tensors import accepts


def max_pool(images: Tensor, size: int, stride: int) -> Tensor:
    """Return the largest value of each window, without padding: [..., H, W, B] -> [..., H', W', B].

    The gradient goes to the first of equal values.

    >>> max_pool(torch.arange(16.0).view(4, 4, 1), 2, 2).squeeze(2)
    tensor([[ 5.,  7.],
            [13., 15.]])
    """
    if accepts(images) and size <= native.LARGEST_WINDOW:
        result: Tensor = NativeMaxPool.apply(images.contiguous(), size, stride, None)
        return result
    pooled = F.max_pool2d(images.unsqueeze(0).movedim(-1, 0).flatten(1, -3), size, stride).movedim(0, -1)
    return pooled.reshape(*images.shape[:-3], *pooled.shape[1:])


def chosen(images: Tensor, size: int, stride: int, program: Program) -> Tensor | None:
    """Return the number of each window whose function is largest, of images [..., H, W, B] that are the rows of a
    program without coefficients; None if the kernels cannot, or windows overlap.

    Functions of the chosen numbers are the largest functions, to the bit, and the gradients the same, too.
    """
    if not accepts(images) or size > native.LARGEST_WINDOW or stride < size:
        return None
    result: Tensor = NativeMaxPool.apply(images.contiguous(), size, stride, program)
    return result


class NativeMaxPool(torch.autograd.Function):
    """`max_pool` and `chosen` by the kernels; the gradient by them, too, unless a derivative of it is wanted."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, size: int, stride: int, program: Program | None) -> Tensor:
        y, where = native.max_pool(x, size, stride, program)
        ctx.window = *x.shape[-3:-1], size, stride
        ctx.save_for_backward(where)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, None, None, None]:
        (where,) = ctx.saved_tensors
        g = grads[0].contiguous()
        spread = _scatter if torch.is_grad_enabled() else native.spread
        return spread(g, where, *ctx.window), None, None, None


def _scatter(g: Tensor, where: Tensor, height: int, width: int, size: int, stride: int) -> Tensor:
    """`native.spread` as operations that autograd can follow."""
    rows = torch.arange(g.shape[-3]).view(-1, 1, 1) * stride + where // size
    columns = torch.arange(g.shape[-2]).view(-1, 1) * stride + where % size
    x = g.new_zeros(*g.shape[:-3], height * width, g.shape[-1])
    return x.scatter_add(-2, (rows * width + columns).flatten(-3, -2), g.flatten(-3, -2)).unflatten(
        -2, (height, width)
    )
