"""The activations a type may have, by kind: base functions, hulls over subsets of them, sub-networks.

Each family is a finite set: `size` counts it, `contains` tests it, `sample` draws from it, `neighbour`
makes a small change within it, and `restrict` narrows it (None where nothing is left).
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from evoact.errors import UserError
from evoact.genomes.genome import HULLS, SHARING, Activation, Base, Hull, Subnetwork

MIXED = "mixed"  # the flavour that narrows nothing


def _check_choices(where: str, choices: Sequence[object]) -> None:
    if not choices or len(set(choices)) < len(choices):
        raise UserError(f"expected at least one and no repeated value in {where}, got {list(choices)}")


def _other(random: random.Random, options: Sequence[str], current: str) -> str:
    return random.choice([option for option in options if option != current])


@dataclass(frozen=True)
class BaseChoices:
    """Any one of the named base functions.

    >>> BaseChoices(("relu", "sin")).size()
    2
    """

    functions: tuple[str, ...]

    def __post_init__(self) -> None:
        _check_choices("the base functions", self.functions)

    @property
    def flavours(self) -> tuple[str, ...]:
        return ("base",)

    def size(self) -> int:
        return len(self.functions)

    def contains(self, activation: Activation) -> bool:
        return isinstance(activation, Base) and activation.name in self.functions

    def sample(self, random: random.Random) -> Activation:
        return Base(random.choice(self.functions))

    def neighbour(self, activation: Activation, random: random.Random) -> Activation:
        """Another function; the same where there is no other."""
        assert isinstance(activation, Base)
        return Base(_other(random, self.functions, activation.name)) if self.size() > 1 else activation

    def restrict(self, functions: Sequence[str], flavour: str) -> "BaseChoices | None":
        kept = tuple(f for f in self.functions if f in functions)
        return BaseChoices(kept) if kept and flavour in ("base", MIXED) else None


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

    def __post_init__(self) -> None:
        _check_choices("the hull kinds", self.kinds)
        _check_choices("the hulls' functions", self.functions)
        _check_choices("the hull sizes", self.sizes)
        _check_choices("the hulls' sharing", self.per)
        for names, known in ((self.kinds, HULLS), (self.per, SHARING)):
            if not set(names) <= set(known):
                raise UserError(f"expected a hull to be one of {', '.join(known)}, got {', '.join(names)}")
        smallest = 1 if self.kinds == ("linear",) else 2  # a convex or affine hull of one is a base function
        if min(self.sizes) < smallest or max(self.sizes) > len(self.functions):
            raise UserError(
                f"expected hull sizes from {smallest} to {len(self.functions)} (the number of functions), "
                f"got {list(self.sizes)}"
            )

    @property
    def flavours(self) -> tuple[str, ...]:
        return self.kinds

    def size(self) -> int:
        subsets = sum(math.comb(len(self.functions), size) for size in self.sizes)
        return len(self.kinds) * len(self.per) * subsets

    def contains(self, activation: Activation) -> bool:
        return (
            isinstance(activation, Hull)
            and activation.hull in self.kinds
            and activation.per in self.per
            and len(activation.functions) in self.sizes
            and set(activation.functions) <= set(self.functions)
        )

    def sample(self, random: random.Random) -> Activation:
        subset = random.sample(self.functions, random.choice(self.sizes))
        return Hull(random.choice(self.kinds), tuple(sorted(subset)), random.choice(self.per))

    def neighbour(self, activation: Activation, random: random.Random) -> Activation:
        """One function swapped, added or removed, or another kind or sharing."""
        assert isinstance(activation, Hull)
        inside = list(activation.functions)
        outside = [f for f in self.functions if f not in inside]
        moves = {
            "swap": bool(outside),
            "add": len(inside) + 1 in self.sizes and bool(outside),
            "remove": len(inside) - 1 in self.sizes,
            "kind": len(self.kinds) > 1,
            "sharing": len(self.per) > 1,
        }
        possible = [name for name, allowed in moves.items() if allowed]
        if not possible:
            return activation
        move = random.choice(possible)
        if move == "kind":
            return replace(activation, hull=_other(random, self.kinds, activation.hull))
        if move == "sharing":
            return replace(activation, per=_other(random, self.per, activation.per))
        if move in ("swap", "remove"):
            inside.remove(random.choice(inside))
        if move in ("swap", "add"):
            inside.append(random.choice(outside))
        return replace(activation, functions=tuple(sorted(inside)))

    def restrict(self, functions: Sequence[str], flavour: str) -> "HullChoices | None":
        kept = tuple(f for f in self.functions if f in functions)
        kinds = self.kinds if flavour == MIXED else tuple(k for k in self.kinds if k == flavour)
        sizes = tuple(size for size in self.sizes if size <= len(kept))
        return HullChoices(kinds, kept, sizes, self.per) if kinds and sizes else None


@dataclass(frozen=True)
class SubnetworkChoices:
    """Learned functions on top of any of the bases, with any of the hidden widths (Choudhary et al. 2022)."""

    bases: tuple[str, ...]
    hidden: tuple[int, ...]

    def __post_init__(self) -> None:
        _check_choices("the sub-networks' bases", self.bases)
        _check_choices("the sub-networks' hidden widths", self.hidden)
        if min(self.hidden) < 1:
            raise UserError(f"expected hidden widths of at least 1, got {list(self.hidden)}")

    @property
    def functions(self) -> tuple[str, ...]:
        return self.bases

    @property
    def flavours(self) -> tuple[str, ...]:
        return ("subnetwork",)

    def size(self) -> int:
        return len(self.bases) * len(self.hidden)

    def contains(self, activation: Activation) -> bool:
        return (
            isinstance(activation, Subnetwork)
            and activation.base in self.bases
            and activation.hidden in self.hidden
        )

    def sample(self, random: random.Random) -> Activation:
        return Subnetwork(random.choice(self.bases), random.choice(self.hidden))

    def neighbour(self, activation: Activation, random: random.Random) -> Activation:
        """Another base or another width; the same where there is no other."""
        assert isinstance(activation, Subnetwork)
        near = [replace(activation, base=b) for b in self.bases if b != activation.base]
        near += [replace(activation, hidden=h) for h in self.hidden if h != activation.hidden]
        return random.choice(near) if near else activation

    def restrict(self, functions: Sequence[str], flavour: str) -> "SubnetworkChoices | None":
        kept = tuple(f for f in self.bases if f in functions)
        return SubnetworkChoices(kept, self.hidden) if kept and flavour in ("subnetwork", MIXED) else None


Family = BaseChoices | HullChoices | SubnetworkChoices
