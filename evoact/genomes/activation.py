"""What is to be known of an activation, whatever its kind."""

import dataclasses
import json
from collections.abc import Set
from functools import lru_cache
from typing import Any, TypeGuard

from evoact.genomes.activation_json import to_json
from evoact.genomes.field_options import CURVE, FUNCTION
from evoact.genomes.function_names import ABSENT, canonical_name
from evoact.genomes.kinds import FIELDS, OPTIONS, Activation, Base, Captured, Hull

NOBODY = Base(ABSENT)  # what absent neurons have


def pieces(activation: Activation) -> int:
    """Return how many pre-activations a neuron of this type takes.

    >>> from evoact.genomes.kinds import Maxout
    >>> pieces(Maxout(3)), pieces(Base("relu"))
    (3, 1)
    """
    return activation.pieces if "pieces" in FIELDS[activation.kind] else 1  # type: ignore[union-attr]


def per_neuron(activation: Activation) -> bool:
    """Return whether each neuron of this type has trained numbers of its own."""
    return getattr(activation, "per", "layer") == "neuron"


def trains(activation: Activation) -> bool:
    """Return whether a type has numbers of its own that are trained.

    >>> from evoact.genomes.kinds import PReLU
    >>> trains(Base("relu")), trains(PReLU())
    (False, True)
    """
    return getattr(activation, "trains", True)


def needs_file(activation: Activation) -> bool:
    """Return whether the activation names a curve, which is not in the genome itself."""
    return any(options.names == CURVE for options in OPTIONS[activation.kind].values())


def functions_of(activation: Activation) -> tuple[str, ...]:
    """Return the base functions that an activation is built of; none for a kind that names none.

    >>> from evoact.genomes.kinds import Maxout
    >>> functions_of(Hull("convex", ("identity", "relu"))), functions_of(Maxout(2))
    (('identity', 'relu'), ())
    """
    return _named(activation, {name for name, options in OPTIONS[activation.kind].items() if options.builds})


def names_in(activation: Activation) -> tuple[str, ...]:
    """Return all base functions that the activation names, including the one that it starts from."""
    return _named(
        activation, {name for name, options in OPTIONS[activation.kind].items() if options.names == FUNCTION}
    )


def _named(activation: Activation, fields: Set[str]) -> tuple[str, ...]:
    values = [getattr(activation, name) for name in FIELDS[activation.kind] if name in fields]
    return tuple(name for value in values for name in ((value,) if isinstance(value, str) else value))


def is_absent(activation: Activation) -> bool:
    """Return whether a neuron of this type is one that is not there (Liu & Yao 1996: nodes are removed)."""
    return activation == NOBODY


def is_base(activation: Activation) -> TypeGuard[Base]:
    """Return whether the activation is a base function and nothing else."""
    return isinstance(activation, Base)


def is_captured(activation: Activation) -> TypeGuard[Captured]:
    """Return whether the activation is a curve that meta-training found."""
    return isinstance(activation, Captured)


def group_label(activation: Activation) -> str:
    """Return the name under which summaries count the activation: a base function's name, a hull's kind, else the kind.

    >>> from evoact.genomes.kinds import LpPool
    >>> [group_label(a) for a in (Base("relu"), Hull("convex", ("sin", "relu")), LpPool(2))]
    ['relu', 'convex hull', 'lp pool']
    """
    if isinstance(activation, Base):
        return activation.name
    if isinstance(activation, Hull):
        return f"{activation.hull} hull"
    return activation.kind.replace("_", " ")


@lru_cache(maxsize=4096)
def canonical_activation(activation: Activation) -> Activation:
    """Return the one spelling of all activations that compute and train the same.

    >>> canonical_activation(Hull("convex", ("1*sin(x)",))), canonical_activation(Base("2.0*sin(x)")).label
    (Base(name='sin'), '2*sin(x)')
    """
    spelled: dict[str, Any] = {}
    for name, options in OPTIONS[activation.kind].items():
        if options.names == FUNCTION:
            value = getattr(activation, name)
            several = not isinstance(value, str)
            spelled[name] = (
                tuple(sorted(set(map(canonical_name, value)))) if several else canonical_name(value)
            )
    activation = dataclasses.replace(activation, **spelled)
    if isinstance(activation, Hull) and len(activation.functions) < smallest_hull(activation.hull):
        return Base(activation.functions[0])  # its only coefficient is 1
    return activation


def smallest_hull(hull: str) -> int:
    """Return the fewest functions of which this hull is more than a base function."""
    return 2 if hull in ("convex", "affine") else 1


@lru_cache(maxsize=4096)
def type_key(activation: Activation) -> str:
    """Return what types are ordered by, absent neurons last."""
    return ("~" if is_absent(activation) else "") + json.dumps(to_json(activation), sort_keys=True)
