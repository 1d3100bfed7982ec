"""The search space: activations, types per layer, widths, learning rates and other hyperparameters.

A family offers the activations of one kind; `LayerChoices` says which of them a layer may have; a
space combines these with sites and grids of hyperparameters. Neurons are assigned in blocks of
`neurons_per_block` (the last may be smaller), which sets the resolution of the search.
"""

import math
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise, product
from typing import TypeVar

from evoact.errors import ConfigError, UserError, counted, short
from evoact.genomes.activation import NOBODY, is_absent, type_key
from evoact.genomes.choices import MIXED, Family
from evoact.genomes.genome import MOST_NEURONS, Genome, Site, SiteGenome, canonical
from evoact.genomes.hyperparameters import LEARNING_RATE
from evoact.genomes.kinds import Activation
from evoact.genomes.layer_choices import LayerChoices
from evoact.genomes.tied_layers import TiedLayers
from evoact.registry import unknown

MOST_SETTINGS = 100_000

Settings = tuple[tuple[str, float], ...]  # the hyperparameters of a genome

_T = TypeVar("_T")
_Row = tuple[int, ...]  # the types of one neuron at all sites that are tied


@dataclass(frozen=True)
class SearchSpace:
    """All genomes over `sites` with types from `families`, learning rates from a grid, and one value of each of
    the other `hyperparameters`: arguments of the optimizer and those in `hyperparameters.OF_NETWORKS`.

    `types_per_layer` and `least_width` are as in `LayerChoices`; `overrides` gives single sites, by name, choices
    of their own, such as a linear hull on the output. Neurons can be absent at `free` sites alone: in a
    residual stream or an output a neuron that gives 0 is not gone. Raises ConfigError naming everything wrong.

    >>> from evoact.genomes.choices import choices
    >>> base = choices("base", name=("relu", "sin", "tanh", "abs"))
    >>> space = SearchSpace("tiny", (Site("hidden0", 16),), (base,), (1, 4), (0.01,))
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
    least_width: float = 1.0
    overrides: tuple[tuple[str, LayerChoices], ...] = ()
    hyperparameters: tuple[tuple[str, tuple[float, ...]], ...] = ()

    def __post_init__(self) -> None:
        problems = list(_problems(self))
        if problems:
            raise ConfigError(f"search space {self.name!r}", problems)

    @cached_property
    def layers(self) -> tuple[LayerChoices, ...]:
        """The choices for each site, in the order of sites."""
        own = dict(self.overrides)
        common = LayerChoices(self.families, self.types_per_layer, self.least_width)
        return tuple(own.get(site.name, common) for site in self.sites)

    @cached_property
    def grids(self) -> dict[str, tuple[float, ...]]:
        """The values of each hyperparameter, ascending, the learning rate first."""
        return {LEARNING_RATE: self.learning_rates, **dict(self.hyperparameters)}

    @cached_property
    def settings(self) -> tuple[Settings, ...]:
        """Every learning rate with every combination of the other hyperparameters."""
        combinations = product(*self.grids.values())
        return tuple(tuple(sorted(zip(self.grids, chosen, strict=True))) for chosen in combinations)

    def most_absent(self, site: int) -> int:
        """Return how many blocks of the site with that index may be absent."""
        return self._most_absent[site]

    @cached_property
    def _most_absent(self) -> tuple[int, ...]:
        blocks = [len(self.block_widths(site)) for site in self.sites]
        return tuple(
            max(0, n - layer.least_present(n)) if site.symmetry == "free" else 0
            for site, layer, n in zip(self.sites, self.layers, blocks, strict=True)
        )

    @cached_property
    def pieces(self) -> dict[str, int]:
        """The most pre-activations that a neuron can take, by site, if that is more than one."""
        most = {
            site.name: max((family.pieces for family in layer.families), default=1)
            for site, layer in zip(self.sites, self.layers, strict=True)
        }
        return {site: number for site, number in most.items() if number > 1}

    @cached_property
    def varies_width(self) -> bool:
        """Whether neurons may be absent anywhere."""
        return any(self.most_absent(i) for i in range(len(self.sites)))

    @cached_property
    def functions(self) -> tuple[str, ...]:
        """The base functions that the common families build of, in their order."""
        return tuple(dict.fromkeys(name for family in self.families for name in family.functions))

    @cached_property
    def flavours(self) -> tuple[str, ...]:
        """The flavours that `restrict` narrows to: a kind, for hulls one of theirs, and `mixed` if there are several.

        A kind of which there are fewer activations than a layer must have types is none.
        """

        def activations(flavour: str) -> int:
            narrowed = (family.restrict(family.functions, flavour) for family in self.families)
            return sum(family.size() for family in narrowed if family is not None)

        every = tuple(name for family in self.families for name in family.flavours)
        enough = tuple(name for name in every if activations(name) >= self.types_per_layer[0])
        return enough if len(every) == len(enough) == 1 else (*enough, MIXED)

    @cached_property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """Indices of the sites that are permuted together: those of a stream, any other alone."""
        tied: dict[str, list[int]] = {}
        for i, site in enumerate(self.sites):
            tied.setdefault(site.symmetry if site.symmetry.startswith("stream:") else f"{i}", []).append(i)
        return tuple(map(tuple, tied.values()))

    def block_widths(self, site: Site) -> tuple[int, ...]:
        """Return the number of neurons in each block of a site."""
        full, rest = divmod(site.neurons, self.neurons_per_block)
        return (self.neurons_per_block,) * full + ((rest,) if rest else ())

    def size(self) -> int:
        """Return the exact number of different networks: canonical structures times settings."""
        return len(self.settings) * math.prod(self._tied(group).count() for group in self.groups)

    def _tied(self, group: Sequence[int]) -> TiedLayers:
        """The layers of the sites with these indices, which are permuted together."""
        site = self.sites[group[0]]
        choices = tuple(self.layers[i] for i in group)
        return TiedLayers(
            choices, self.block_widths(site), site.symmetry != "none", self.most_absent(group[0])
        )

    def sample(self, random: random.Random) -> Genome:
        """Return a genome, stratified over canonical counts.

        The number of types is uniform, their activations are distinct, and the composition of the
        blocks into them is uniform. Drawing each neuron's type instead would give nearly equal
        counts always: the binomial distribution has hardly any mass elsewhere.
        """
        blocks = []
        for i, (site, layer) in enumerate(zip(self.sites, self.layers, strict=True)):
            widths = self.block_widths(site)
            present = len(widths)
            if self.most_absent(i):
                present -= random.randint(0, self.most_absent(i))
            types: list[Activation] = []
            for _ in range(random.randint(layer.least_types, min(layer.most_types, present))):
                types.append(layer.fresh_activation(types, random))
            cuts = [0, *sorted(random.sample(range(1, present), len(types) - 1)), present]
            row: list[Activation] = []
            for activation, (first, end) in zip(types, pairwise(cuts), strict=True):
                row += [activation] * (end - first)
            row += [NOBODY] * (len(widths) - present)
            if site.symmetry != "free" or widths[-1] != widths[0]:
                random.shuffle(row)
            blocks.append(row)
        return self.assemble(blocks, tuple((name, random.choice(grid)) for name, grid in self.grids.items()))

    def homogeneous(self, activation: Activation, settings: Settings) -> Genome:
        """Return the ordinary network: one activation at every site that has no choices of its own, theirs there."""
        own = dict(self.overrides)
        chosen = [own[s.name].families[0].first() if s.name in own else activation for s in self.sites]
        blocks = [[a] * len(self.block_widths(s)) for a, s in zip(chosen, self.sites, strict=True)]
        return self.assemble(blocks, settings)

    def ordinary(self) -> Iterator[Genome]:
        """Yield all networks with one activation throughout, with all settings, activation by activation."""
        families = LayerChoices(self.families, self.types_per_layer)
        return (self.homogeneous(a, settings) for a in families.every() for settings in self.settings)

    def every(self) -> Iterator[Genome]:
        """Yield all different networks, as many as `size` says, structure by structure.

        >>> from evoact.genomes.choices import choices
        >>> base = choices("base", name=("relu", "sin", "abs"))
        >>> space = SearchSpace("s", (Site("h", 2),), (base,), (1, 2), (0.1, 1.0))
        >>> [genome.label for genome in space.every()][::2]
        ['2 relu', '2 sin', '2 abs', '1 relu + 1 sin', '1 abs + 1 relu', '1 abs + 1 sin']
        """
        for rows in product(*([*self._tied(group).every()] for group in self.groups)):
            blocks: list[Sequence[Activation]] = [()] * len(self.sites)
            for group, columns in zip(self.groups, rows, strict=True):
                for i, column in zip(group, columns, strict=True):
                    blocks[i] = column
            for settings in self.settings:
                yield self.assemble(blocks, settings)

    def assemble(self, blocks: Sequence[Sequence[Activation]], settings: Settings) -> Genome:
        """Return the canonical genome that gives each block of each site this activation (no check)."""
        sites = [self.site_genome(site, row) for site, row in zip(self.sites, blocks, strict=True)]
        return canonical(Genome(tuple(sites), settings), self.sites)

    def site_genome(self, site: Site, row: Sequence[Activation]) -> SiteGenome:
        """Return a site whose blocks have these activations, its types in canonical order, absent neurons last."""
        found = objects(row)
        types = sorted(dict.fromkeys(found.values()), key=type_key)
        index = {key: types.index(activation) for key, activation in found.items()}
        neurons = tuple(map(index.__getitem__, map(id, row)))
        if self.neurons_per_block > 1:
            neurons = tuple(_repeated(neurons, self.block_widths(site)))
        return SiteGenome(site.name, tuple(types), neurons)

    def blocks(self, genome: Genome) -> list[list[Activation]]:
        """Return the inverse of `assemble`: one activation per block, for each site; equal ones stand together.

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
                f"expected site {site.name!r} to be assigned in blocks of {counted(self.neurons_per_block, 'neuron')}"
            )
        return chosen

    def objection(self, genome: Genome) -> str:
        """Return why the genome is not in the space, in one sentence; empty if it is."""
        widths = [(site.name, site.neurons) for site in self.sites]
        got = [(site.site, len(site.assignment)) for site in genome.sites]
        if widths != got:
            return f"expected the sites {widths}, got {got}"
        chosen = dict(genome.hyperparameters)
        if chosen.keys() != self.grids.keys():
            return f"expected the hyperparameters {', '.join(sorted(self.grids))}, got {chosen}"
        for name, value in chosen.items():
            if value not in self.grids[name]:
                values = ", ".join(f"{one:g}" for one in self.grids[name])
                return f"expected {name} to be one of {values}, got {value:g}"
        genome = canonical(genome, self.sites)
        for layer, site in zip(self.layers, genome.sites, strict=True):
            types = [activation for activation in site.types if not is_absent(activation)]
            if not layer.least_types <= len(types) <= layer.most_types:
                limits = f"{layer.least_types} to {layer.most_types}"
                return f"expected {limits} types at site {site.site!r}, got {len(types)}"
            for activation in types:
                if not layer.offers(activation):
                    return f"expected activations of the space at {site.site!r}, got {activation.label}"
        try:
            blocks = self.blocks(genome)
        except UserError as error:
            return str(error)
        for i, row in enumerate(blocks):
            if row.count(NOBODY) > self.most_absent(i):
                most = self.most_absent(i)
                return f"expected at most {most} absent blocks at {self.sites[i].name!r}, got {row.count(NOBODY)}"
        return ""

    def contains(self, genome: Genome) -> bool:
        """Return whether the genome is in the space: `objection` has none."""
        return not self.objection(genome)

    def restrict(
        self,
        functions: Sequence[str] = (),
        flavour: str = MIXED,
        learning_rates: Sequence[float] = (),
    ) -> "SearchSpace":
        """Return the sub-space with these functions, one flavour, these learning rates; empty means all.

        Sites with choices of their own keep them.

        Raises:
            UserError: if nothing is left.

        >>> from evoact.genomes.choices import choices
        >>> base = choices("base", name=("relu", "sin", "abs"))
        >>> space = SearchSpace("s", (Site("h", 4),), (base,), (1, 3), (0.1, 1.0))
        >>> space.restrict(functions=("sin", "abs"), learning_rates=(0.1,)).size()
        5
        """
        narrowed = (family.restrict(functions or self.functions, flavour) for family in self.families)
        return replace(
            self,
            families=tuple(family for family in narrowed if family is not None),
            learning_rates=tuple(learning_rates) or self.learning_rates,
        )


def distinct(row: Sequence[Activation]) -> list[Activation]:
    """Return the different activations of a row, in order of first occurrence."""
    return list(dict.fromkeys(objects(row).values()))


def objects(row: Sequence[Activation]) -> dict[int, Activation]:
    """Return the objects of a row by their `id`. Most are there many times, and to tell objects apart is an order of
    magnitude faster than to hash or compare activations."""
    return dict(zip(map(id, row), row, strict=True))


def _repeated(blocks: Sequence[_T], widths: Sequence[int]) -> list[_T]:
    """Each block's value, once per neuron."""
    return [value for value, width in zip(blocks, widths, strict=True) for _ in range(width)]


def _problems(space: SearchSpace) -> Iterable[str]:
    """Everything that is wrong with a space, as sentences."""
    names = [site.name for site in space.sites]
    rates = space.learning_rates
    yield from LayerChoices(space.families, space.types_per_layer, space.least_width).problems()
    for name, layer in space.overrides:
        if name not in names:
            yield unknown("site", name, names)
        yield from (f"{problem} at site {name!r}" for problem in layer.problems())
    if not space.sites or len(set(names)) < len(names):
        yield f"expected at least one site and distinct names, got {names}"
    if not rates or not all(math.isfinite(rate) and rate > 0 for rate in rates):
        yield f"expected learning rates above 0, got {list(rates)}"
    elif list(rates) != sorted(set(rates)):
        yield f"expected learning rates in ascending order without repetition, got {list(rates)}"
    if math.prod(len(values) for values in space.grids.values()) > MOST_SETTINGS:
        yield (
            f"expected at most {MOST_SETTINGS:,} combinations of learning rates and settings, got "
            f"{math.prod(len(values) for values in space.grids.values()):,}"
        )
    for name, values in space.hyperparameters:
        if not values or not all(map(math.isfinite, values)) or list(values) != sorted(set(values)):
            yield f"expected ascending values of {name} without repetition, got {list(values)}"
    if space.neurons_per_block < 1:
        yield f"expected neurons_per_block of at least 1, got {space.neurons_per_block}"
        return
    for site, layer in zip(space.sites, space.layers, strict=True):
        most, number = layer.types_per_layer[1], -(-site.neurons // space.neurons_per_block)
        if not 1 <= site.neurons <= MOST_NEURONS:
            yield f"expected from one to {MOST_NEURONS:,} neurons at site {site.name!r}, got {short(site.neurons)}"
        elif most > number:
            yield (
                f"expected no more types than the {counted(number, 'block')} of "
                f"{counted(space.neurons_per_block, 'neuron')} at site {site.name!r}, got up to {most}; "
                "lower types_per_layer or neurons_per_block, or widen the layer"
            )
        if site.symmetry not in ("free", "none") and not site.symmetry.startswith("stream:"):
            yield f"expected symmetry free, none or stream:ID at site {site.name!r}, got {site.symmetry!r}"
    for group in space.groups:
        tied = [space.sites[i] for i in group]
        if len({site.neurons for site in tied}) > 1:
            widths = [site.neurons for site in tied]
            yield f"expected the sites of {tied[0].symmetry} to be equally wide, got {widths}"
