"""The activations that a search space lists under `given`, and what can be wrong with them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evoact.activations.functions.base_functions import base_function
from evoact.activations.kinds import kind_of
from evoact.errors import UserError, short
from evoact.genomes.activation import canonical_activation, names_in
from evoact.genomes.activation_json import from_json as activation_from_json
from evoact.genomes.activation_json import to_json as activation_to_json
from evoact.genomes.activation_json import wrong_fields
from evoact.genomes.function_names import ABSENT
from evoact.genomes.kinds import FIELDS, KINDS, Activation
from evoact.registry import unknown


def given_activations(entries: Sequence[Mapping[str, Any]]) -> tuple[Activation, ...]:
    """Return the canonical activations, in their order.

    Raises:
        UserError: for a wrong entry; what `given_problems` finds must have been fixed.
    """
    return tuple(canonical_activation(activation_from_json(entry)) for entry in entries)


def pinned_entries(entries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the entries with each curve as `name@digest`."""
    made = given_activations(entries)
    return [activation_to_json(kind_of(a).pinned(a)) for a in made]


def given_problems(path: str, entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield unknown kinds, keys and functions, values of the wrong type or out of range, and repetitions."""
    seen: set[Activation] = set()
    for i, entry in enumerate(entries):
        found = list(entry_problems(entry))
        if not found:
            activation = given_activations([entry])[0]
            found = [f"{activation.label} is listed twice"] if activation in seen else []
            seen.add(activation)
        yield from (f"{path}.{i}: {problem}" for problem in found)


def entry_problems(entry: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with one activation."""
    kind = entry.get("kind")
    if kind is None:
        yield f"expected a kind, such as base, got {short(dict(entry))}"
        return
    if not isinstance(kind, str) or kind not in KINDS:
        yield unknown("activation kind", kind, KINDS)
        return
    known = (*FIELDS[kind], "kind")
    wrong = [unknown(f"field of {kind}", k, FIELDS[kind]) for k in entry if k not in known]
    wrong = wrong or wrong_fields(KINDS[kind], entry)
    if wrong:
        yield from wrong
        return
    try:
        _checked(canonical_activation(activation_from_json(entry)))
    except UserError as error:
        yield str(error)


def _checked(activation: Activation) -> None:
    """Raises UserError for an unknown function, one that makes no activation, or a curve that is not there."""
    for name in names_in(activation):
        if name == ABSENT:
            raise UserError(
                f"{ABSENT!r} is not a function; space.least_width says how many neurons may be absent"
            )
        base_function(name)
    kind_of(activation).pinned(activation)
