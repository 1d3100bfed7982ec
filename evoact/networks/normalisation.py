"""Batch norm by the batch's own statistics, differentiable to any order: kernels, or PyTorch where there are none."""

import functools
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from evoact.activations.differentiable import followed
from evoact.native import normalisation as native
from evoact.native.tensors import accepts


def batch_normed(h: Tensor, scale: Tensor, shift: Tensor, epsilon: float) -> Tensor:
    """Return h [K, N, M] normalised over M, times `scale` and plus `shift` [K, N].

    >>> batch_normed(torch.tensor([[[1.0, 3.0]]]), torch.ones(1, 1), torch.zeros(1, 1), 0.0).tolist()
    [[[-1.0, 1.0]]]
    """
    if h.shape[2] > 1 and accepts(h) and accepts(scale) and accepts(shift):
        tensors = h.contiguous(), scale.contiguous(), shift.contiguous()
        result: Tensor = NativeBatchNorm.apply(*tensors, epsilon)
        return result
    return reference(h, scale, shift, epsilon)


def reference(h: Tensor, scale: Tensor, shift: Tensor, epsilon: float) -> Tensor:
    """Return `batch_normed` in PyTorch."""
    rows = h.reshape(1, -1, h.shape[-1])
    return F.batch_norm(rows, None, None, scale.flatten(), shift.flatten(), True, 0.0, epsilon).view(h.shape)


class NativeBatchNorm(torch.autograd.Function):
    """`batch_normed` by the kernels; its gradients by them, too, unless a derivative of them is wanted."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, scale: Tensor, shift: Tensor, epsilon: float) -> Tensor:
        y, found = native.values(h, scale, shift, epsilon)
        ctx.epsilon = epsilon
        ctx.save_for_backward(h, scale, shift, found)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        h, scale, shift, found = ctx.saved_tensors
        g = grads[0].contiguous()
        if torch.is_grad_enabled():  # a derivative of this derivative will be asked for
            plain = functools.partial(reference, epsilon=ctx.epsilon)
            return *followed(plain, (h, scale, shift), g), None
        return *native.gradients(g, h, scale, found), None
