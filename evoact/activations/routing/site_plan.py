"""Any assignment of neurons to types, for a whole pack, as one batched operation.

The pre-activations of a site in a pack are z[K, N * P, M]: member, neuron, pieces of a neuron (more than one for maxout
and its like), and what is left (the batch, with positions for images). Rows that are combinations of fixed functions
or splines go through `mixture`; other types are evaluated group by group.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from evoact.activations import units
from evoact.activations.kinds.kind import Noise
from evoact.activations.routing.mixture import MixturePlan, NativeColumns
from evoact.activations.units import NativeUnit
from evoact.native.mixture import Program
from evoact.native.pieces import Units
from evoact.native.tensors import accepts

# Uniform numbers in (0, 1) of the shape of a template [sets, E], given the member of each set.
PackNoise = Callable[[Tensor, Sequence[int]], Tensor]


@dataclass(frozen=True)
class ParameterGroup:
    """The numbers that a function computes from parameter sets [sets, p], which lie at these indices of the flat
    parameters.
    """

    function: Callable[[Tensor], Tensor]
    parameters: Tensor

    def __call__(self, flat: Tensor) -> Tensor:
        return self.function(flat[self.parameters])


@dataclass(frozen=True)
class Scales:
    """Trained factors of pre-activations: of these rows, each the one of that place among all groups'."""

    groups: tuple[ParameterGroup, ...]
    rows: Tensor
    places: Tensor

    def __call__(self, x: Tensor, flat: Tensor) -> Tensor:
        """x[R, P, M], scaled row by row; all others times 1."""
        scales = torch.cat([group(flat).flatten() for group in self.groups])
        factors = flat.new_ones(len(x)).index_copy(0, self.rows, scales.index_select(0, self.places))
        return x * factors.view(-1, 1, 1)


@dataclass(frozen=True)
class TypeGroup:
    """Equal types with equally many rows a set: `evaluate(x[sets, P, E], parameters[sets, p], noise)`,
    the rows' indices [sets * rows per set], their parameters' [sets, p], the member of each set, the pieces P
    that it takes, and whether the rows are all of the site in their order, and whether each
    may be a set of its own, since sets have neither parameters nor noise. `unit` is the kind's."""

    evaluate: Callable[[Tensor, Tensor, Noise | None], Tensor]
    rows: Tensor
    parameters: Tensor
    members: tuple[int, ...]
    pieces: int
    whole: bool
    apart: bool
    unit: NativeUnit | None = None

    def __call__(self, x: Tensor, flat: Tensor, noise: PackNoise | None) -> Tensor:
        """x[R, P, M] to the group's rows of the result, [rows, M]."""
        sets, m = len(self.parameters), x.shape[-1]
        mine = (x if self.whole else x.index_select(0, self.rows))[:, : self.pieces]
        if self.apart:
            return self.evaluate(mine, flat.new_empty(len(mine), 0), None)
        if self.unit is not None and self.unit.reference is not None and accepts(mine):
            mine = mine.reshape(sets, len(mine) // sets, self.pieces, m)
            return units.by_rows(self.unit, mine, flat[self.parameters]).view(len(self.rows), m)
        # [set, row, piece, M] -> [set, piece, (row, M)]
        mine = (
            mine.view(sets, len(mine) // sets, self.pieces, m).transpose(1, 2).reshape(sets, self.pieces, -1)
        )
        own_noise = None if noise is None else lambda template: noise(template, self.members)
        return self.evaluate(mine, flat[self.parameters], own_noise).reshape(len(self.rows), m)


@dataclass(frozen=True)
class SitePlan:
    """The evaluation of one site of one pack; made once per pack by `plan.plan_site`.

    `coefficients` make those of all rows, which the mixture reads in the order `expansion`; `splines` make the
    splines, in the order in which its rows name them.
    """

    neurons: int
    pieces: int
    mixture: MixturePlan
    coefficients: tuple[ParameterGroup, ...]
    expansion: Tensor
    scales: Scales | None
    splines: tuple[ParameterGroup, ...]
    groups: tuple[TypeGroup, ...]

    def __call__(self, z: Tensor, parameters: Tensor, noise: PackNoise | None = None) -> Tensor:
        """Apply every row's activation.

        Args:
            z: pre-activations [K, N * P, M], a neuron's pieces side by side
            parameters: the site's activation parameters [K, A], padded to the longest member
            noise: for types that are random while training; None in evaluation

        Returns:
            activations [K, N, M]
        """
        k, _, m = z.shape
        x = z.reshape(k * self.neurons, self.pieces, m)
        flat = parameters.reshape(-1)
        if self.groups and self.groups[0].whole:
            return self.groups[0](x, flat, noise).view(k, self.neurons, m)
        splines = flat.new_empty(0)
        if self.scales is not None:
            x = self.scales(x, flat)
        c = self.coefficients_of(flat)
        if self.splines:
            splines = torch.cat([group(flat) for group in self.splines])
        y = self.mixture(x, c, splines)
        for types in self.groups:
            y = y.index_copy(0, types.rows, types(x, flat, noise))
        return y.view(k, self.neurons, m)

    @property
    def in_kernels(self) -> bool:
        """Whether the kernels for rows and those for units in layers are all of the site."""
        known = all(group.unit is not None for group in self.groups)
        return known and self.scales is None and not self.splines and self.mixture.program is not None

    @cached_property
    def units(self) -> Units:
        """The units of all groups, which are `in_kernels`; their numbers are among those of `numbers_of`."""
        assert self.mixture.program is not None
        sets, read = [], len(self.expansion)
        for group in self.groups:
            assert group.unit is not None
            rows = group.rows.view(len(group.members), -1).numpy()
            for member, own in zip(group.members, rows, strict=True):
                sets.append((member, group.unit.native, own % self.neurons, read))
                read += 0 if group.unit.numbers is None else group.parameters.shape[1]
        return Units.of(sets, (len(self.mixture.program.begin) - 1) // self.neurons)

    def numbers_of(self, flat: Tensor) -> Tensor:
        """Return the coefficients of all rows and behind them the numbers of all `units`, of the flat parameters."""
        found = [self.coefficients_of(flat)]
        for group in self.groups:
            if group.unit is not None and group.unit.numbers is not None:
                found.append(group.unit.numbers(flat[group.parameters]).flatten())
        return torch.cat(found)

    @property
    def in_columns(self) -> bool:
        """Whether `columns` can be asked."""
        return self.program is not None and self.mixture.columns is not None

    @property
    def program(self) -> Program | None:
        """The kernels' program if it is all of the site, with the coefficients `coefficients_of` for all rows."""
        alone = not self.groups and self.scales is None and not self.splines and self.pieces == 1
        return self.mixture.program if alone else None

    def columns(self, z: Tensor, parameters: Tensor) -> Tensor:
        """Apply one member's activations to z [m, N], contiguous, which the kernels accept; parameters [A]."""
        result: Tensor = NativeColumns.apply(z, self.coefficients_of(parameters), self.mixture)
        return result

    def coefficients_of(self, flat: Tensor) -> Tensor:
        """Return the coefficients of all rows, as the mixture reads them, of the flat parameters [K * A]."""
        if not self.coefficients:
            return flat.new_empty(0)
        made = torch.cat([group(flat).flatten() for group in self.coefficients])
        return made.index_select(0, self.expansion)
