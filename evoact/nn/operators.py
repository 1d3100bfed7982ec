"""Mixtures of base functions as operators of PyTorch, so that compilers and exporters see one operation.

    evoact::mixture(x, c, site) -> y                    y_r = sum_i c_ri f_i(x_r) for every row r
    evoact::mixture_backward(g, x, c, y, site) -> (grad_x, grad_c)

with x, y and g [members, neurons, m] and c [members, coefficients], type after type, neuron after neuron and term
after term. `site` is a genome's site as JSON text, so that an exported program holds all of it. The kernels of
`evoact.native` do the work if they can, else PyTorch does. Derivatives of the backward pass are those of its formula in
PyTorch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from evoact.activations.functions.base_functions import apply, base_function
from evoact.activations.kinds import kind_of, site_count, unpack
from evoact.activations.routing.mixture import Segment, plan_mixture
from evoact.activations.spline import GRID
from evoact.genomes.genome import Genome, SiteGenome, dumps, loads
from evoact.native import mixture as native
from evoact.native.tensors import accepts


def operable(site: SiteGenome) -> bool:
    """Return whether all types of a site are mixtures of base functions, without splines."""
    mixtures = [kind_of(activation).mixture(activation) for activation in site.types]
    return all(mixture is not None and mixture.spline is None for mixture in mixtures)


def site_key(site: SiteGenome) -> str:
    """Return the text by which the operators know a site."""
    return dumps(Genome((site,)))


@dataclass(frozen=True)
class Rows:
    """A site's neurons sorted by type: `order[i]` stands at place i, and types at `segments`; for the kernels the same
    as a program, None if they cannot.
    """

    segments: tuple[Segment, ...]
    order: tuple[int, ...]
    inverse: tuple[int, ...]
    program: native.Program | None


@lru_cache(maxsize=256)
def rows_of(key: str) -> Rows:
    """Return the rows of the site with this text."""
    (site,) = loads(key).sites
    segments: list[Segment] = []
    neurons, read = [np.zeros(0, int)], 0
    for activation, own, _ in unpack(site, np.zeros(site_count(site))):
        mixture = kind_of(activation).mixture(activation)
        assert mixture is not None
        start = segments[-1].stop if segments else 0
        offset = None if mixture.coefficients is None else read
        functions = tuple(map(base_function, mixture.terms))
        segments.append(Segment(functions, start, start + len(own), offset))
        read += 0 if offset is None else len(own) * len(functions)
        neurons.append(own)
    order = np.concatenate(neurons)
    program = plan_mixture(segments, order, None, GRID, "cpu").program
    return Rows(tuple(segments), tuple(order.tolist()), tuple(np.argsort(order).tolist()), program)


@lru_cache(maxsize=256)
def _program(key: str, members: int, coefficients: int) -> native.Program | None:
    """Return the kernels' program for several members, each with as many coefficients."""
    one = rows_of(key).program
    if one is None:
        return None
    begin = np.concatenate([one.begin[:-1] + k * len(one.terms) for k in range(members)])
    terms = np.tile(one.terms, members)
    shift = np.repeat(np.arange(members) * coefficients, len(one.terms))
    terms["coefficient"] += np.where(terms["coefficient"] >= 0, shift, 0).astype(np.int32)
    return native.Program(np.append(begin, len(terms)).astype(np.int32), terms)


@torch.library.custom_op("evoact::mixture", mutates_args=())
def mixture(x: Tensor, c: Tensor, site: str) -> Tensor:
    """Apply each neuron's mixture; shapes as the module has them."""
    program = _program(site, *c.shape) if accepts(x) else None
    if program is None:
        with torch.no_grad():
            return values(x, c, rows_of(site))
    rows = x.contiguous().view(-1, 1, x.shape[2])
    return native.forward(rows, c.contiguous().flatten(), program).view(x.shape)


@torch.library.custom_op("evoact::mixture_backward", mutates_args=())
def mixture_backward(g: Tensor, x: Tensor, c: Tensor, y: Tensor, site: str) -> tuple[Tensor, Tensor]:
    """Return the gradients with respect to x and c, if g is that with respect to y."""
    program = _program(site, *c.shape) if accepts(x) else None
    if program is None:
        with torch.no_grad():
            return gradients(g, x, c, rows_of(site))
    m = x.shape[2]
    rows = [t.contiguous().view(-1, m) for t in (g, x, y)]
    grad_x, grad_c = native.backward(rows[0], rows[1][:, None], c.contiguous().flatten(), rows[2], program)
    return grad_x.view(len(c), -1, m), grad_c.view(c.shape)


@mixture.register_fake
def _(x: Tensor, c: Tensor, site: str) -> Tensor:
    return x.new_empty(x.shape)


@mixture_backward.register_fake
def _(g: Tensor, x: Tensor, c: Tensor, y: Tensor, site: str) -> tuple[Tensor, Tensor]:
    return x.new_empty(x.shape), c.new_empty(c.shape)


# --- the same in PyTorch ----------------------------------------------------------------------------


def values(x: Tensor, c: Tensor, rows: Rows) -> Tensor:
    """Return `mixture` as operations that autograd and function transforms can follow."""
    x, parts = _in_order(x, rows.order), []
    for s in rows.segments:
        each = [apply(f, x[:, s.start : s.stop]) for f in s.functions]
        weights = _weights(c, s)
        parts.append(each[0] if weights is None else _weighted(each, weights))
    return _in_order(torch.cat(parts, 1), rows.inverse)


def gradients(g: Tensor, x: Tensor, c: Tensor, rows: Rows) -> tuple[Tensor, Tensor]:
    """Return `mixture_backward` in the same way."""
    g, x = _in_order(g, rows.order), _in_order(x, rows.order)
    parts, c_parts = [], [c[:, :0]]
    for s in rows.segments:
        mine, own = x[:, s.start : s.stop], g[:, s.start : s.stop]
        each = [apply(f, mine) for f in s.functions]
        slopes = [f.derivative(mine, value) for f, value in zip(s.functions, each, strict=True)]
        weights = _weights(c, s)
        parts.append(own * (slopes[0] if weights is None else _weighted(slopes, weights)))
        if weights is not None:
            c_parts.append(torch.stack([(own * value).sum(2) for value in each], 2).flatten(1))
    return _in_order(torch.cat(parts, 1), rows.inverse), torch.cat(c_parts, 1)


def _in_order(x: Tensor, order: tuple[int, ...]) -> Tensor:
    """Return the neurons in this order; a tensor kept for it would be foreign to whatever traces this."""
    return x.index_select(1, torch.tensor(order, device=x.device))


def _weights(c: Tensor, s: Segment) -> Tensor | None:
    """Return the coefficients [members, rows, terms] of a segment; None if its only one is 1."""
    if s.offset is None:
        return None
    n, terms = s.stop - s.start, len(s.functions)
    return c[:, s.offset : s.offset + n * terms].reshape(len(c), n, terms)


def _weighted(each: Sequence[Tensor], weights: Tensor) -> Tensor:
    y = each[0] * weights[:, :, :1]
    for i, value in enumerate(each[1:], 1):
        y = y + value * weights[:, :, i : i + 1]
    return y


# --- derivatives and batches --------------------------------------------------------------------------


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    x, c, ctx.site = inputs
    ctx.save_for_backward(x, c, output)


def _first(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor, None]:
    x, c, y = ctx.saved_tensors
    return *mixture_backward(g, x, c, y, ctx.site), None


def _save_backward(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    g, x, c, _, ctx.site = inputs
    ctx.save_for_backward(g, x, c)


def _second(ctx: Any, by_x: Tensor | None, by_c: Tensor | None) -> tuple[Tensor | None, ...]:
    """Return the gradients of the backward pass by g, x and c; y counts as a function of x and c."""
    g, x, c = ctx.saved_tensors
    rows = rows_of(ctx.site)
    pull: Any = torch.func.vjp(lambda g, x, c: gradients(g, x, c, rows), g, x, c)[1]
    by_x = torch.zeros_like(x) if by_x is None else by_x
    by_c = torch.zeros_like(c) if by_c is None else by_c
    return *pull((by_x, by_c)), None, None


mixture.register_autograd(_first, setup_context=_save)
mixture_backward.register_autograd(_second, setup_context=_save_backward)


def _batched(
    operator: Any, tensors: Sequence[Tensor], dims: Sequence[int | None], size: int, site: str
) -> Any:
    """Compute all members of all batches at once."""
    members = [
        (t[None].expand(size, *t.shape) if dim is None else t.movedim(dim, 0)).flatten(0, 1)
        for t, dim in zip(tensors, dims, strict=True)
    ]
    return operator(*members, site)


@mixture.register_vmap
def _(info: Any, in_dims: Any, x: Tensor, c: Tensor, site: str) -> tuple[Tensor, int]:
    y = _batched(mixture, (x, c), in_dims[:2], info.batch_size, site)
    return y.unflatten(0, (info.batch_size, -1)), 0


@mixture_backward.register_vmap
def _(
    info: Any, in_dims: Any, g: Tensor, x: Tensor, c: Tensor, y: Tensor, site: str
) -> tuple[tuple[Tensor, Tensor], tuple[int, int]]:
    found = _batched(mixture_backward, (g, x, c, y), in_dims[:4], info.batch_size, site)
    return tuple(t.unflatten(0, (info.batch_size, -1)) for t in found), (0, 0)
