"""From the genomes of a pack to the `SitePlan` that evaluates one of its sites.

Rows are sorted so that each segment is one slice: first single base functions, then combinations of functions (those
of the same ones together), then splines, then all other types. Within a segment rows keep the order of member, type
and neuron, so that sums over the neurons of a type do not depend on the rest of the pack.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
import torch
from torch import Tensor

from evoact.activations.functions.base_functions import base_function
from evoact.activations.kinds import kind_of, site_count, unpack
from evoact.activations.kinds.kind import Mixture
from evoact.activations.routing.mixture import Segment, SplineRows, plan_mixture
from evoact.activations.routing.site_plan import ParameterGroup, Scales, SitePlan, TypeGroup
from evoact.activations.spline import GRID
from evoact.genomes.activation import pieces
from evoact.genomes.genome import SiteGenome
from evoact.genomes.kinds import Activation

# A function of parameter sets [sets, p], p, and how many numbers of the result are a set's.
_Key = tuple[Callable[[Tensor], Tensor], int, int]


def plan_site(
    members: Sequence[SiteGenome],
    device: torch.device | str = "cpu",
    width: int | None = None,
) -> SitePlan:
    """Return the plan of one site for a pack of members, all equally wide.

    Args:
        members: the site's genome in each member
        width: to how many activation parameters members are padded; the longest's number by default

    Raises:
        UserError: for an unknown base function.
    """
    if width is None:
        width = max(map(site_count, members))
    blocks = sorted(_blocks(members, width), key=lambda b: b.segment)
    segments: list[Segment] = []
    groups: list[TypeGroup] = []
    coefficients, scales, splines = _Made(), _Made(), _Made()
    row = 0
    for _, equal in groupby(blocks, key=lambda b: b.segment):
        same = list(equal)
        stop = row + sum(len(b.rows) for b in same)
        if (first := same[0].mixture) is None:
            groups.append(_type_group(same, len(members) * len(members[0].assignment), device))
        else:
            functions = tuple(map(base_function, first.terms))
            offset = None if first.coefficients is None else coefficients.read
            segments.append(Segment(functions, row, stop, offset, splined=first.spline is not None))
        for b in same:
            if b.mixture is not None:
                coefficients.enter(b.mixture.coefficients, b, len(b.mixture.terms))
                scales.enter(b.mixture.input_scale, b)
                splines.enter(b.mixture.spline, b)
        row = stop
    order = np.concatenate([b.rows for b in blocks])
    spline_rows = None
    if splines.uses:
        by_number = np.argsort(splines.places, kind="stable")
        spline_rows = SplineRows.of(splines.rows[by_number], splines.places[by_number], device)
    return SitePlan(
        neurons=len(members[0].assignment),
        pieces=max(pieces(t) for m in members for t in m.types),
        mixture=plan_mixture(segments, order, spline_rows, GRID, device),
        coefficients=coefficients.groups(device),
        expansion=torch.as_tensor(coefficients.places, device=device),
        scales=Scales(
            scales.groups(device),
            torch.as_tensor(scales.rows, device=device),
            torch.as_tensor(scales.places, device=device),
        )
        if scales.uses
        else None,
        splines=splines.groups(device),
        groups=tuple(groups),
    )


@dataclass(frozen=True)
class _Block:
    """The rows of one type of one member, and where its parameters lie in the flat [K * A]: [sets, numbers]."""

    activation: Activation
    mixture: Mixture | None
    member: int
    rows: np.ndarray
    parameters: np.ndarray

    @property
    def segment(self) -> tuple[int, Any]:
        """Return the key that the blocks of one segment or group share and are sorted by."""
        if self.mixture is None:
            return 3, f"{self.activation!r} {len(self.rows) // len(self.parameters)}"
        if self.mixture.spline is not None:
            return 2, self.mixture.terms
        return (0 if self.mixture.coefficients is None else 1), self.mixture.terms


def _blocks(members: Sequence[SiteGenome], width: int) -> Iterator[_Block]:
    """Every non-empty type of every member; `width` is the padded parameter count A."""
    neurons = len(members[0].assignment)
    for k, member in enumerate(members):
        for activation, own, parameters in unpack(member, k * width + np.arange(site_count(member))):
            if len(own):
                mixture = kind_of(activation).mixture(activation)
                yield _Block(activation, mixture, k, k * neurons + own, parameters)


@dataclass
class _Made:
    """The numbers that functions compute from parameter sets, and which rows read it. Each function is called once for
    all its sets.
    """

    sets: dict[_Key, list[np.ndarray]] = field(default_factory=dict)
    uses: list[tuple[_Key, np.ndarray, np.ndarray]] = field(default_factory=list)  # rows, and the set of each
    read: int = 0

    def enter(self, function: Callable[[Tensor], Tensor] | None, block: _Block, columns: int = 1) -> None:
        """Enter a block whose rows each read `columns` numbers that a function makes of their set; None: nothing."""
        if function is None:
            return
        key = function, block.parameters.shape[1], columns
        known = self.sets.setdefault(key, [])
        own = sum(map(len, known)) + np.arange(len(block.rows)) % len(block.parameters)
        known.append(block.parameters)
        self.uses.append((key, block.rows, own))
        self.read += len(block.rows) * columns

    @property
    def rows(self) -> np.ndarray:
        return np.concatenate([rows for _, rows, _ in self.uses])

    @property
    def places(self) -> np.ndarray:
        """Where each row's numbers lie among what all functions make, row after row."""
        starts, total, parts = {}, 0, [np.zeros(0, int)]
        for key, known in self.sets.items():
            starts[key] = total
            total += sum(map(len, known)) * key[2]
        for key, _, own in self.uses:
            parts.append((starts[key] + own[:, None] * key[2] + np.arange(key[2])).ravel())
        return np.concatenate(parts)

    def groups(self, device: torch.device | str) -> tuple[ParameterGroup, ...]:
        return tuple(
            ParameterGroup(function, torch.as_tensor(np.concatenate(known), device=device))
            for (function, *_), known in self.sets.items()
        )


def _type_group(blocks: Sequence[_Block], rows: int, device: torch.device | str) -> TypeGroup:
    """Types that differ in nothing but their parameters, evaluated together, at a site of so many rows."""
    activation = blocks[0].activation
    own = np.concatenate([b.rows for b in blocks])
    kind = kind_of(activation)
    return TypeGroup(
        evaluate=functools.partial(kind.evaluate, activation),
        rows=torch.as_tensor(own, device=device),
        parameters=torch.as_tensor(np.concatenate([b.parameters for b in blocks]), device=device),
        members=tuple(b.member for b in blocks for _ in b.parameters),
        pieces=pieces(activation),
        apart=not blocks[0].parameters.shape[1] and not kind.random,
        whole=np.array_equal(own, np.arange(rows)),
        unit=kind.unit(activation),
    )
