"""What may vary in a search: the activations a type may have, types per layer, and learning rates.

A family offers the activations of one kind; a space combines families with sites and a grid of
learning rates. Neurons are assigned in blocks of `neurons_per_block` (the last may be smaller), which
sets the resolution of the search.
"""

import math
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

from evoact.errors import ConfigError, UserError
from evoact.genomes.families import MIXED, BaseChoices, Family, HullChoices, SubnetworkChoices
from evoact.genomes.genome import Activation, Genome, Site, SiteGenome, canonical

__all__ = ["MIXED", "BaseChoices", "Family", "HullChoices", "SearchSpace", "SubnetworkChoices", "log_grid"]

_T = TypeVar("_T")
_Row = tuple[int, ...]  # the types of one neuron at all sites that are tied


@dataclass(frozen=True)
class SearchSpace:
    """All genomes over `sites` with types from `families` and learning rates from a grid.

    `types_per_layer` is (least, most), both included; most is cut to the number of activations on
    offer. Raises ConfigError naming everything wrong with it.

    >>> choices = BaseChoices(("relu", "sin", "tanh", "abs"))
    >>> space = SearchSpace("tiny", (Site("hidden0", 16),), (choices,), (1, 4), (0.01,))
    >>> space.size()
    969
    >>> space.contains(space.sample(random.Random(0)))
    True
    """

    name: str
    sites: tuple[Site, ...]
    families: tuple[Family, ...]
    types_per_layer: tuple[int, int]
    learning_rates: tuple[float, ...]
    neurons_per_block: int = 1

    def __post_init__(self) -> None:
        problems = list(_problems(self))
        if problems:
            raise ConfigError(f"search space {self.name!r}", problems)

    @cached_property
    def activations(self) -> int:
        """How many distinct activations the families offer."""
        return sum(family.size() for family in self.families)

    @cached_property
    def functions(self) -> tuple[str, ...]:
        """The base functions that occur in any family, in their order."""
        return tuple(dict.fromkeys(name for family in self.families for name in family.functions))

    @cached_property
    def flavours(self) -> tuple[str, ...]:
        """What `restrict` narrows to: base, a hull kind, subnetwork, and `mixed` where there are several."""
        names = tuple(name for family in self.families for name in family.flavours)
        return (*names, MIXED) if len(names) > 1 else names

    @property
    def least_types(self) -> int:
        return self.types_per_layer[0]

    @property
    def most_types(self) -> int:
        return min(self.types_per_layer[1], self.activations)

    @cached_property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """Indices of the sites that are permuted together: those of a stream, any other alone."""
        tied: dict[str, list[int]] = {}
        for i, site in enumerate(self.sites):
            tied.setdefault(site.symmetry if site.symmetry.startswith("stream:") else f"{i}", []).append(i)
        return tuple(map(tuple, tied.values()))

    def block_widths(self, site: Site) -> tuple[int, ...]:
        """The number of neurons in each block of a site."""
        full, rest = divmod(site.neurons, self.neurons_per_block)
        return (self.neurons_per_block,) * full + ((rest,) if rest else ())

    def size(self) -> int:
        """The exact number of different networks: canonical structures times learning rates.

        A layer that uses exactly m types is counted by inclusion and exclusion over the k <= m types
        that are allowed to occur; weights are summed over the product P of the k of tied sites.
        """
        total = len(self.learning_rates)
        for group in self.groups:
            weights = Counter({1: 1})
            for _ in group:
                step: Counter[int] = Counter()
                for product_so_far, weight in weights.items():
                    for k in range(1, self.most_types + 1):
                        step[product_so_far * k] += weight * self._weight(k)
                weights = step
            site = self.sites[group[0]]
            total *= sum(weight * self._arrangements(site, rows) for rows, weight in weights.items())
        return total

    def _weight(self, k: int) -> int:
        return sum(
            math.comb(self.activations, m) * math.comb(m, k) * (-1) ** (m - k)
            for m in range(max(k, self.least_types), self.most_types + 1)
        )

    def _arrangements(self, site: Site, rows: int) -> int:
        """Ways to give each block one of `rows` values, up to the site's permutations."""
        widths = self.block_widths(site)
        if site.symmetry == "none":
            return rows ** len(widths)
        full = widths.count(widths[0])  # a smaller last block is not exchangeable with the others
        return math.comb(rows + full - 1, full) * rows ** (len(widths) - full)

    def sample(self, random: random.Random) -> Genome:
        """A genome, stratified over canonical counts.

        The number of types is uniform, their activations are distinct, and the composition of the
        blocks into them is uniform. Drawing each neuron's type instead would give nearly equal
        counts always: the binomial distribution has hardly any mass elsewhere.
        """
        blocks = []
        for site in self.sites:
            widths = self.block_widths(site)
            types: list[Activation] = []
            for _ in range(random.randint(self.least_types, self.most_types)):
                types.append(self.fresh_activation(types, random))
            cuts = [0, *sorted(random.sample(range(1, len(widths)), len(types) - 1)), len(widths)]
            row = [t for i, t in enumerate(types) for _ in range(cuts[i + 1] - cuts[i])]
            if site.symmetry != "free" or widths[-1] != widths[0]:
                random.shuffle(row)
            blocks.append(row)
        return self.assemble(blocks, random.choice(self.learning_rates))

    def fresh_activation(self, used: Iterable[Activation], random: random.Random) -> Activation:
        """An activation that is not among `used`: first a family, then one of it, both uniform.

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

    def family_of(self, activation: Activation) -> Family:
        """The family that offers this activation.

        Raises:
            UserError: if none does.
        """
        for family in self.families:
            if family.contains(activation):
                return family
        raise UserError(f"expected an activation of search space {self.name!r}, got {activation.label}")

    def assemble(self, blocks: Sequence[Sequence[Activation]], learning_rate: float) -> Genome:
        """The canonical genome that gives each block of each site this activation (no check)."""
        sites = []
        for site, row in zip(self.sites, blocks, strict=True):
            index = {activation: i for i, activation in enumerate(dict.fromkeys(row))}
            widths = self.block_widths(site)
            neurons = _repeated([index[activation] for activation in row], widths)
            sites.append(SiteGenome(site.name, tuple(index), tuple(neurons)))
        return canonical(Genome(tuple(sites), (("learning_rate", learning_rate),)), self.sites)

    def blocks(self, genome: Genome) -> list[list[Activation]]:
        """The inverse of `assemble`: one activation per block, for each site; equal ones stand together.

        Raises:
            UserError: if neurons of one block would differ.
        """
        result: list[list[Activation]] = [[] for _ in self.sites]
        for group in self.groups:
            rows = list(zip(*(genome.sites[i].assignment for i in group), strict=True))
            chosen = self._block_rows(self.sites[group[0]], rows)
            for i, column in zip(group, zip(*chosen, strict=True), strict=True):
                result[i] = [genome.sites[i].types[t] for t in column]
        return result

    def _block_rows(self, site: Site, rows: list[_Row]) -> list[_Row]:
        """The value of each block, from the value of each neuron."""
        widths = self.block_widths(site)
        if site.symmetry == "none":
            chosen = rows[:: self.neurons_per_block]
            exact = rows == _repeated(chosen, widths)
        else:
            counts = Counter(rows)
            chosen = [row for row, n in counts.items() for _ in range(n // widths[0])]
            if widths[-1] != widths[0]:
                chosen += [row for row, n in counts.items() if n % widths[0] == widths[-1]]
            exact = len(chosen) == len(widths) and Counter(_repeated(chosen, widths)) == counts
        if not exact:
            raise UserError(
                f"expected site {site.name!r} to be assigned in blocks of {self.neurons_per_block} neurons"
            )
        return chosen

    def objection(self, genome: Genome) -> str:
        """Why the genome is not in the space, in one sentence; empty if it is."""
        widths = [(site.name, site.neurons) for site in self.sites]
        got = [(site.site, len(site.assignment)) for site in genome.sites]
        if widths != got:
            return f"expected the sites {widths}, got {got}"
        if [name for name, _ in genome.hyperparameters] != ["learning_rate"]:
            return f"expected the hyperparameter learning_rate alone, got {dict(genome.hyperparameters)}"
        if genome.hyperparameter("learning_rate") not in self.learning_rates:
            rates = ", ".join(f"{rate:g}" for rate in self.learning_rates)
            return f"expected a learning rate of {rates}, got {genome.hyperparameter('learning_rate'):g}"
        genome = canonical(genome, self.sites)
        for site in genome.sites:
            if not self.least_types <= len(site.types) <= self.most_types:
                limits = f"{self.least_types} to {self.most_types}"
                return f"expected {limits} types at site {site.site!r}, got {len(site.types)}"
            for activation in site.types:
                if not any(family.contains(activation) for family in self.families):
                    return f"expected activations of the space at {site.site!r}, got {activation.label}"
        try:
            self.blocks(genome)
        except UserError as error:
            return str(error)
        return ""

    def contains(self, genome: Genome) -> bool:
        """Whether `objection` has none."""
        return not self.objection(genome)

    def restrict(
        self,
        functions: Sequence[str] = (),
        flavour: str = MIXED,
        learning_rates: Sequence[float] = (),
    ) -> "SearchSpace":
        """The sub-space with these functions, one flavour, these learning rates; empty means all.

            Raises:
                UserError: if nothing is left.

            >>> choices = BaseChoices(("relu", "sin", "abs"))
        >>> space = SearchSpace("s", (Site("h", 4),), (choices,), (1, 3), (0.1, 1.0))
            >>> space.restrict(functions=("sin", "abs"), learning_rates=(0.1,)).size()
            5
        """
        narrowed = (family.restrict(functions or self.functions, flavour) for family in self.families)
        return replace(
            self,
            families=tuple(family for family in narrowed if family is not None),
            learning_rates=tuple(learning_rates) or self.learning_rates,
        )


def _repeated(blocks: Sequence[_T], widths: Sequence[int]) -> list[_T]:
    """Each block's value, once per neuron."""
    return [value for value, width in zip(blocks, widths, strict=True) for _ in range(width)]


def _problems(space: SearchSpace) -> Iterable[str]:
    """Everything that is wrong with a space, as sentences."""
    least, most = space.types_per_layer
    kinds = [type(family) for family in space.families]
    names = [site.name for site in space.sites]
    rates = space.learning_rates
    if not space.families:
        yield "expected at least one activation, got a space that contains nothing"
    if len(set(kinds)) < len(kinds):
        yield "expected at most one entry for base functions, one for hulls and one for sub-networks"
    if not space.sites or len(set(names)) < len(names):
        yield f"expected at least one site and distinct names, got {names}"
    if not 1 <= least <= most:
        yield f"expected types per layer as (least, most) with 1 <= least <= most, got ({least}, {most})"
    elif 0 < space.activations < least:
        yield f"expected at least {least} activations for {least} types per layer, got {space.activations}"
    if not rates or not all(math.isfinite(rate) and rate > 0 for rate in rates):
        yield f"expected learning rates above 0, got {list(rates)}"
    elif list(rates) != sorted(set(rates)):
        yield f"expected learning rates in ascending order without repetition, got {list(rates)}"
    if space.neurons_per_block < 1:
        yield f"expected neurons_per_block of at least 1, got {space.neurons_per_block}"
        return
    for site in space.sites:
        if site.neurons < 1:
            yield f"expected at least one neuron at site {site.name!r}, got {site.neurons}"
        elif most > len(space.block_widths(site)):
            yield (
                f"expected no more types than the {len(space.block_widths(site))} blocks of "
                f"{space.neurons_per_block} neurons at site {site.name!r}, got up to {most}"
            )
        if site.symmetry not in ("free", "none") and not site.symmetry.startswith("stream:"):
            yield f"expected symmetry free, none or stream:ID at site {site.name!r}, got {site.symmetry!r}"
    for group in space.groups:
        tied = [space.sites[i] for i in group]
        if len({site.neurons for site in tied}) > 1:
            widths = [site.neurons for site in tied]
            yield f"expected the sites of {tied[0].symmetry} to be equally wide, got {widths}"


def log_grid(low: float, high: float, per_decade: int) -> tuple[float, ...]:
    """Learning rates from low to at most high, evenly spaced in the logarithm, to four significant digits.

    Rounded, so that equal settings are equal numbers and duplicates exist.

    >>> log_grid(0.001, 0.1, 2)
    (0.001, 0.003162, 0.01, 0.03162, 0.1)
    """
    if not (0 < low <= high < math.inf and per_decade >= 1):
        raise UserError(
            f"expected learning rates 0 < low <= high and per_decade >= 1, got {low}, {high}, {per_decade}"
        )
    steps = math.floor(per_decade * math.log10(high / low) + 1e-6)
    return tuple(float(f"{low * 10 ** (i / per_decade):.4g}") for i in range(steps + 1))
