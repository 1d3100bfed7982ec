"""Attention without masks: a kernel, differentiable to any order, if there is one, PyTorch elsewhere."""

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from evoact.activations.differentiable import followed
from evoact.native import attention as native
from evoact.native.tensors import accepts


def attention(q: Tensor, k: Tensor, v: Tensor, scale: float | None = None, causal: bool = False) -> Tensor:
    """Return softmax(scale q k') v of each head (Vaswani et al. 2017, equation 1), [K, B, ..., queries, width].

    Args:
        q: [K, B, ..., queries, width]
        k, v: [K, B, ..., keys, width]
        scale: width ** -0.5 by default
        causal: whether query i sees keys up to i alone

    >>> x = torch.eye(2).view(1, 1, 1, 2, 2)
    >>> attention(x, x, x, causal=True).flatten(0, 3)
    tensor([[1.0000, 0.0000],
            [0.3302, 0.6698]])
    """
    width = q.shape[-1]
    scale = width**-0.5 if scale is None else scale
    x, y, z = (t.unsqueeze(2) if t.dim() == 4 else t for t in (q, k, v))
    if all(map(accepts, (x, y, z))) and native.takes(x, y, z):
        result: Tensor = NativeAttention.apply(native.rows(x), native.rows(y), native.rows(z), scale, causal)
        return result.squeeze(2) if q.dim() == 4 else result
    x, y, z = (t.flatten(0, 1) for t in (q, k, v))
    return F.scaled_dot_product_attention(x, y, z, is_causal=causal, scale=scale).unflatten(0, q.shape[:2])


class NativeAttention(torch.autograd.Function):
    """`attention` by the kernels; its gradients by them, too, unless derivatives of these are wanted."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, scale: float, causal: bool) -> Tensor:
        o, logarithms = native.attention(q, k, v, scale, causal)
        ctx.scale, ctx.causal = scale, causal
        ctx.save_for_backward(q, k, v, o, logarithms)
        return o

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, Tensor | None, Tensor | None, None, None]:
        q, k, v, o, logarithms = ctx.saved_tensors
        if torch.is_grad_enabled():  # a derivative of this derivative will be asked for
            again = followed(partial(_written, scale=ctx.scale, causal=ctx.causal), (q, k, v), grads[0])
            return again[0], again[1], again[2], None, None
        found = native.gradients(native.rows(grads[0]), q, k, v, o, logarithms, ctx.scale, ctx.causal)
        return *found, None, None


def _written(q: Tensor, k: Tensor, v: Tensor, scale: float, causal: bool) -> Tensor:
    """Return the same by operations that have derivatives of every order."""
    scores = scale * (q @ k.transpose(-2, -1))
    if causal:
        scores = scores.masked_fill(torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1), -torch.inf)
    return scores.softmax(-1) @ v
