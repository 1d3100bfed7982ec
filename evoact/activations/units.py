"""Units with parameters that are no sums of base functions, by the kernels, differentiable to any order: x[sets, E], or
of several pieces [sets, rows, P, M], and parameters c[sets, numbers]. `reference` is the same in PyTorch.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from evoact.activations.differentiable import followed
from evoact.native import pieces
from evoact.native import units as native


def rational(x: Tensor, c: Tensor, top: int, bottom: int, reference: Callable[..., Tensor]) -> Tensor:
    """Return P(x) / (1 + |Q(x)|) of these degrees; `reference` is the same in PyTorch, for second derivatives."""
    result: Tensor = Unit.apply(x.contiguous(), c.contiguous(), "evoact_rational", (top, bottom), reference)
    return result


def hinges(x: Tensor, c: Tensor, number: int, reference: Callable[..., Tensor]) -> Tensor:
    """Return max(0, x) + sum_s a_s max(0, b_s - x)."""
    result: Tensor = Unit.apply(x.contiguous(), c.contiguous(), "evoact_hinges", (number,), reference)
    return result


@dataclass(frozen=True)
class NativeUnit:
    """A unit as the kernels have it in whole layers.

    Args:
        native: what it is there, made by `native.pieces.unit`
        numbers: what the kernels read, [sets, p], of parameters [sets, p]; None for nothing
        reference: the same in PyTorch, y [sets, E] of x [sets, P, E] and the numbers, of a unit that `by_rows` takes;
            None for one that takes a set's rows one behind the other
    """

    native: np.ndarray
    numbers: Callable[[Tensor], Tensor] | None = None
    reference: Callable[[Tensor, Tensor], Tensor] | None = None


def by_rows(unit: NativeUnit, x: Tensor, parameters: Tensor) -> Tensor:
    """Return what a unit gives, [sets, rows, M], of the pieces x[sets, rows, P, M] and parameters[sets, p]."""
    if unit.numbers is None:
        return largest(x.flatten(0, 1)).view(*x.shape[:2], x.shape[3])
    result: Tensor = Pieces.apply(x.contiguous(), unit.numbers(parameters).contiguous(), unit)
    return result


def largest(x: Tensor) -> Tensor:
    """Return the largest of the pieces x[sets, P, E]; the gradient goes to the first of equal ones."""
    result: Tensor = Largest.apply(x.contiguous())
    return result


class Unit(torch.autograd.Function):
    """A unit by its kernels, named NAME and NAME_backward."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, c: Tensor, name: str, settings: tuple[int, ...], reference: Callable[..., Tensor]
    ) -> Tensor:
        ctx.kernel, ctx.settings, ctx.reference = name, settings, reference
        ctx.save_for_backward(x, c)
        return native.value(name, x, c, settings)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        (x, c), g = ctx.saved_tensors, grads[0].contiguous()
        if torch.is_grad_enabled():  # a derivative of this derivative will be asked for
            again = followed(ctx.reference, (x, c), g)
            return again[0], again[1], None, None, None
        return *native.gradients(ctx.kernel, g, x, c, ctx.settings), None, None, None


class Pieces(torch.autograd.Function):
    """A unit of several pieces with numbers of its own by the kernels."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, c: Tensor, unit: NativeUnit) -> Tensor:
        ctx.unit = unit
        ctx.save_for_backward(x, c)
        return pieces.value(unit.native, x, c)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, Tensor | None, None]:
        (x, c), g = ctx.saved_tensors, grads[0].contiguous()
        if torch.is_grad_enabled():  # a derivative of this derivative will be asked for
            again = followed(functools.partial(_of_rows, ctx.unit.reference), (x, c), g)
            return again[0], again[1], None
        return *pieces.gradients(ctx.unit.native, g, x, c), None


def _of_rows(reference: Callable[..., Tensor], x: Tensor, c: Tensor) -> Tensor:
    """`reference`, which takes x[sets, P, E], for x[sets, rows, P, M]."""
    sets, rows, _, m = x.shape
    return reference(x.transpose(1, 2).flatten(2), c).view(sets, rows, m)


class Largest(torch.autograd.Function):
    """The largest piece by the kernels."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y, which = native.largest(x)
        ctx.pieces = x.shape[1]
        ctx.save_for_backward(which)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Tensor:
        (which,), g = ctx.saved_tensors, grads[0].contiguous()
        if torch.is_grad_enabled():  # a derivative of this derivative will be asked for
            return g.new_zeros(len(g), ctx.pieces, g.shape[1]).scatter(1, which[:, None].long(), g[:, None])
        return native.spread(g, which, ctx.pieces)
