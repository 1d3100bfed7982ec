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
                out.copy_(s.functions[0].value(rows))
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
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, Tensor | None, None]:
        (g,) = grads
        x, c, y = ctx.saved_tensors
        parts, c_parts = [], []
        for s in ctx.segments:
            rows, gs = x[s.start : s.stop], g[s.start : s.stop]
            if s.offset is None:
                parts.append(gs * s.functions[0].derivative(rows, y[s.start : s.stop]))
                continue
            weights, slope, products = _weights(c, s), None, []
            for i, f in enumerate(s.functions):
                # In a second derivative, f must be on the graph through its own derivative.
                value = _apply(f, rows) if torch.is_grad_enabled() else f.value(rows)
                products.append((gs * value).sum(dim=1))
                term = f.derivative(rows, value) * weights[:, i : i + 1]
                slope = term if slope is None else slope + term
            parts.append(gs * slope)
            c_parts.append(torch.stack(products, dim=1).flatten())
        grad_c = torch.cat(c_parts) if c_parts and ctx.needs_input_grad[1] else None
        return torch.cat(parts), grad_c, None


def _weights(c: Tensor, s: Segment) -> Tensor:
    assert s.offset is not None
    n = len(s.functions)
    return c[s.offset : s.offset + (s.stop - s.start) * n].view(s.stop - s.start, n)


def _apply(f: BaseFunction, x: Tensor) -> Tensor:
    y: Tensor = Mixture.apply(x, x.new_empty(0), (Segment((f,), 0, x.shape[0], None),))
    return y


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
