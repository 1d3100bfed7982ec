"""The choices for a layer: its types' families, how many types, and how many of its neurons may be absent."""

import math
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, combinations

from evoact.errors import UserError
from evoact.genomes.choices import Family, Listed
from evoact.genomes.kinds import Activation


@dataclass(frozen=True)
class LayerChoices:
    """Types from `families`, between the two `types_per_layer` of them (most is cut to what is on offer).

    `least_width` is the share of a layer's blocks that must be present, 1 for all; the others may be
    absent (Liu & Yao 1996 add and remove nodes).
    """

    families: tuple[Family, ...]
    types_per_layer: tuple[int, int]
    least_width: float = 1.0

    @cached_property
    def activations(self) -> int:
        """How many distinct activations the families offer."""
        return sum(family.size() for family in self.families)

    @property
    def least_types(self) -> int:
        return self.types_per_layer[0]

    @property
    def most_types(self) -> int:
        return min(self.types_per_layer[1], self.activations)

    def least_present(self, blocks: int) -> int:
        """Return how many of so many blocks must be present: always one for each of the least number of types.

        >>> LayerChoices((), (1, 1), 0.2).least_present(10), LayerChoices((), (3, 3), 0.2).least_present(10)
        (2, 3)
        """
        return max(1, self.least_types, math.ceil(self.least_width * blocks - 1e-9))

    def every(self) -> Iterator[Activation]:
        """Yield all activations on offer, family by family."""
        return (activation for family in self.families for activation in family.every())

    def type_sets(self) -> Iterator[tuple[Activation, ...]]:
        """Yield all sets of types that a layer may have, the smallest first."""
        every = list(self.every())
        sizes = range(self.least_types, self.most_types + 1)
        return chain.from_iterable(combinations(every, size) for size in sizes)

    def offers(self, activation: Activation) -> bool:
        """Return whether any of the families contains it."""
        return any(family.contains(activation) for family in self.families)

    def family_of(self, activation: Activation) -> Family:
        """Return the family that offers this activation.

        Raises:
            UserError: if none does.
        """
        for family in self.families:
            if family.contains(activation):
                return family
        raise UserError(f"expected an activation that the search space offers, got {activation.label}")

    def fresh_activation(self, used: Iterable[Activation], random: random.Random) -> Activation:
        """Return an activation that is not among `used`: first a family, then one of it, both uniform.

        Raises:
            UserError: if all activations are used.
        """
        taken = set(used)
        if len(taken) >= self.activations:
            raise UserError(f"expected fewer than {self.activations} activations in use, got all of them")
        while True:
            activation = random.choice(self.families).sample(random)
            if activation not in taken:
                return activation

    def problems(self) -> Iterable[str]:
        """Return what is wrong whatever the layer, as sentences."""
        least, most = self.types_per_layer
        kinds = [family.kind for family in self.families]
        if not self.families:
            yield "expected at least one activation, got an empty space"
        if len(set(kinds)) < len(kinds):
            yield f"expected at most one entry for each kind of activation, got {', '.join(kinds)}"
        for given in (family for family in self.families if isinstance(family, Listed)):
            others = [family for family in self.families if family is not given]
            for activation in given.activations:
                if any(family.contains(activation) for family in others):
                    yield f"expected each activation once, got {activation.label} as given and by its kind"
        if not 1 <= least <= most:
            yield f"expected types per layer as (least, most) with 1 <= least <= most, got ({least}, {most})"
        elif 0 < self.activations < least:
            yield f"expected at least {least} activations for {least} types per layer, got {self.activations}"
        if not 0 < self.least_width <= 1:
            yield f"expected least_width above 0 and at most 1, got {self.least_width}"
