"""The activations a type may have, by kind: hulls over subsets of functions, for any other kind the
product of the options for each of its fields, and lists of given activations of any kind.

Each family is a finite set: `size` counts it, `every` lists it, `contains` tests it, `sample` draws from it,
`first` is one of it, `neighbour` makes a small change within it, and `restrict` narrows it (None if
nothing is left).
"""

import dataclasses
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations, product
from typing import Any, ClassVar, cast

from evoact.errors import UserError
from evoact.genomes.activation import (
    canonical_activation,
    functions_of,
    is_absent,
    pieces,
    smallest_hull,
    type_key,
)
from evoact.genomes.function_names import ABSENT, canonical_name
from evoact.genomes.kinds import FIELDS, KINDS, OPTIONS, Activation, Hull
from evoact.registry import lookup, unknown

MIXED = "mixed"  # the flavour that narrows nothing
GIVEN = "given"  # the flavour, and the key in a search space, of listed activations
_NOT_ABSENT = f"expected base functions, got {ABSENT!r}; least_width says how many neurons may be absent"


def _check_choices(where: str, choices: Sequence[object]) -> None:
    if not choices or len(set(choices)) < len(choices):
        raise UserError(f"expected at least one and no repeated value in {where}, got {list(choices)}")


def _other(random: random.Random, options: Sequence[str], current: str) -> str:
    return random.choice([option for option in options if option != current])


@lru_cache(maxsize=4096, typed=True)
def _made(kind: str, *values: Any) -> Activation:
    """Return the activation with these values of its fields: one object of all that are drawn, so that it is told from
    others without a look at its fields."""
    return KINDS[kind](*values)


@dataclass(frozen=True)
class Choices:
    """All activations of one kind whose fields have any of the options: made by `choices`."""

    kind: str
    options: tuple[tuple[str, tuple[Any, ...]], ...]

    @property
    def functions(self) -> tuple[str, ...]:
        """The base functions it builds of."""
        built = {name for name, options in OPTIONS[self.kind].items() if options.builds}
        return tuple(value for name, values in self.options if name in built for value in values)

    @property
    def flavours(self) -> tuple[str, ...]:
        return (self.kind,)

    @property
    def pieces(self) -> int:
        """The most pre-activations that any of them takes."""
        return max(dict(self.options).get("pieces", (1,)))

    def size(self) -> int:
        return math.prod(len(values) for _, values in self.options)

    def every(self) -> Iterator[Activation]:
        names = [name for name, _ in self.options]
        for values in product(*(values for _, values in self.options)):
            yield KINDS[self.kind](**dict(zip(names, values, strict=True)))

    def contains(self, activation: Activation) -> bool:
        return activation.kind == self.kind and all(
            getattr(activation, name) in values for name, values in self.options
        )

    def first(self) -> Activation:
        """Return the activation with the first of all options."""
        return KINDS[self.kind](**{name: values[0] for name, values in self.options})

    def sample(self, random: random.Random) -> Activation:
        return _made(self.kind, *[random.choice(values) for _, values in self.options])

    def neighbour(self, activation: Activation, random: random.Random) -> Activation:
        """Return another option for one field; the same activation if there is no other."""
        near = [
            (name, value)
            for name, values in self.options
            for value in values
            if value != getattr(activation, name)
        ]
        if not near:
            return activation
        name, value = random.choice(near)
        return _made(self.kind, *[value if f == name else getattr(activation, f) for f, _ in self.options])

    def restrict(self, functions: Sequence[str], flavour: str) -> "Choices | None":
        built = {name for name, options in OPTIONS[self.kind].items() if options.builds}
        kept = tuple(
            (name, tuple(v for v in values if v in functions) if name in built else values)
            for name, values in self.options
        )
        fits = flavour in (self.kind, MIXED) and all(values for _, values in kept)
        return Choices(self.kind, kept) if fits else None


def choices(kind: str, **options: Sequence[Any]) -> Choices:
    """Return the family of a kind with these options for its fields; a field left out keeps its default.

    Raises:
        UserError: for an unknown kind or field, a missing one, no or repeated options, or a wrong one.

    >>> choices("base", name=("relu", "1*sin(1*x)")).options
    (('name', ('relu', 'sin')),)
    >>> choices("subnetwork", base=("relu", "sin"), hidden=(3, 5)).size()
    4
    """
    cls = lookup(KINDS, "activation kind", kind)
    for name in options:
        if name not in FIELDS[kind]:
            raise UserError(unknown(f"field of {kind}", name, FIELDS[kind]))
    given: dict[str, tuple[Any, ...]] = {}
    for field in dataclasses.fields(cls):
        if field.name not in options and field.default is dataclasses.MISSING:
            raise UserError(f"expected options for {kind}.{field.name}, got none")
        given[field.name] = tuple(options.get(field.name, (field.default,)))
        _check_choices(f"{kind}.{field.name}", given[field.name])
    for name, values in given.items():
        ordinary = {other: others[0] for other, others in given.items()}
        made = [canonical_activation(cls(**ordinary | {name: value})) for value in values]
        if any(map(is_absent, made)):
            raise UserError(_NOT_ABSENT)
        given[name] = tuple(getattr(activation, name) for activation in made)
        _check_choices(f"{kind}.{name}", given[name])
    return Choices(kind, tuple(given.items()))


@dataclass(frozen=True)
class HullChoices:
    """Hulls of any of the kinds over any subset of the functions that has one of the sizes.

    >>> HullChoices(("convex", "affine"), ("identity", "relu", "sin"), sizes=(2, 3)).size()
    8
    """

    kinds: tuple[str, ...]
    functions: tuple[str, ...]
    sizes: tuple[int, ...]
    per: tuple[str, ...] = ("layer",)

    kind: ClassVar[str] = "hull"

    def __post_init__(self) -> None:
        object.__setattr__(self, "functions", tuple(map(canonical_name, self.functions)))
        _check_choices("the hull kinds", self.kinds)
        _check_choices("the hulls' functions", self.functions)
        _check_choices("the hull sizes", self.sizes)
        _check_choices("the hulls' sharing", self.per)
        for hull in self.kinds:
            for per in self.per:
                Hull(hull, self.functions, per)  # checks the names
        smallest = min(map(smallest_hull, self.kinds))
        if min(self.sizes) < smallest or max(self.sizes) > len(self.functions):
            raise UserError(
                f"expected hull sizes from {smallest} to {len(self.functions)} (the number of functions), "
                f"got {list(self.sizes)}"
            )
        for hull in self.kinds:
            if not self.sizes_of(hull):
                raise UserError(
                    f"expected a size of at least {smallest_hull(hull)} for {hull} hulls, got {list(self.sizes)}"
                )

    @property
    def flavours(self) -> tuple[str, ...]:
        return self.kinds

    @property
    def pieces(self) -> int:
        """The most pre-activations that any of them takes."""
        return 1

    def sizes_of(self, hull: str) -> tuple[int, ...]:
        """Return the sizes of this hull kind's subsets: a convex or affine hull of one is a base function."""
        return tuple(size for size in self.sizes if size >= smallest_hull(hull))

    def size(self) -> int:
        n = len(self.functions)
        subsets = sum(math.comb(n, size) for hull in self.kinds for size in self.sizes_of(hull))
        return len(self.per) * subsets

    def every(self) -> Iterator[Activation]:
        for hull, per in product(self.kinds, self.per):
            for size in self.sizes_of(hull):
                for subset in combinations(self.functions, size):
                    yield Hull(hull, tuple(sorted(subset)), per)

    def contains(self, activation: Activation) -> bool:
        if activation.kind != self.kind:
            return False
        hull = cast(Hull, activation)
        return (
            hull.hull in self.kinds
            and hull.per in self.per
            and len(hull.functions) in self.sizes_of(hull.hull)
            and set(hull.functions) <= set(self.functions)
        )

    def first(self) -> Activation:
        """Return the hull of the first kind, size and sharing, over the first functions."""
        hull = self.kinds[0]
        return Hull(hull, tuple(sorted(self.functions[: self.sizes_of(hull)[0]])), self.per[0])

    def sample(self, random: random.Random) -> Activation:
        subset = random.sample(self.functions, random.choice(self.sizes))
        kinds = [hull for hull in self.kinds if len(subset) in self.sizes_of(hull)]
        return _made(self.kind, random.choice(kinds), tuple(sorted(subset)), random.choice(self.per))

    def neighbour(self, activation: Activation, random: random.Random) -> Activation:
        """Return one function swapped, added or removed, or another kind or sharing."""
        activation = cast(Hull, activation)
        inside = list(activation.functions)
        outside = [f for f in self.functions if f not in inside]
        kinds = [hull for hull in self.kinds if len(inside) in self.sizes_of(hull)]
        moves = {
            "swap": bool(outside),
            "add": len(inside) + 1 in self.sizes and bool(outside),
            "remove": len(inside) - 1 in self.sizes_of(activation.hull),
            "kind": len(kinds) > 1,
            "sharing": len(self.per) > 1,
        }
        possible = [name for name, allowed in moves.items() if allowed]
        if not possible:
            return activation
        move = random.choice(possible)
        if move == "kind":
            return replace(activation, hull=_other(random, kinds, activation.hull))
        if move == "sharing":
            return replace(activation, per=_other(random, self.per, activation.per))
        if move in ("swap", "remove"):
            inside.remove(random.choice(inside))
        if move in ("swap", "add"):
            inside.append(random.choice(outside))
        return replace(activation, functions=tuple(sorted(inside)))

    def restrict(self, functions: Sequence[str], flavour: str) -> "HullChoices | None":
        kept = tuple(f for f in self.functions if f in functions)
        sizes = tuple(size for size in self.sizes if size <= len(kept))
        kinds = tuple(
            k for k in self.kinds if flavour in (k, MIXED) and any(size >= smallest_hull(k) for size in sizes)
        )
        sizes = tuple(size for size in sizes if any(size >= smallest_hull(k) for k in kinds))
        return HullChoices(kinds, kept, sizes, self.per) if kinds and sizes else None


@dataclass(frozen=True)
class Listed:
    """The listed activations, of any kinds, and no others.

    >>> from evoact.genomes.kinds import Base
    >>> listed = Listed((Base("relu"), Hull("convex", ("relu", "identity"))))
    >>> [activation.label for activation in listed.every()], listed.functions
    (['relu', 'convex(identity,relu)'], ('relu', 'identity'))
    """

    activations: tuple[Activation, ...]

    kind: ClassVar[str] = GIVEN
    flavours: ClassVar[tuple[str, ...]] = (GIVEN,)

    def __post_init__(self) -> None:
        made = tuple(map(canonical_activation, self.activations))
        if any(map(is_absent, made)):
            raise UserError(_NOT_ABSENT)
        _check_choices("the given activations", [type_key(activation) for activation in made])
        object.__setattr__(self, "activations", made)

    @property
    def functions(self) -> tuple[str, ...]:
        """The base functions that any of them is built of."""
        return tuple(dict.fromkeys(name for a in self.activations for name in functions_of(a)))

    @property
    def pieces(self) -> int:
        """The most pre-activations that any of them takes."""
        return max(pieces(activation) for activation in self.activations)

    def size(self) -> int:
        return len(self.activations)

    def every(self) -> Iterator[Activation]:
        return iter(self.activations)

    def contains(self, activation: Activation) -> bool:
        return activation in self.activations

    def first(self) -> Activation:
        return self.activations[0]

    def sample(self, random: random.Random) -> Activation:
        return random.choice(self.activations)

    def neighbour(self, activation: Activation, random: random.Random) -> Activation:
        """Return another activation of the list; the same one if there is no other."""
        others = [other for other in self.activations if other != activation]
        return random.choice(others) if others else activation

    def restrict(self, functions: Sequence[str], flavour: str) -> "Listed | None":
        kept = tuple(a for a in self.activations if set(functions_of(a)) <= set(functions))
        return Listed(kept) if kept and flavour in (GIVEN, MIXED) else None


Family = Choices | HullChoices | Listed


def families(options: Mapping[str, Mapping[str, Sequence[Any]]]) -> tuple[Family, ...]:
    """Return the families of a search space's lists, by kind and key (`genomes.field_options.Options`).

    A convex or affine hull of one function is that function, so hulls of size 1 bring base functions with them.

    >>> lists = {"kinds": ["convex"], "functions": ["relu"], "sizes": [1], "per": ["layer"]}
    >>> [family.kind for family in families({"hull": lists})]
    ['base']
    """
    result: list[Family] = []
    singles: list[str] = []
    for kind, lists in options.items():
        if any(field.sizes for field in OPTIONS[kind].values()):
            hulls, single = _hulls(lists["kinds"], lists["functions"], lists["sizes"], lists["per"])
            result += hulls
            singles += single
        else:
            fields = OPTIONS[kind].items()
            result.append(choices(kind, **{name: tuple(lists[field.key or name]) for name, field in fields}))
    if singles:
        own = [name for family in result if family.kind == "base" for name in family.functions]
        names = tuple(dict.fromkeys((*own, *singles)))
        result = [choices("base", name=names), *(f for f in result if f.kind != "base")]
    return tuple(result)


def _hulls(
    kinds: Sequence[str], functions: Sequence[str], sizes: Sequence[int], per: Sequence[str]
) -> tuple[list[HullChoices], list[str]]:
    """The hulls proper, and the functions that convex and affine hulls of one function equal."""
    names = tuple(map(canonical_name, functions))
    proper = tuple(k for k in kinds if max(sizes) >= smallest_hull(k))
    smallest = min(map(smallest_hull, proper), default=1)
    kept = tuple(size for size in sizes if size >= smallest)
    single = 1 in sizes and any(smallest_hull(k) > 1 for k in kinds)
    return [HullChoices(proper, names, kept, tuple(per))] if proper else [], list(names) if single else []
