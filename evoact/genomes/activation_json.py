"""Activations as plain data, as they are in genomes, search spaces and curves' files."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from evoact.errors import UserError, short
from evoact.genomes.field_options import is_finite
from evoact.genomes.kinds import FIELDS, KINDS, TYPES, Activation
from evoact.registry import lookup


def to_json(activation: Activation) -> dict[str, Any]:
    """Return plain data, its `kind` first."""
    fields = {name: getattr(activation, name) for name in FIELDS[activation.kind]}
    return {"kind": activation.kind} | {k: list(v) if isinstance(v, tuple) else v for k, v in fields.items()}


def from_json(data: Mapping[str, Any]) -> Activation:
    """Return the inverse of `to_json`; keys that no activation of the kind has are left alone.

    Raises:
        UserError: for an unknown kind, a missing field or a value that the kind does not take.
    """
    if not isinstance(data, Mapping):
        raise UserError(f"expected an activation, keys and values with its kind, got {short(data)}")
    cls = lookup(KINDS, "activation kind", data.get("kind", "(none)"))
    for problem in wrong_fields(cls, data):
        raise UserError(problem)
    arguments: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in data.items() if k in FIELDS[cls.kind]
    }
    return cls(**arguments)


# What plain data of each type is called, and how it is told.
_PLAIN: Mapping[Any, tuple[str, Callable[[Any], bool]]] = {
    str: ("text", lambda v: isinstance(v, str)),
    int: ("an integer", lambda v: isinstance(v, int) and not isinstance(v, bool)),
    float: ("a finite number", is_finite),
    tuple[str, ...]: ("a list of texts", lambda v: _all(v, lambda each: isinstance(each, str))),
    tuple[float, ...]: ("a list of finite numbers", lambda v: _all(v, is_finite)),
}


def wrong_fields(cls: type[Activation], data: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with an activation as plain data: fields of the wrong type, else missing fields."""
    types = TYPES[cls.kind]
    wrong = [
        f"expected {_PLAIN[expected][0]} as {cls.kind}.{name}, got {short(data[name])}"
        for name, expected in types.items()
        if name in data and not _PLAIN[expected][1](data[name])
    ]
    return wrong or [
        f"expected {_PLAIN[types[field.name]][0]} as {cls.kind}.{field.name}, got {short(dict(data))} without it"
        for field in dataclasses.fields(cls)
        if field.name not in data and field.default is dataclasses.MISSING
    ]


def _all(value: Any, right: Callable[[Any], bool]) -> bool:
    return isinstance(value, (list, tuple)) and all(map(right, value))
