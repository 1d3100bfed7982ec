"""Any assignment of neurons to types, for a whole pack, as one batched operation.

The pre-activations of a site in a pack are z[K, N, M]: member, neuron, and whatever is left (the
batch, or batch times positions). Seen as K*N rows of length M, each row has one activation. A
`SitePlan` sorts the rows so that equal activations lie together, evaluates each segment once, and
puts the rows back: three differentiable operations, each with derivatives of any order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from evoact.activations.base_functions import BaseFunction
from evoact.activations.hulls import coefficients
from evoact.activations.subnetwork import residual


@dataclass(frozen=True)
class Segment:
    """Rows start..stop share these base functions; `offset` is where their coefficients begin in
    the flat coefficient vector (row by row), or None where the one coefficient is 1."""

    functions: tuple[BaseFunction, ...]
    start: int
    stop: int
    offset: int | None


class Mixture(torch.autograd.Function):
    """y_r = sum_i c_ri f_i(x_r) for every row r, each function evaluated only where it is needed."""

    @staticmethod
    def forward(x: Tensor, c: Tensor, segments: Sequence[Segment]) -> Tensor:
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
        return y

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, c, ctx.segments = inputs
        ctx.save_for_backward(x, c, output)

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
    return torch.cat(parts), torch.cat(c_parts)


def _weights(c: Tensor, s: Segment) -> Tensor:
    assert s.offset is not None
    n = len(s.functions)
    return c[s.offset : s.offset + (s.stop - s.start) * n].view(s.stop - s.start, n)


class Permute(torch.autograd.Function):
    """Rows in another order; its derivative is the inverse permutation, never a scatter."""

    @staticmethod
    def forward(x: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
        return x.index_select(0, order)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, order, inverse = inputs
        ctx.save_for_backward(order, inverse)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, None, None]:
        order, inverse = ctx.saved_tensors
        return Permute.apply(grads[0], inverse, order), None, None


@dataclass(frozen=True)
class HullGroup:
    """Hulls of one kind and size: where each type's free parameters lie, as [types, n] indices."""

    hull: str
    parameters: Tensor


@dataclass(frozen=True)
class SubnetworkGroup:
    """Sub-networks of one width with equally many neurons: their parameters' indices [types, 3h+1]
    and their rows start..stop, `stop - start = types * neurons`."""

    parameters: Tensor
    start: int
    stop: int


@dataclass(frozen=True)
class SitePlan:
    """How one site of one pack is evaluated; made once per pack by `plan.plan_site`."""

    order: Tensor | None
    inverse: Tensor | None
    segments: tuple[Segment, ...]
    hulls: tuple[HullGroup, ...]
    expansion: Tensor
    subnetworks: tuple[SubnetworkGroup, ...]

    def __call__(self, z: Tensor, parameters: Tensor) -> Tensor:
        """Apply every row's activation.

        Args:
            z: pre-activations [K, N, M]
            parameters: the site's activation parameters [K, A], padded to the longest member

        Returns:
            activations [K, N, M]
        """
        x = z.reshape(-1, z.shape[-1])
        if self.order is not None:
            x = Permute.apply(x, self.order, self.inverse)
        flat = parameters.reshape(-1)
        y = Mixture.apply(x, self._coefficients(flat), self.segments)
        if self.subnetworks:
            y = self._add_subnetworks(x, y, flat)
        if self.order is not None:
            y = Permute.apply(y, self.inverse, self.order)
        return y.view(z.shape)

    def _coefficients(self, flat: Tensor) -> Tensor:
        """All hull rows' coefficients, in the order in which the segments read them."""
        if not self.hulls:
            return flat.new_empty(0)
        groups = [coefficients(g.hull, flat[g.parameters]).flatten() for g in self.hulls]
        return torch.cat(groups).index_select(0, self.expansion)

    def _add_subnetworks(self, x: Tensor, y: Tensor, flat: Tensor) -> Tensor:
        parts, done = [], 0
        for g in self.subnetworks:
            parts.append(y[done : g.start])
            rows = x[g.start : g.stop].reshape(g.parameters.shape[0], -1)
            learned = residual(rows, flat[g.parameters]).view(g.stop - g.start, -1)
            parts.append(y[g.start : g.stop] + learned)
            done = g.stop
        parts.append(y[done:])
        return torch.cat(parts)
