"""Layers of sites that are permuted together: how many different ones there are, and all of them."""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations_with_replacement, product

from evoact.genomes.activation import NOBODY
from evoact.genomes.kinds import Activation
from evoact.genomes.layer_choices import LayerChoices


@dataclass(frozen=True)
class TiedLayers:
    """The layers of a stream's sites, or of one site alone, whose blocks have the same `widths`.

    A row is what one block has at each of these sites. Rows of the same width can change places if they are
    `exchangeable`; up to `most_absent` of them may be absent, at a single site alone.

    >>> from evoact.genomes.choices import choices
    >>> layer = LayerChoices((choices("base", name=("relu", "sin", "abs")),), (1, 2))
    >>> TiedLayers((layer,), (1, 1)).count()
    6
    """

    choices: tuple[LayerChoices, ...]
    widths: tuple[int, ...]
    exchangeable: bool = True
    most_absent: int = 0

    def count(self) -> int:
        """Return how many there are.

        A layer that uses exactly m types is counted by inclusion and exclusion over the k <= m types
        that are allowed to occur; weights are summed over the product P of the k of tied sites.
        """
        weights = Counter({1: 1})
        for layer in self.choices:
            step: Counter[int] = Counter()
            for product_so_far, weight in weights.items():
                for k in range(1, layer.most_types + 1):
                    step[product_so_far * k] += weight * _weight(layer, k)
            weights = step
        return sum(weight * self._arrangements(rows) for rows, weight in weights.items())

    def _arrangements(self, rows: int) -> int:
        """Ways to give each block that is present one of `rows` values, up to permutations."""
        if not self.exchangeable:
            return rows ** len(self.widths)
        full = self.widths.count(self.widths[0])  # a smaller last block is not exchangeable with the others
        last = len(self.widths) - full
        total = 0
        for m in range(last + 1):
            least = max(0, full + last - m - self.most_absent)  # of the exchangeable blocks that are present
            # C(rows + n - 1, n), summed over n from least to full, telescopes.
            ways = math.comb(rows + full, full) - (math.comb(rows + least - 1, least - 1) if least else 0)
            total += ways * rows**m
        return total

    def every(self) -> Iterator[tuple[tuple[Activation, ...], ...]]:
        """Yield all of them, one column of blocks for each site: first the types, then which neurons have them."""
        full = self.widths.count(self.widths[0]) if self.exchangeable else 0
        for types in product(*(layer.type_sets() for layer in self.choices)):
            alphabet: list[tuple[Activation, ...]] = list(product(*types))
            alphabet += [(NOBODY,)] if self.most_absent else []
            exchangeable = combinations_with_replacement(alphabet, full)
            for rows in product(exchangeable, product(alphabet, repeat=len(self.widths) - full)):
                columns = tuple(zip(*rows[0], *rows[1], strict=True))
                used = all(set(wanted) <= set(c) for wanted, c in zip(types, columns, strict=True))
                if used and columns[0].count(NOBODY) <= self.most_absent:
                    yield columns


def _weight(layer: LayerChoices, k: int) -> int:
    """How often inclusion and exclusion counts the sets of k allowed types."""
    return sum(
        math.comb(layer.activations, m) * math.comb(m, k) * (-1) ** (m - k)
        for m in range(max(k, layer.least_types), layer.most_types + 1)
    )
