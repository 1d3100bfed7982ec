"""Rows of base functions, hulls and splines: y_r = sum_i c_ri f_i(x_r) + s_r(x_r) for every row r, in one
operation.

Three backends compute the same. The kernels of `evoact.native`, on the CPU in single precision, and those of
`evoact.triton` on CUDA take rows as they lie. PyTorch everywhere else: rows are sorted so that equal
activations lie together, each segment is evaluated at once, and the rows are put back. All have derivatives
of any order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from evoact.activations import spline
from evoact.activations.differentiable import followed
from evoact.activations.functions.base_functions import BaseFunction
from evoact.activations.routing.cuda_check import kernels_agree
from evoact.activations.spline import Grid
from evoact.native import mixture as native
from evoact.native import spline as native_spline
from evoact.native.tensors import accepts
from evoact.triton import backend
from evoact.triton.terms import TERM as TRITON_TERM

if TYPE_CHECKING:
    from evoact.triton.mixture import Program


LINEAR_ABOUT_0 = ("zero", "identity", "relu", "leaky_relu")


@dataclass(frozen=True)
class Segment:
    """Sorted rows start..stop share these base functions; `offset` is where their coefficients begin
    in the flat coefficient vector (row by row), or None if the one coefficient is 1. `splined` rows
    have a spline besides."""

    functions: tuple[BaseFunction, ...]
    start: int
    stop: int
    offset: int | None
    splined: bool = False


@dataclass(frozen=True)
class SplineRows:
    """The rows that have a spline, ascending by the number of theirs: `rows` and `numbers` for PyTorch,
    `native` for the kernels."""

    rows: Tensor
    numbers: Tensor
    native: native_spline.Rows

    @staticmethod
    def of(rows: np.ndarray, numbers: np.ndarray, device: torch.device | str) -> "SplineRows":
        return SplineRows(
            torch.as_tensor(rows, device=device),
            torch.as_tensor(numbers, device=device),
            native_spline.Rows.of(rows, numbers),
        )


@dataclass(frozen=True)
class MixturePlan:
    """The order of the rows: row `order[i]` stands at place i of the sorted rows, where None means that
    they are sorted; rows beyond the last segment are 0. `program` is the same for the native kernels, and
    `cuda_program` for those on CUDA, None if they cannot be used. `splined` rows have a spline on `grid`
    besides."""

    segments: tuple[Segment, ...]
    order: Tensor | None
    inverse: Tensor | None
    program: native.Program | None
    cuda_program: "Program | None"
    splined: SplineRows | None
    grid: Grid

    @cached_property
    def from_values(self) -> bool:
        """Whether values y = f(x) say all that a backward pass asks of x: everywhere alone a function that is linear on
        either side of 0 and keeps signs, so that f'(y) = f'(x) and f'' = 0."""
        functions = [f for s in self.segments for f in s.functions]
        plain = all((f.input_scale, f.output_scale, f.shift) == (1, 1, 0) for f in functions)
        alone = all(s.offset is None and not s.splined for s in self.segments)
        return plain and alone and all(f.core in LINEAR_ABOUT_0 for f in functions)

    @cached_property
    def columns(self) -> native.ColumnProgram | None:
        """The same for neurons as columns; None if the kernels cannot, or rows have splines."""
        return None if self.program is None or self.splined else native.ColumnProgram.of(self.program)

    def __call__(self, x: Tensor, c: Tensor, splines: Tensor) -> Tensor:
        """x[rows, pieces, m], the segments' coefficients c and the splines' [splines, nodes + 2] to
        y[rows, m]; only the first of a row's pieces counts."""
        if self.program is not None and accepts(x):
            result: Tensor = NativeMixture.apply(
                x.contiguous(), c.contiguous(), splines.contiguous(), self, torch.is_grad_enabled()
            )
            return result
        if self.cuda_program is None or not kernels_agree(x.device, x.dtype):
            return self.reference(x, c, splines)
        return self._with_splines(TritonMixture.apply(x.contiguous(), c.contiguous(), self), x, splines)

    def reference(self, x: Tensor, c: Tensor, splines: Tensor) -> Tensor:
        """Return `reference`'s result in PyTorch."""
        return self._with_splines(self.mixed(x, c), x, splines)

    def mixed(self, x: Tensor, c: Tensor) -> Tensor:
        """Return all rows but for their splines, in PyTorch."""
        x = x[:, 0]
        if self.order is None:
            y: Tensor = Mixture.apply(x, c, self.segments)
            return y
        in_order = Permute.apply(x, self.order, self.inverse)
        y = Permute.apply(Mixture.apply(in_order, c, self.segments), self.inverse, self.order)
        return y

    def _with_splines(self, y: Tensor, x: Tensor, splines: Tensor) -> Tensor:
        if self.splined is None:
            return y
        rows, numbers = self.splined.rows, self.splined.numbers
        own = splines.index_select(0, numbers)
        return y.index_add(0, rows, spline.reference(x[:, 0].index_select(0, rows), own, self.grid))


def plan_mixture(
    segments: Sequence[Segment],
    order: np.ndarray,
    splined: SplineRows | None,
    grid: Grid,
    device: torch.device | str,
) -> MixturePlan:
    """Return the plan of these segments of the rows in this order."""
    device = torch.device(device)
    identity = bool((order == np.arange(len(order))).all())
    return MixturePlan(
        segments=tuple(segments),
        order=None if identity else torch.as_tensor(order, device=device),
        inverse=None if identity else torch.as_tensor(np.argsort(order), device=device),
        program=_native_program(segments, order, device),
        cuda_program=_cuda_program(segments, order, device),
        splined=splined,
        grid=grid,
    )


def _native_program(
    segments: Sequence[Segment], order: np.ndarray, device: torch.device
) -> native.Program | None:
    if device.type != "cpu":
        return None
    return _program(segments, order, native.function_codes(), native.TERM)


def _cuda_program(segments: Sequence[Segment], order: np.ndarray, device: torch.device) -> "Program | None":
    if not backend.wanted(device):
        return None
    program = _program(segments, order, backend.function_codes(), TRITON_TERM)
    return None if program is None else backend.kernels().Program.of(program.begin, program.terms, device)


def _program(
    segments: Sequence[Segment], order: np.ndarray, codes: Mapping[str, int], term: np.dtype
) -> native.Program | None:
    """All rows' terms, of this dtype; None if a function is not among the codes."""
    parts, rows = [np.zeros(0, term)], [np.zeros(0, int)]
    for s in segments:
        n = len(s.functions)
        for i, f in enumerate(s.functions):
            if f.core not in codes:
                return None
            terms = np.zeros(s.stop - s.start, term)
            terms["function"] = codes[f.core]
            if s.offset is None:
                terms["coefficient"] = native.SPLINED if s.splined else native.ALONE
            else:
                terms["coefficient"] = s.offset + i + n * np.arange(len(terms))
            terms["input_scale"], terms["output_scale"] = f.input_scale, f.output_scale
            terms["shift"] = f.shift
            parts.append(terms)
            rows.append(order[s.start : s.stop])
    return native.Program.of(len(order), np.concatenate(rows), np.concatenate(parts))


class NativeMixture(torch.autograd.Function):
    """`MixturePlan.reference` by the kernels."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, c: Tensor, splines: Tensor, plan: MixturePlan, differentiable: bool
    ) -> Tensor:
        assert plan.program is not None
        y, slopes = native.forward(x, c, plan.program), None
        if plan.splined is not None:
            where, grid = plan.splined.native, (plan.grid.low, plan.grid.per_step)
            slopes = native_spline.rows_forward(y, x, splines, where, plan.program, grid, differentiable)
        ctx.plan, ctx.kept = plan, not (plan.from_values and x.shape[1] == 1)
        ctx.save_for_backward(x if ctx.kept else None, c, splines, y, slopes)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, Tensor | None, Tensor | None, None, None]:
        x, c, splines, y, slopes = ctx.saved_tensors
        x = x if ctx.kept else y[:, None]
        plan, g = ctx.plan, grads[0].contiguous()
        if torch.is_grad_enabled():  # a derivative of this derivative will be asked for
            again = followed(plan.reference, (x, c, splines), g)
            return again[0], again[1], again[2], None, None
        grad_x, grad_c = native.backward(g, x, c, y, plan.program)
        if plan.splined is None:
            return grad_x, grad_c, None, None, None
        where, grid = plan.splined.native, (plan.grid.low, plan.grid.per_step)
        grad_splines = native_spline.rows_backward(grad_x, g, x, slopes, splines, where, grid)
        return grad_x, grad_c, grad_splines, None, None


class NativeColumns(torch.autograd.Function):
    """`MixturePlan.mixed` of x[m, neurons], without its pieces, by the kernels: y[m, neurons]."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, c: Tensor, plan: MixturePlan) -> Tensor:
        assert plan.columns is not None
        y = native.columns_forward(x, c, plan.columns)
        ctx.plan = plan
        ctx.save_for_backward(x, c, y)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, Tensor | None, None]:
        x, c, y = ctx.saved_tensors
        plan, g = ctx.plan, grads[0].contiguous()
        if torch.is_grad_enabled():  # a derivative of this derivative will be asked for
            again = followed(lambda x, c: plan.mixed(x.t()[:, None], c).t(), (x, c), g)
            return again[0], again[1], None
        return *native.columns_backward(g, x, c, y, plan.columns), None


class TritonMixture(torch.autograd.Function):
    """`MixturePlan.mixed` by the kernels for CUDA."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, c: Tensor, plan: MixturePlan) -> Tensor:
        ctx.plan = plan
        ctx.save_for_backward(x, c)
        return backend.kernels().forward(x, c, plan.cuda_program)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, Tensor | None, None]:
        x, c = ctx.saved_tensors
        if torch.is_grad_enabled():  # a derivative of this derivative will be asked for
            again = followed(ctx.plan.mixed, (x, c), grads[0])
            return again[0], again[1], None
        return *backend.kernels().backward(grads[0].contiguous(), x, c, ctx.plan.cuda_program), None


class Mixture(torch.autograd.Function):
    """Sorted rows in PyTorch, each function evaluated only for the rows that need it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, c: Tensor, segments: Sequence[Segment]) -> Tensor:
        y = torch.empty_like(x)
        for s in segments:
            rows, out = x[s.start : s.stop], y[s.start : s.stop]
            if s.offset is None:
                s.functions[0].value(rows, out=out)
                continue
            weights = _weights(c, s)
            torch.mul(s.functions[0].value(rows), weights[:, 0:1], out=out)
            for i, f in enumerate(s.functions[1:], 1):
                out.addcmul_(f.value(rows), weights[:, i : i + 1])
        y[_covered(segments) :].zero_()
        ctx.segments = segments
        ctx.save_for_backward(x, c, y)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, Tensor, None]:
        (g,) = grads
        x, c, y = ctx.saved_tensors
        if torch.is_grad_enabled():  # a derivative of this derivative will be asked for
            return *_differentiable_backward(g, x, c, y, ctx.segments), None
        grad_x, grad_c = torch.empty_like(x), torch.empty_like(c)
        for s in ctx.segments:
            rows, gs, out = x[s.start : s.stop], g[s.start : s.stop], grad_x[s.start : s.stop]
            if s.offset is None:
                torch.mul(gs, s.functions[0].derivative(rows, y[s.start : s.stop]), out=out)
                continue
            weights, grad_weights = _weights(c, s), _weights(grad_c, s)
            for i, f in enumerate(s.functions):
                value, weight = f.value(rows), weights[:, i : i + 1]
                slope = f.derivative(rows, value)
                torch.mul(slope, weight, out=out) if i == 0 else out.addcmul_(slope, weight)
                grad_weights[:, i] = value.mul_(gs).sum(dim=1)
            out.mul_(gs)
        grad_x[_covered(ctx.segments) :].zero_()
        return grad_x, grad_c, None


def _differentiable_backward(
    g: Tensor, x: Tensor, c: Tensor, y: Tensor, segments: Sequence[Segment]
) -> tuple[Tensor, Tensor]:
    """The gradients of `Mixture` as operations that autograd can follow again."""
    parts, c_parts = [], [c[:0]]
    for s in segments:
        rows, gs = x[s.start : s.stop], g[s.start : s.stop]
        if s.offset is None:
            parts.append(gs * s.functions[0].derivative(rows, y[s.start : s.stop]))
            continue
        # Each value is a `Mixture` of its own, so that its derivative is the table's, too.
        values = [Mixture.apply(rows, c[:0], (Segment((f,), 0, len(rows), None),)) for f in s.functions]
        slopes = [f.derivative(rows, value) for f, value in zip(s.functions, values, strict=True)]
        weights = _weights(c, s)
        parts.append(gs * sum(slope * weights[:, i : i + 1] for i, slope in enumerate(slopes)))
        c_parts.append(torch.stack([(gs * value).sum(dim=1) for value in values], dim=1).flatten())
    parts.append(torch.zeros_like(x[_covered(segments) :]))
    return torch.cat(parts), torch.cat(c_parts)


def _covered(segments: Sequence[Segment]) -> int:
    return segments[-1].stop if segments else 0


def _weights(c: Tensor, s: Segment) -> Tensor:
    assert s.offset is not None
    n = len(s.functions)
    return c[s.offset : s.offset + (s.stop - s.start) * n].view(s.stop - s.start, n)


class Permute(torch.autograd.Function):
    """Rows in another order; its derivative is the inverse permutation, never a scatter."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
        ctx.save_for_backward(order, inverse)
        return x.index_select(0, order)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, None, None]:
        order, inverse = ctx.saved_tensors
        return Permute.apply(grads[0], inverse, order), None, None
