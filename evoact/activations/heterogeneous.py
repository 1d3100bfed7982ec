"""Any assignment of neurons to types, for a whole pack, as one batched operation.

The pre-activations of a site in a pack are z[K, N * P, M]: member, neuron, pieces of a neuron (more than one for maxout
and its like), and what is left (the batch, with positions for images). Base functions, plain, scaled or in hulls,
parametric rectifiers and sub-networks, whose rows are combinations of fixed functions and splines, go through
`mixture`; types of the other families are evaluated group by group.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from evoact.activations.mixture import MixturePlan
from evoact.activations.sharing import Noise
from evoact.activations.subnetwork import spline_coefficients

# Uniform numbers in (0, 1) of the shape of a template [sets, E], given the member of each set.
PackNoise = Callable[[Tensor, Sequence[int]], Tensor]


@dataclass(frozen=True)
class CoefficientGroup:
    """Rows' coefficients [sets, n] as a function of parameters, which lie at these indices [sets, p]."""

    coefficients: Callable[[Tensor], Tensor]
    parameters: Tensor


@dataclass(frozen=True)
class Scales:
    """Trained factors of pre-activations: of these rows, and where each one's lies among the parameters."""

    rows: Tensor
    parameters: Tensor

    def __call__(self, x: Tensor, flat: Tensor) -> Tensor:
        """x[R, P, M], scaled row by row; all others times 1."""
        factors = flat.new_ones(len(x)).index_copy(0, self.rows, flat[self.parameters])
        return x * factors.view(-1, 1, 1)


@dataclass(frozen=True)
class FamilyGroup:
    """Types of one family with equally many rows: `evaluate(x[sets, P, E], parameters[sets, p], noise)`,
    the rows' indices [sets * rows per set], their parameters' [sets, p], the member of each set, and the
    pieces P that it takes."""

    evaluate: Callable[[Tensor, Tensor, Noise | None], Tensor]
    rows: Tensor
    parameters: Tensor
    members: tuple[int, ...]
    pieces: int

    def __call__(self, x: Tensor, flat: Tensor, noise: PackNoise | None) -> Tensor:
        """x[R, P, M] to the group's rows of the result, [rows, M]."""
        sets, m = len(self.parameters), x.shape[-1]
        mine = x.index_select(0, self.rows)[:, : self.pieces]
        # [set, row, piece, M] -> [set, piece, (row, M)]
        mine = mine.view(sets, -1, self.pieces, m).transpose(1, 2).reshape(sets, self.pieces, -1)
        own_noise = None if noise is None else lambda template: noise(template, self.members)
        return self.evaluate(mine, flat[self.parameters], own_noise).reshape(-1, m)


@dataclass(frozen=True)
class SitePlan:
    """How one site of one pack is evaluated; made once per pack by `plan.plan_site`. `subnetworks` are, for
    each width h of those that are evaluated as splines, their parameters' indices [types, 3h + 1]."""

    neurons: int
    pieces: int
    mixture: MixturePlan
    coefficients: tuple[CoefficientGroup, ...]
    expansion: Tensor
    scales: Scales | None
    subnetworks: tuple[Tensor, ...]
    families: tuple[FamilyGroup, ...]

    def __call__(self, z: Tensor, parameters: Tensor, noise: PackNoise | None = None) -> Tensor:
        """Apply every row's activation.

        Args:
            z: pre-activations [K, N * P, M], a neuron's pieces side by side
            parameters: the site's activation parameters [K, A], padded to the longest member
            noise: for families that are random while training; None in evaluation

        Returns:
            activations [K, N, M]
        """
        k, _, m = z.shape
        x = z.reshape(k * self.neurons, self.pieces, m)
        flat = parameters.reshape(-1)
        if self.scales is not None:
            x = self.scales(x, flat)
        y = self.mixture(x, self._coefficients(flat), self._splines(flat))
        for group in self.families:
            y = y.index_copy(0, group.rows, group(x, flat, noise))
        return y.view(k, self.neurons, m)

    def _coefficients(self, flat: Tensor) -> Tensor:
        """All rows' coefficients, in the order in which the segments read them."""
        if not self.coefficients:
            return flat.new_empty(0)
        groups = [g.coefficients(flat[g.parameters]).flatten() for g in self.coefficients]
        return torch.cat(groups).index_select(0, self.expansion)

    def _splines(self, flat: Tensor) -> Tensor:
        """The coefficients of all sub-networks' splines, in the order in which the rows name them."""
        if not self.subnetworks:
            return flat.new_empty(0)
        return torch.cat([spline_coefficients(flat[index]) for index in self.subnetworks])
