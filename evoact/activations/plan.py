"""From the genomes of a pack to the `SitePlan` that evaluates one of its sites.

Rows are sorted so that each segment is one slice: first the plain base functions, then hulls (grouped by kind and
function set), scaled functions and parametric rectifiers, then sub-networks that are splines, then the other
families. Within a segment rows keep the order of member, type and neuron, so that sums over the neurons of a type do
not depend on the rest of the pack.
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeGuard

import numpy as np
import torch
from torch import Tensor

from evoact.activations import hulls, prelu
from evoact.activations.base_functions import BaseFunction, base_function
from evoact.activations.families import FAMILIES
from evoact.activations.heterogeneous import CoefficientGroup, FamilyGroup, Scales, SitePlan
from evoact.activations.mixture import Segment, SplineRows, plan_mixture
from evoact.activations.subnetwork import GRID
from evoact.genomes.genome import Activation, Base, Hull, PReLU, Scaled, SiteGenome, Subnetwork, pieces

Mixed = Base | Hull | Scaled | PReLU
# By kind and number of functions: the indices of the parameters that coefficients are made of, [sets, p].
CoefficientRows = dict[tuple[str, int], list[np.ndarray]]


def functions_of(activation: Mixed) -> tuple[BaseFunction, ...]:
    """The base functions of a mixture's row.

    Raises:
        UserError: for a name that is neither in the table nor an expression, naming the nearest.
    """
    if isinstance(activation, Hull):
        return tuple(map(base_function, activation.functions))
    if isinstance(activation, PReLU):
        return tuple(map(base_function, prelu.TERMS))
    return (base_function(activation.base if isinstance(activation, Scaled) else activation.name),)


def parameter_count(activation: Activation, neurons: int) -> int:
    """Trainable parameters of a type with that many neurons."""
    if isinstance(activation, Base):
        return 0
    return FAMILIES[activation.kind].parameter_count(activation, neurons)


def site_parameter_count(site: SiteGenome) -> int:
    """Trainable activation parameters of a site."""
    return sum(parameter_count(t, n) for t, n in zip(site.types, site.counts(), strict=True))


def initial_parameters(site: SiteGenome, generator: torch.Generator) -> Tensor:
    """The flat float64 parameters of a site's types, one type after another."""
    parts = [torch.empty(0, dtype=torch.float64)]
    for activation, neurons in zip(site.types, site.counts(), strict=True):
        if not isinstance(activation, Base):
            parts.append(FAMILIES[activation.kind].initial_parameters(activation, neurons, generator))
    return torch.cat(parts)


@dataclass(frozen=True)
class _Block:
    """The rows of one type of one member, and where its parameters begin in the flat [K * A]."""

    activation: Activation
    member: int
    rows: np.ndarray
    parameters: int

    @property
    def sets(self) -> int:
        """How many parameter sets the rows share out: one each, or one for all."""
        return len(self.rows) if getattr(self.activation, "per", "layer") == "neuron" else 1

    @property
    def sort_key(self) -> tuple[int, str]:
        """What makes two blocks share a slice; plain functions first, families last."""
        a = self.activation
        if isinstance(a, Base):
            return 0, a.name
        if isinstance(a, Hull):
            return 1, f"{a.hull} {len(a.functions)} {a.functions}"
        if isinstance(a, Scaled):
            return 1, f"scaled {a.base}"
        if isinstance(a, PReLU):
            return 1, "prelu"
        if is_splined(a):
            return 2, f"{a.hidden} {a.base}"
        return 3, f"{a!r} {len(self.rows) // self.sets}"


def _blocks(members: Sequence[SiteGenome], width: int) -> Iterator[_Block]:
    """Every non-empty type of every member; `width` is the padded parameter count A."""
    start = 0
    for k, member in enumerate(members):
        assignment = np.asarray(member.assignment)
        offset = k * width
        for index, activation in enumerate(member.types):
            rows = start + np.flatnonzero(assignment == index)
            if len(rows):
                yield _Block(activation, k, rows, offset)
            offset += parameter_count(activation, len(rows))
        start += len(assignment)


def plan_site(
    members: Sequence[SiteGenome],
    device: torch.device | str = "cpu",
    width: int | None = None,
) -> SitePlan:
    """The plan of one site for a pack of members, all equally wide.

    Args:
        members: the site's genome in each member
        width: to how many activation parameters members are padded; the longest's number by default

    Raises:
        UserError: for an unknown base function.
    """
    if width is None:
        width = max(site_parameter_count(m) for m in members)
    blocks = sorted(_blocks(members, width), key=lambda b: b.sort_key)
    order = np.concatenate([b.rows for b in blocks])
    segments: list[Segment] = []
    families: list[FamilyGroup] = []
    coefficient_rows: CoefficientRows = {}
    uses: list[tuple[tuple[str, int], np.ndarray]] = []
    subnetworks: dict[int, list[np.ndarray]] = {}  # by hidden width: their parameters' indices
    splined: list[np.ndarray] = []  # the rows of each, in that order
    scaled: list[_Block] = []
    row = offset = 0
    for _, group in groupby(blocks, key=lambda b: b.sort_key):
        same = list(group)
        first = same[0].activation
        stop = row + sum(len(b.rows) for b in same)
        if isinstance(first, Base):
            segments.append(Segment(functions_of(first), row, stop, None))
        elif isinstance(first, Hull | Scaled | PReLU):
            functions = functions_of(first)
            segments.append(Segment(functions, row, stop, offset))
            uses += [_coefficient_rows(b, coefficient_rows) for b in same]
            offset += (stop - row) * len(functions)
            scaled += same if isinstance(first, Scaled) else []
        elif is_splined(first):
            segments.append(Segment((base_function(first.base),), row, stop, None, splined=True))
            splined += [b.rows for b in same]
            index = [b.parameters + np.arange(parameter_count(first, len(b.rows))) for b in same]
            subnetworks.setdefault(first.hidden, []).extend(index)
        else:
            families.append(_family_group(first, same, device))
        row = stop
    return SitePlan(
        neurons=len(members[0].assignment),
        pieces=max(pieces(t) for m in members for t in m.types),
        mixture=plan_mixture(segments, order, _spline_rows(splined, device), GRID, device),
        coefficients=tuple(
            CoefficientGroup(_coefficients(kind), torch.as_tensor(np.concatenate(rows), device=device))
            for (kind, _), rows in coefficient_rows.items()
        ),
        expansion=torch.as_tensor(_expansion(coefficient_rows, uses), device=device),
        scales=_scales(scaled, device),
        subnetworks=tuple(torch.as_tensor(np.stack(index), device=device) for index in subnetworks.values()),
        families=tuple(families),
    )


def is_splined(activation: Activation) -> TypeGuard[Subnetwork]:
    """Whether this is a sub-network that is evaluated as a spline."""
    return isinstance(activation, Subnetwork) and activation.evaluation == "spline"


def _spline_rows(rows: Sequence[np.ndarray], device: torch.device | str) -> SplineRows | None:
    """The rows of each spline, all together."""
    if not rows:
        return None
    numbers = np.repeat(np.arange(len(rows)), [len(r) for r in rows])
    return SplineRows.of(np.concatenate(rows), numbers, device)


def _family_group(
    activation: Activation, blocks: Iterable[_Block], device: torch.device | str
) -> FamilyGroup:
    """Types that differ in nothing but their parameters, evaluated together."""
    rows, parameters, members = [], [], []
    for b in blocks:
        size = parameter_count(activation, len(b.rows))
        rows.append(b.rows)
        parameters.append(b.parameters + np.arange(size).reshape(b.sets, -1))
        members += [b.member] * b.sets
    return FamilyGroup(
        evaluate=functools.partial(FAMILIES[activation.kind].evaluate, activation),
        rows=torch.as_tensor(np.concatenate(rows), device=device),
        parameters=torch.as_tensor(np.concatenate(parameters), device=device),
        members=tuple(members),
        pieces=pieces(activation),
    )


def _coefficient_rows(block: _Block, coefficient_rows: CoefficientRows) -> tuple[tuple[str, int], np.ndarray]:
    """Enter the parameters of a type's coefficients under their kind and number; say which set each row uses."""
    activation = block.activation
    if isinstance(activation, Hull):
        key = activation.hull, len(activation.functions)
        own = np.arange(block.sets * key[1]).reshape(block.sets, -1)
    elif isinstance(activation, PReLU):
        key, own = ("prelu", len(prelu.TERMS)), np.arange(block.sets)[:, None]
    else:
        key, own = ("linear", 1), 2 * np.arange(block.sets)[:, None]  # of a and b, a
    known = coefficient_rows.setdefault(key, [])
    first = sum(len(rows) for rows in known)
    known.append(block.parameters + own)
    return key, first + _set_of_row(block)


def _coefficients(kind: str) -> Callable[[Tensor], Tensor]:
    return prelu.coefficients if kind == "prelu" else functools.partial(hulls.coefficients, kind)


def _scales(blocks: Sequence[_Block], device: torch.device | str) -> Scales | None:
    """The trained input scales of scaled functions, which lie behind the output scales."""
    if not blocks:
        return None
    rows = np.concatenate([b.rows for b in blocks])
    parameters = np.concatenate([b.parameters + 2 * _set_of_row(b) + 1 for b in blocks])
    return Scales(torch.as_tensor(rows, device=device), torch.as_tensor(parameters, device=device))


def _set_of_row(block: _Block) -> np.ndarray:
    """Which of its parameter sets each row of a block uses."""
    return np.arange(len(block.rows)) % block.sets


def _expansion(
    coefficient_rows: CoefficientRows, uses: Sequence[tuple[tuple[str, int], np.ndarray]]
) -> np.ndarray:
    """For each row's each function, the index of its coefficient among all groups' coefficients."""
    starts, total = {}, 0
    for key, rows in coefficient_rows.items():
        starts[key] = total
        total += sum(len(r) for r in rows) * key[1]
    parts = [(starts[key] + use[:, None] * key[1] + np.arange(key[1])[None, :]).ravel() for key, use in uses]
    return np.concatenate(parts) if parts else np.zeros(0, int)
