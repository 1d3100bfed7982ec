"""From the genomes of a pack to the `SitePlan` that evaluates one of its sites.

Rows are sorted so that each segment is one slice: first the plain base functions, then the
sub-networks (grouped by width and number of neurons), then the hulls (grouped by kind and function
set). Within a segment rows keep the order of member, type and neuron, so that sums over the neurons
of a type do not depend on the rest of the pack.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from evoact.activations import hulls, subnetwork
from evoact.activations.base_functions import BASE_FUNCTIONS, BaseFunction
from evoact.activations.heterogeneous import HullGroup, Segment, SitePlan, SubnetworkGroup
from evoact.genomes.genome import Activation, Base, Hull, SiteGenome, Subnetwork
from evoact.registry import lookup


def functions_of(activation: Activation) -> tuple[BaseFunction, ...]:
    """The base functions that an activation evaluates.

    Raises:
        UserError: for a name that is not in the table, naming the nearest.
    """
    if isinstance(activation, Base):
        names: tuple[str, ...] = (activation.name,)
    elif isinstance(activation, Subnetwork):
        names = (activation.base,)
    else:
        names = activation.functions
    return tuple(lookup(BASE_FUNCTIONS, "base function", name) for name in names)


def parameter_count(activation: Activation, neurons: int) -> int:
    """Trainable parameters of a type with that many neurons."""
    if isinstance(activation, Hull):
        return hulls.parameter_count(activation, neurons)
    if isinstance(activation, Subnetwork):
        return subnetwork.parameter_count(activation, neurons)
    return 0


def site_parameter_count(site: SiteGenome) -> int:
    """Trainable activation parameters of a site."""
    return sum(parameter_count(t, n) for t, n in zip(site.types, site.counts(), strict=True))


def initial_parameters(site: SiteGenome, generator: torch.Generator) -> Tensor:
    """The flat float64 parameters of a site's types, one type after another."""
    parts = [torch.empty(0, dtype=torch.float64)]
    for activation, neurons in zip(site.types, site.counts(), strict=True):
        if isinstance(activation, Hull):
            parts.append(hulls.initial_parameters(activation, neurons))
        elif isinstance(activation, Subnetwork):
            parts.append(subnetwork.initial_parameters(activation, generator))
    return torch.cat(parts)


@dataclass(frozen=True)
class _Block:
    """The rows of one type of one member, and where its parameters begin in the flat [K * A]."""

    activation: Activation
    rows: np.ndarray
    parameters: int

    @property
    def family(self) -> tuple[int, ...] | tuple[int, str, tuple[str, ...]]:
        """What makes two blocks share a slice; plain functions first, hulls last."""
        a = self.activation
        if isinstance(a, Base):
            return (0,)
        if isinstance(a, Subnetwork):
            return (1, a.hidden, len(self.rows))
        return (2, a.hull, a.functions)

    @property
    def sort_key(self) -> str:
        return f"{self.family!r} {[f.name for f in functions_of(self.activation)]}"


def _blocks(members: Sequence[SiteGenome], width: int) -> Iterator[_Block]:
    """Every non-empty type of every member; `width` is the padded parameter count A."""
    start = 0
    for k, member in enumerate(members):
        assignment = np.asarray(member.assignment)
        offset = k * width
        for index, activation in enumerate(member.types):
            rows = start + np.flatnonzero(assignment == index)
            if len(rows):
                yield _Block(activation, rows, offset)
            offset += parameter_count(activation, len(rows))
        start += len(assignment)


def plan_site(
    members: Sequence[SiteGenome], device: torch.device | str = "cpu", width: int | None = None
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
    subnetworks: list[SubnetworkGroup] = []
    coefficient_rows: dict[tuple[str, int], list[np.ndarray]] = {}
    uses: list[tuple[tuple[str, int], np.ndarray]] = []
    row = offset = 0
    for _, group in groupby(blocks, key=lambda b: b.sort_key):
        same = list(group)
        first = same[0].activation
        stop = row + sum(len(b.rows) for b in same)
        functions = functions_of(first)
        if isinstance(first, Hull):
            segments.append(Segment(functions, row, stop, offset))
            uses += [_hull_rows(b, coefficient_rows) for b in same]
            offset += (stop - row) * len(functions)
        else:
            segments.append(Segment(functions, row, stop, None))
        if isinstance(first, Subnetwork):
            index = np.stack([b.parameters + np.arange(parameter_count(first, 1)) for b in same])
            subnetworks.append(SubnetworkGroup(torch.as_tensor(index, device=device), row, stop))
        row = stop
    identity = bool((order == np.arange(len(order))).all())
    return SitePlan(
        order=None if identity else torch.as_tensor(order, device=device),
        inverse=None if identity else torch.as_tensor(np.argsort(order), device=device),
        segments=tuple(segments),
        hulls=tuple(
            HullGroup(kind, torch.as_tensor(np.concatenate(rows), device=device))
            for (kind, _), rows in coefficient_rows.items()
        ),
        expansion=torch.as_tensor(_expansion(coefficient_rows, uses), device=device),
        subnetworks=tuple(subnetworks),
    )


def _hull_rows(
    block: _Block, coefficient_rows: dict[tuple[str, int], list[np.ndarray]]
) -> tuple[tuple[str, int], np.ndarray]:
    """Enter a hull's parameter sets [sets, n] under its kind and size; say which set each row uses."""
    hull = block.activation
    assert isinstance(hull, Hull)
    n = len(hull.functions)
    sets = len(block.rows) if hull.per == "neuron" else 1
    known = coefficient_rows.setdefault((hull.hull, n), [])
    first = sum(len(rows) for rows in known)
    known.append(block.parameters + np.arange(sets * n).reshape(sets, n))
    use = first + (np.arange(sets) if hull.per == "neuron" else np.zeros(len(block.rows), int))
    return (hull.hull, n), use


def _expansion(
    coefficient_rows: dict[tuple[str, int], list[np.ndarray]],
    uses: Sequence[tuple[tuple[str, int], np.ndarray]],
) -> np.ndarray:
    """For each row's each function, the index of its coefficient among all groups' coefficients."""
    starts, total = {}, 0
    for key, rows in coefficient_rows.items():
        starts[key] = total
        total += sum(r.size for r in rows)
    parts = [(starts[key] + use[:, None] * key[1] + np.arange(key[1])[None, :]).ravel() for key, use in uses]
    return np.concatenate(parts) if parts else np.zeros(0, int)
