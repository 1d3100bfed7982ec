"""Batch norm by the batch's own statistics, differentiable to any order: kernels, or PyTorch where there are none."""

import functools
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from evoact.activations.differentiable import followed
from evoact.activations.routing.mixture import MixturePlan
from evoact.native import normalisation as native
from evoact.native.mixture import Program
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


@dataclass(frozen=True)
class Functions:
    """Those of all rows, without coefficients: as the kernels read them, and their plan."""

    program: Program
    plan: MixturePlan

    def reference(self, z: Tensor) -> Tensor:
        """Return the functions of z [K, N, M] in PyTorch."""
        none = z.new_empty(0)
        return self.plan.reference(z.flatten(0, 1).unsqueeze(1), none, none).view(z.shape)


def normed(
    h: Tensor, scale: Tensor, shift: Tensor, epsilon: float, added: Tensor | None, functions: Functions
) -> Tensor | None:
    """Return the functions of `batch_normed` plus `added` [K, N, M], each row read once; None if the kernels cannot.

    Values and gradients are those of one operation after the other, to the bit.
    """
    given = h, scale, shift, *(() if added is None else (added,))
    if h.shape[2] <= 1 or not all(map(accepts, given)):
        return None
    tensors = [None if t is None else t.contiguous() for t in (h, scale, shift, added)]
    result: Tensor = NativeNormed.apply(*tensors, epsilon, functions)
    return result


class NativeNormed(torch.autograd.Function):
    """`normed`; its gradients by the kernels, too, unless a derivative of them is wanted."""

    @staticmethod
    def forward(
        ctx: Any,
        h: Tensor,
        scale: Tensor,
        shift: Tensor,
        added: Tensor | None,
        epsilon: float,
        functions: Functions,
    ) -> Tensor:
        y, found = native.activated(h, scale, shift, added, epsilon, functions.program)
        ctx.epsilon, ctx.functions = epsilon, functions
        ctx.save_for_backward(h, scale, shift, added, y, found)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        h, scale, shift, added, y, found = ctx.saved_tensors
        g, f = grads[0].contiguous(), ctx.functions
        if torch.is_grad_enabled():  # a derivative of this derivative will be asked for

            def plain(h: Tensor, scale: Tensor, shift: Tensor, *rest: Tensor) -> Tensor:
                return f.reference(sum(rest, reference(h, scale, shift, ctx.epsilon)))

            inputs = (h, scale, shift) if added is None else (h, scale, shift, added)
            found_again = followed(plain, inputs, g)
            return *found_again, *[None] * (6 - len(found_again))
        gradients = native.activated_gradients(
            g, h, scale, shift, added, y, found, f.program, f.plan.from_values
        )
        return *gradients, None, None
