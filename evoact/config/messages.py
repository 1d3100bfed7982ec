"""Pydantic's findings in our words, and a config repaired as far as needed to find the other mistakes."""

import copy
import difflib
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from evoact.activations.functions.base_functions import BASE_FUNCTIONS
from evoact.config.schema import Config
from evoact.errors import short
from evoact.genomes.activation_json import to_json
from evoact.genomes.kinds import RELU

_EXPECTED = {
    "missing": "expected a value, got none",
    "int_type": "expected an integer, got {input}",
    "int_parsing": "expected an integer, got {input}",
    "int_from_float": "expected an integer, got {input}",
    "float_type": "expected a number, got {input}",
    "float_parsing": "expected a number, got {input}",
    "bool_type": "expected true or false, got {input}",
    "string_type": "expected text, got {input}",
    "string_too_short": "expected text of at least {min_length} character, got {input}",
    "list_type": "expected a list, got {input}",
    "tuple_type": "expected a list, got {input}",
    "too_short": "expected a list of at least {min_length}, got {actual_length}",
    "too_long": "expected a list of at most {max_length}, got {actual_length}",
    "dict_type": "expected a section of keys and values, got {input}",
    "model_type": "expected a section of keys and values, got {input}",
    "model_attributes_type": "expected a section of keys and values, got {input}",
    "greater_than": "expected more than {gt:g}, got {input}",
    "greater_than_equal": "expected at least {ge:g}, got {input}",
    "less_than": "expected less than {lt:g}, got {input}",
    "less_than_equal": "expected at most {le:g}, got {input}",
    "literal_error": "expected {expected}, got {input}",
    "finite_number": "expected a finite number, got {input}",
    "invalid_key": "expected text as the key, got {input}",
}

SECTIONS = ("dict_type", "model_type", "model_attributes_type")


def sentences(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Return pydantic's findings in our words, unknown keys with the nearest known one."""
    result = []
    for found in error.errors():
        location = [str(part) for part in found["loc"]]
        where = ".".join(location)
        if found["type"] == "extra_forbidden":
            known = _fields_at(model, location[:-1])
            near = difflib.get_close_matches(location[-1], known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}"
            result.append(f"{where}: unknown key; {hint}")
            continue
        template = _EXPECTED.get(found["type"])
        values = {**found.get("ctx", {}), "input": short(found["input"])}
        text = template.format(**values) if template else found["msg"]
        known = _fields_at(model, location) if found["type"] in SECTIONS else []
        hint = f"; known here: {', '.join(known)}" if len(known) > 1 else ""  # one is `name`, of a table
        result.append(f"{where}: {text}{hint}")
    return result


def key_named(name: str) -> str | None:
    """Return the first key of a config whose last part is this name, those at the top before those of sections.

    >>> key_named("seed"), key_named("workers"), key_named("relu")
    ('seed', 'execution.workers', None)
    """
    below = (f"{section}.{name}" for section in Config.model_fields if name in _fields_at(Config, [section]))
    return name if name in Config.model_fields else next(below, None)


def _fields_at(model: type[BaseModel], location: Sequence[str]) -> list[str]:
    """The known keys of the section at a location."""
    for part in location:
        if part not in model.model_fields:  # the name of an entry, such as a site's
            continue
        annotation = model.model_fields[part].annotation
        options = [annotation, *getattr(annotation, "__args__", ())]
        found = next((o for o in options if inspect.isclass(o) and issubclass(o, BaseModel)), None)
        if found is None:
            return []
        model = found
    return list(model.model_fields)


ANY_TYPES: Mapping[str, Any] = {"given": [to_json(RELU)]}
# What stands in for a missing or broken part of a config, so that the rest of it can be looked at, too.
STAND_INS: Mapping[str, Any] = {
    "task": {"name": "faulty"},
    "network": {"name": "mlp"},
    "strategy": {"name": "random"},
    "training.optimizer": {"name": "adam"},
    "training.schedule": {"name": "constant"},
    "space": {
        "functions": ["relu"],
        "types": ANY_TYPES,
        "types_per_layer": [1, 1],
        "learning_rate": {"low": 1.0, "high": 1.0},
    },
    "space.functions": list(BASE_FUNCTIONS),
    "space.types": ANY_TYPES,
    "space.sites": {},
    "space.learning_rate": {"low": 1.0, "high": 1.0},
    "space.learning_rate.low": 1e-9,
    "space.learning_rate.high": 1e9,
    "space.learning_rate.values": [1.0],
    "budget": {"networks": 1},
    "budget.networks": 1,
    "budget.gradient_examples": 2**62,
    "budget.minutes": 1.0,
}


def mended(data: Any, error: ValidationError) -> Config | None:
    """Return the config without what is broken in it; None for data that is not a config at all."""
    if not isinstance(data, Mapping):
        return None
    data = copy.deepcopy(dict(data))
    for _ in range(10):  # a part may be broken again inside what is left of it
        for found in error.errors():
            _mend(data, found["loc"])
        try:
            return Config.model_validate(data)
        except ValidationError as still:
            error = still
    return None


def _mend(data: dict[str, Any], location: Sequence[int | str]) -> None:
    """Replaces or leaves out the innermost part around a location for which that is possible."""
    for depth in range(len(location), 0, -1):
        *sections, key = location[:depth]
        parent: Any = data
        for section in sections:
            parent = parent[section] if isinstance(parent, dict) and section in parent else None
        if not isinstance(parent, dict):
            continue
        stand_in = STAND_INS.get(".".join(map(str, location[:depth])))
        if stand_in is not None:
            parent[key] = copy.deepcopy(stand_in)
            return
        if key in parent:
            del parent[key]
            if not parent and sections[-1:] == ["types"]:  # a space of nothing would be another mistake
                parent.update(copy.deepcopy(ANY_TYPES))
            return
