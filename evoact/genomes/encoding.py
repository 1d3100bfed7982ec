"""Genomes as flat named choices, the form in which model-based optimizers see a search space.

`decode` walks a space and asks a chooser for one value after another (define by run), so that which
parameters exist may depend on earlier choices. Every combination of choices decodes to a genome of
the space; `encode` gives the choices of a genome, and decoding them gives the genome back.
"""

import random
from collections.abc import Mapping, Sequence
from typing import Protocol, cast

from evoact.errors import UserError
from evoact.genomes.activation import NOBODY, is_absent
from evoact.genomes.choices import Choices, Family, HullChoices, Listed
from evoact.genomes.genome import Genome, canonical
from evoact.genomes.kinds import KINDS, Activation, Hull
from evoact.genomes.layer_choices import LayerChoices
from evoact.genomes.space import SearchSpace
from evoact.seeding import python_random

Value = str | int
# A category's options, or the bounds of an integer, both included.
Domain = tuple[str, ...] | tuple[int, int]


class Chooser(Protocol):
    """The source of answers to the questions of `decode`. A name always comes with the same domain."""

    def category(self, name: str, options: tuple[str, ...]) -> str: ...

    def integer(self, name: str, low: int, high: int) -> int: ...


class Given:
    """A chooser that answers from given values and keeps the domains it was asked about."""

    def __init__(self, values: Mapping[str, Value]):
        self._values = values
        self.domains: dict[str, Domain] = {}

    def category(self, name: str, options: tuple[str, ...]) -> str:
        value = self._values.get(name)
        if not isinstance(value, str) or value not in options:
            raise UserError(f"expected {name} to be one of {', '.join(options)}, got {value!r}")
        self.domains[name] = options
        return value

    def integer(self, name: str, low: int, high: int) -> int:
        value = self._values.get(name)
        if not isinstance(value, int) or not low <= value <= high:
            raise UserError(f"expected {name} to be an integer from {low} to {high}, got {value!r}")
        self.domains[name] = (low, high)
        return value


class Drawn:
    """A chooser that answers at random, each answer equally likely."""

    def __init__(self, random: random.Random):
        self._random = random

    def category(self, name: str, options: tuple[str, ...]) -> str:
        return self._random.choice(options)

    def integer(self, name: str, low: int, high: int) -> int:
        return self._random.randint(low, high)


def domains(space: SearchSpace, values: Mapping[str, Value]) -> dict[str, Domain]:
    """Return the domain of each of these values, as decoding them asks for it."""
    given = Given(values)
    decode(space, given)
    return given.domains


# --- decoding -----------------------------------------------------------------------------------


def decode(space: SearchSpace, chooser: Chooser) -> Genome:
    """Return the canonical genome that the chooser's answers describe.

    Types that turn out equal are merged; if fewer remain than a layer must have, further ones are
    added, always the same ones for the same answers.

    >>> from evoact.genomes.choices import choices
    >>> from evoact.genomes.space import Site
    >>> base = choices("base", name=("relu", "sin"))
    >>> space = SearchSpace("s", (Site("h", 5),), (base,), (1, 2), (0.1,))
    >>> answers = {"h.types": 2, "h.0.base.name": "sin", "h.1.base.name": "relu"}
    >>> answers |= {"h.0.share": 3, "h.1.share": 2, "learning_rate": 0}
    >>> decode(space, Given(answers)).label
    '2 relu + 3 sin'
    """
    blocks = []
    for index, (site, layer) in enumerate(zip(space.sites, space.layers, strict=True)):
        count = chooser.integer(f"{site.name}.types", layer.least_types, layer.most_types)
        types = [_decode_activation(layer.families, f"{site.name}.{i}", chooser) for i in range(count)]
        if site.symmetry == "free":
            row = _decode_shares(space, index, types, chooser)
        else:
            options = tuple(str(i) for i in range(layer.most_types))
            names = [f"{site.name}.block{j}" for j in range(len(space.block_widths(site)))]
            row = [types[int(chooser.category(name, options)) % count] for name in names]
        blocks.append(_with_enough_types(layer, row))
    settings = [(name, grid[chooser.integer(name, 0, len(grid) - 1)]) for name, grid in space.grids.items()]
    return space.assemble(blocks, tuple(settings))


def _decode_activation(families: Sequence[Family], prefix: str, chooser: Chooser) -> Activation:
    kinds = tuple(family.kind for family in families)
    kind = chooser.category(f"{prefix}.family", kinds) if len(kinds) > 1 else kinds[0]
    family = families[kinds.index(kind)]
    prefix = f"{prefix}.{kind}"  # fields of several kinds may have one name, but different options
    if isinstance(family, HullChoices):
        return _decode_hull(family, prefix, chooser)
    if isinstance(family, Listed):
        labels = tuple(activation.label for activation in family.activations)
        return family.activations[labels.index(chooser.category(f"{prefix}.activation", labels))]
    fields = {}
    for name, values in family.options:
        texts = tuple(map(str, values))
        chosen = chooser.category(f"{prefix}.{name}", texts) if len(texts) > 1 else texts[0]
        fields[name] = values[texts.index(chosen)]
    return KINDS[kind](**fields)


def _decode_hull(family: HullChoices, prefix: str, chooser: Chooser) -> Hull:
    hull = chooser.category(f"{prefix}.hull", family.kinds)
    per = chooser.category(f"{prefix}.per", family.per)
    size = int(chooser.category(f"{prefix}.size", tuple(map(str, family.sizes))))
    size = size if size in family.sizes_of(hull) else family.sizes_of(hull)[0]
    chosen: list[str] = []
    for i in range(size):
        start = family.functions.index(chooser.category(f"{prefix}.function{i}", family.functions))
        cycle = family.functions[start:] + family.functions[:start]
        chosen.append(next(f for f in cycle if f not in chosen))
    return Hull(hull, tuple(sorted(chosen)), per)


def _decode_shares(
    space: SearchSpace, index: int, types: Sequence[Activation], chooser: Chooser
) -> list[Activation]:
    """Blocks in proportion to the types' shares, each of which is between 1 and the number of blocks."""
    site, layer, most_absent = space.sites[index], space.layers[index], space.most_absent(index)
    widths = space.block_widths(site)
    present = len(widths)
    if most_absent:
        present = chooser.integer(f"{site.name}.present", len(widths) - most_absent, len(widths))
    shares = [chooser.integer(f"{site.name}.{i}.share", 1, len(widths)) for i in range(len(types))]
    types, shares = types[:present], shares[:present]
    row = [t for t, n in zip(types, _apportion(shares, present), strict=True) for _ in range(n)]
    row += [NOBODY] * (len(widths) - present)
    # The smaller last block has an owner of its own, the last choice being nobody.
    if widths[-1] != widths[0]:
        owner = chooser.integer(f"{site.name}.last", 0, layer.most_types - (0 if most_absent else 1))
        last = NOBODY if owner == layer.most_types and NOBODY in row else types[owner % len(types)]
        row.remove(last)
        row.append(last)
    return row


def _apportion(shares: Sequence[int], total: int) -> list[int]:
    """Whole numbers of at least 1 that sum to `total`: 1 each, the rest by largest remainders.

    Shares that sum to `total` are kept.

    >>> _apportion([3, 2], 5), _apportion([1, 4, 4], 16)
    ([3, 2], [1, 8, 7])
    """
    rest, weight = total - len(shares), sum(shares) - len(shares)
    if weight == 0:
        shares, weight = [2] * len(shares), len(shares)
    parts = [divmod((share - 1) * rest, weight) for share in shares]
    counts = [1 + whole for whole, _ in parts]
    order = sorted(range(len(shares)), key=lambda i: (-parts[i][1], i))
    for i in order[: total - sum(counts)]:
        counts[i] += 1
    return counts


def _with_enough_types(layer: LayerChoices, row: list[Activation]) -> list[Activation]:
    """Gives blocks of the most frequent type to new types until there are enough of them."""
    row = list(row)
    while (
        len(types := sorted({t for t in row if not is_absent(t)}, key=lambda t: t.label)) < layer.least_types
    ):
        random = python_random("decode", *(t.label for t in types))
        most = max(types, key=row.count)
        row[row.index(most)] = layer.fresh_activation(types, random)
    return row


# --- encoding -----------------------------------------------------------------------------------


def encode(space: SearchSpace, genome: Genome) -> dict[str, Value]:
    """Return the choices that decode to the genome's canonical form.

    Raises:
        UserError: if the genome is not in the space.
    """
    if objection := space.objection(genome):
        raise UserError(objection)
    genome = canonical(genome, space.sites)
    values: dict[str, Value] = {}
    for index, row in enumerate(space.blocks(genome)):
        site, layer = space.sites[index], space.layers[index]
        types = [t for t in genome.sites[index].types if not is_absent(t)]
        values[f"{site.name}.types"] = len(types)
        for i, activation in enumerate(types):
            values |= _encode_activation(layer, f"{site.name}.{i}", activation)
            if site.symmetry == "free":
                values[f"{site.name}.{i}.share"] = row.count(activation)
        if space.most_absent(index):
            values[f"{site.name}.present"] = len(row) - row.count(NOBODY)
        widths = space.block_widths(site)
        if site.symmetry != "free":
            values |= {f"{site.name}.block{j}": str(types.index(t)) for j, t in enumerate(row)}
        elif widths[-1] != widths[0]:
            values[f"{site.name}.last"] = layer.most_types if is_absent(row[-1]) else types.index(row[-1])
    chosen = dict(genome.hyperparameters)
    return values | {name: grid.index(chosen[name]) for name, grid in space.grids.items()}


def _encode_activation(layer: LayerChoices, prefix: str, activation: Activation) -> dict[str, Value]:
    family = layer.family_of(activation)
    values: dict[str, Value] = {f"{prefix}.family": family.kind} if len(layer.families) > 1 else {}
    prefix = f"{prefix}.{family.kind}"
    if isinstance(family, Choices):
        chosen = [name for name, options in family.options if len(options) > 1]
        return values | {f"{prefix}.{name}": str(getattr(activation, name)) for name in chosen}
    if isinstance(family, Listed):
        return values | {f"{prefix}.activation": activation.label}
    activation = cast(Hull, activation)
    functions = {f"{prefix}.function{i}": f for i, f in enumerate(activation.functions)}
    size = str(len(activation.functions))
    return (
        values
        | functions
        | {
            f"{prefix}.hull": activation.hull,
            f"{prefix}.per": activation.per,
            f"{prefix}.size": size,
        }
    )
