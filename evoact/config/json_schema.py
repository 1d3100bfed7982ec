"""The keys of configs as a JSON schema, by which editors complete and check them while they are written."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic.json_schema import models_json_schema

from evoact.config.schema import Arms, Config, Named, Space
from evoact.config.yaml_files import shipped
from evoact.networks import NETWORKS
from evoact.strategies import STRATEGIES
from evoact.tasks import TASKS
from evoact.trackers import TRACKERS
from evoact.training.optimizers import OPTIMIZERS
from evoact.training.schedules import SCHEDULES

DIALECT = "https://json-schema.org/draft/2020-12/schema"
RATES = {"$ref": "#/$defs/LearningRates"}  # `learning_rate` may stand beside the space instead of in it


def json_schema() -> dict[str, Any]:
    """Return a JSON schema (draft 2020-12) of experiments and comparisons.

    It knows keys, types, ranges and the names of every table; what depends on several keys, `evoact validate` checks.

    >>> json_schema()["required"]
    ['task', 'network', 'space', 'budget']
    """
    _, schema = models_json_schema([(Config, "validation"), (Arms, "validation")])
    parts = schema["$defs"]
    config, arms = parts.pop("Config"), parts.pop("Arms")
    spaces = {"enum": sorted(shipped("search_spaces"))}
    # Another spelling: the name or the path of a search space or a run, instead of the section.
    by_name = {
        "space": {"anyOf": [spaces, {"type": "string"}, {"$ref": "#/$defs/Space"}]},
        "warm_start": {
            "anyOf": [
                {"type": "string"},
                {"type": "array", "items": {"type": "string"}, "minItems": 1},
                {"$ref": "#/$defs/WarmStart"},
            ]
        },
        "learning_rate": RATES,
    }
    tables: Mapping[str, Iterable[str]] = {"task": TASKS, "network": NETWORKS, "strategy": STRATEGIES}
    plugin = {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/PluginData"}]}
    config["properties"]["plugins"] = {"type": "array", "items": plugin}
    for key, table in tables.items():
        config["properties"][key] = _named(table)
    tracker = _named(TRACKERS)
    config["properties"]["trackers"] = {"anyOf": [tracker, {"type": "array", "items": tracker}]}
    for key, table in {"optimizer": OPTIMIZERS, "schedule": SCHEDULES}.items():
        parts["Training"]["properties"][key] = _named(table)
    parts["Arm"]["properties"] |= {
        "space": by_name["space"],
        "strategy": _named(STRATEGIES),
        "network": _named(NETWORKS),
        "learning_rate": RATES,
    }
    parts["Space"]["required"].remove("learning_rate")
    parts.pop(Named.__name__, None)
    return {
        "$schema": DIALECT,
        "title": "An experiment or a comparison of evoact",
        "description": config["description"],
        "type": "object",
        "additionalProperties": False,
        "required": config["required"],
        "properties": config["properties"] | arms["properties"] | by_name,
        "$defs": parts,
    }


def space_schema() -> dict[str, Any]:
    """Return a JSON schema of search spaces' own files.

    >>> space_schema()["required"]
    ['types', 'learning_rate']
    """
    return {"$schema": DIALECT, **Space.model_json_schema()}


def _named(table: Iterable[str]) -> dict[str, Any]:
    """A name of a table, alone or with that entry's own arguments beside it."""
    # A table's names complete, and others are allowed: which there are, `evoact validate` knows.
    name = {"anyOf": [{"enum": sorted(table)}, {"type": "string"}]}
    return {"anyOf": [name, {"type": "object", "required": ["name"], "properties": {"name": name}}]}
