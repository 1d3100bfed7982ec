"""Genomes as flat named choices, the form in which model-based optimizers see a search space.

`decode` walks a space and asks a chooser for one value after another (define by run), so that which
parameters exist may depend on earlier choices. Every combination of choices decodes to a genome of
the space; `encode` gives the choices of a genome, and decoding them gives the genome back.
"""

import random
from collections.abc import Mapping, Sequence
from typing import Protocol

from evoact.errors import UserError
from evoact.genomes.families import BaseChoices, Family, HullChoices, SubnetworkChoices
from evoact.genomes.genome import Activation, Base, Genome, Hull, Site, Subnetwork, canonical
from evoact.genomes.space import SearchSpace
from evoact.seeding import python_random

Value = str | int
# A category's options, or the bounds of an integer, both included.
Domain = tuple[str, ...] | tuple[int, int]


class Chooser(Protocol):
    """Who answers the questions of `decode`. A name always comes with the same domain."""

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
    """The domain of each of these values, as decoding them asks for it."""
    given = Given(values)
    decode(space, given)
    return given.domains


# --- decoding -----------------------------------------------------------------------------------


def decode(space: SearchSpace, chooser: Chooser) -> Genome:
    """The canonical genome that the chooser's answers describe.

    Types that turn out equal are merged; where fewer remain than a layer must have, further ones are
    added, always the same ones for the same answers.

    >>> choices = BaseChoices(("relu", "sin"))
    >>> space = SearchSpace("s", (Site("h", 5),), (choices,), (1, 2), (0.1,))
    >>> answers = {"h.types": 2, "h.0.function": "sin", "h.1.function": "relu"}
    >>> answers |= {"h.0.share": 3, "h.1.share": 2, "learning_rate": 0}
    >>> decode(space, Given(answers)).label
    '2 relu + 3 sin'
    """
    blocks = []
    for site in space.sites:
        count = chooser.integer(f"{site.name}.types", space.least_types, space.most_types)
        types = [_decode_activation(space, f"{site.name}.{i}", chooser) for i in range(count)]
        if site.symmetry == "free":
            row = _decode_shares(space, site, types, chooser)
        else:
            options = tuple(str(i) for i in range(space.most_types))
            names = [f"{site.name}.block{j}" for j in range(len(space.block_widths(site)))]
            row = [types[int(chooser.category(name, options)) % count] for name in names]
        blocks.append(_with_enough_types(space, row))
    rate = space.learning_rates[chooser.integer("learning_rate", 0, len(space.learning_rates) - 1)]
    return space.assemble(blocks, rate)


def _decode_activation(space: SearchSpace, prefix: str, chooser: Chooser) -> Activation:
    names = tuple(_family_name(family) for family in space.families)
    name = chooser.category(f"{prefix}.family", names) if len(names) > 1 else names[0]
    family = space.families[names.index(name)]
    if isinstance(family, BaseChoices):
        return Base(chooser.category(f"{prefix}.function", family.functions))
    if isinstance(family, SubnetworkChoices):
        hidden = chooser.category(f"{prefix}.hidden", tuple(map(str, family.hidden)))
        return Subnetwork(chooser.category(f"{prefix}.base", family.bases), int(hidden))
    kind = chooser.category(f"{prefix}.kind", family.kinds)
    per = chooser.category(f"{prefix}.per", family.per)
    size = int(chooser.category(f"{prefix}.size", tuple(map(str, family.sizes))))
    chosen: list[str] = []
    for i in range(size):
        start = family.functions.index(chooser.category(f"{prefix}.hull{i}", family.functions))
        cycle = family.functions[start:] + family.functions[:start]
        chosen.append(next(f for f in cycle if f not in chosen))
    return Hull(kind, tuple(sorted(chosen)), per)


def _family_name(family: Family) -> str:
    names = {BaseChoices: "base", HullChoices: "hull", SubnetworkChoices: "subnetwork"}
    return names[type(family)]


def _decode_shares(
    space: SearchSpace, site: Site, types: Sequence[Activation], chooser: Chooser
) -> list[Activation]:
    """Blocks in proportion to the types' shares, each of which is between 1 and the number of blocks."""
    widths = space.block_widths(site)
    shares = [chooser.integer(f"{site.name}.{i}.share", 1, len(widths)) for i in range(len(types))]
    row = [t for t, n in zip(types, _apportion(shares, len(widths)), strict=True) for _ in range(n)]
    if widths[-1] != widths[0]:  # the smaller last block has an owner of its own
        owner = chooser.integer(f"{site.name}.last", 0, space.most_types - 1) % len(types)
        row.remove(types[owner])
        row.append(types[owner])
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


def _with_enough_types(space: SearchSpace, row: list[Activation]) -> list[Activation]:
    """Gives blocks of the most frequent type to new types until there are enough of them."""
    row = list(row)
    while len(types := sorted(set(row), key=lambda t: t.label)) < space.least_types:
        random = python_random("decode", *(t.label for t in types))
        most = max(types, key=row.count)
        row[row.index(most)] = space.fresh_activation(types, random)
    return row


# --- encoding -----------------------------------------------------------------------------------


def encode(space: SearchSpace, genome: Genome) -> dict[str, Value]:
    """The choices that decode to the genome's canonical form.

    Raises:
        UserError: if the genome is not in the space.
    """
    if objection := space.objection(genome):
        raise UserError(objection)
    genome = canonical(genome, space.sites)
    values: dict[str, Value] = {}
    for site, own, row in zip(space.sites, genome.sites, space.blocks(genome), strict=True):
        values[f"{site.name}.types"] = len(own.types)
        for i, activation in enumerate(own.types):
            values |= _encode_activation(space, f"{site.name}.{i}", activation)
            if site.symmetry == "free":
                values[f"{site.name}.{i}.share"] = row.count(activation)
        widths = space.block_widths(site)
        if site.symmetry != "free":
            values |= {f"{site.name}.block{j}": str(own.types.index(t)) for j, t in enumerate(row)}
        elif widths[-1] != widths[0]:
            values[f"{site.name}.last"] = own.types.index(row[-1])
    values["learning_rate"] = space.learning_rates.index(genome.hyperparameter("learning_rate"))
    return values


def _encode_activation(space: SearchSpace, prefix: str, activation: Activation) -> dict[str, Value]:
    family = space.family_of(activation)
    values: dict[str, Value] = {}
    if len(space.families) > 1:
        values[f"{prefix}.family"] = _family_name(family)
    if isinstance(activation, Base):
        return values | {f"{prefix}.function": activation.name}
    if isinstance(activation, Subnetwork):
        return values | {f"{prefix}.base": activation.base, f"{prefix}.hidden": str(activation.hidden)}
    functions = {f"{prefix}.hull{i}": f for i, f in enumerate(activation.functions)}
    return (
        values
        | functions
        | {
            f"{prefix}.kind": activation.hull,
            f"{prefix}.per": activation.per,
            f"{prefix}.size": str(len(activation.functions)),
        }
    )
