"""What stands elsewhere, put inside a config: search spaces by name, the code of own networks and plugins, and paths
that mean the same in any working directory."""

import copy
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from evoact.activations.functions.base_functions import PLUGGED
from evoact.activations.functions.plugged import drawn, plug_in, stand_in
from evoact.code_text import read
from evoact.config.messages import STAND_INS
from evoact.config.schema import Config, FunctionData
from evoact.config.yaml_files import find_space, read_yaml
from evoact.errors import UserError, short
from evoact.genomes.genome import Genome, to_json
from evoact.networks.own.named import OWN, TEXT
from evoact.plugins import Plugin, located, module_of, names_in, offering
from evoact.tasks.outline import PLACES

# The entries in which names of plugins may stand.
WITH_NAMES = ("task", "network", "space", "strategy", "warm_start")
OF_FUNCTIONS = ("space", "strategy", "warm_start")


def inline_files(data: dict[str, Any], beside: Path) -> list[str]:
    """Put what other files say inside: a search space by name, the code of an own network; return what is wrong with
    them.
    """
    problems, network = inline_space(data, beside), data.get("network")
    if isinstance(network, dict) and network.get("name") == OWN and TEXT not in network:
        file = network.get("file")
        if isinstance(file, str):  # anything else is a mistake that is found with the others
            try:
                data["network"] = {**network, TEXT: read(file, beside)}
            except UserError as error:
                problems.append(f"network.file: {error}")
    return problems


def inline_space(data: dict[str, Any], beside: Path) -> list[str]:
    """Replace a search space's name by what its file says; return what is wrong with that."""
    if isinstance(data.get("space"), str):
        try:
            data["space"] = read_yaml(find_space(data["space"], beside))
        except UserError as error:
            data["space"] = copy.deepcopy(STAND_INS["space"])
            return [f"space: {error}"]
    return []


# --- plugins ------------------------------------------------------------------------------------------


def inline_plugins(data: dict[str, Any], beside: Path) -> list[str]:
    """Put the texts of plugins inside, or the versions of their packages, and list the packages whose entry points are
    named without being listed; nothing is executed. Return what is wrong with them.
    """
    entries, problems = data.get("plugins", []), []
    if not isinstance(entries, list):
        return []  # a mistake that is found with the others
    resolved: list[Any] = []
    for i, entry in enumerate(entries):
        if isinstance(entry, Mapping) and entry.keys() == {"name"}:
            entry = entry["name"]
        try:
            resolved.append(_plain(located(entry, beside)) if isinstance(entry, str) else entry)
        except UserError as error:
            problems.append(f"plugins.{i}: {error}")
    names = [one.get("name") for one in resolved if isinstance(one, Mapping)]
    problems += [
        f"plugins: {short(name)} is listed twice" for name in dict.fromkeys(names) if names.count(name) > 1
    ]
    parts = [data, *(arm for arm in _arms(data) if isinstance(arm, Mapping))]
    for prefix in sorted(
        {prefix for part in parts for prefix, _ in names_in([part.get(k) for k in WITH_NAMES])}
    ):
        if prefix not in names and (offer := offering(prefix)):
            resolved.append(_plain(offer))
    if resolved or problems:
        data["plugins"] = resolved
    return problems


def _arms(data: Mapping[str, Any]) -> Iterable[Any]:
    arms = data.get("arms")
    return arms.values() if isinstance(arms, Mapping) else ()


def _plain(plugin: Plugin) -> dict[str, Any]:
    return {key: value for key, value in vars(plugin).items() if value}


def plugins_of(config: Config) -> dict[str, Plugin]:
    """Return a config's plugins by name."""
    return {entry.name: Plugin(**entry.model_dump()) for entry in config.plugins}


def plug_in_genome(genome: Genome, plugins: Mapping[str, Plugin]) -> None:
    """Make the base functions of plugins known that a genome has, which executes these."""
    for prefix, name in sorted(set(names_in(to_json(genome)))):
        if prefix in plugins:
            plug_in(f"{prefix}:{name}", plugins)


def plug_in_functions(config: Config) -> list[str]:
    """Make the base functions of a config's plugins known in this process, which executes the plugins; return what is
    wrong with these. A function that cannot be used is a mistake where it is named.
    """
    plugins, problems = plugins_of(config), []
    for plugin in plugins.values():
        try:
            module_of(plugin)
        except UserError as error:
            problems.append(f"plugins: {error}")
    for name in _functions(config, plugins):
        try:
            plug_in(name, plugins)
        except UserError as error:
            problems.append(f"plugins: {error}")
    return problems


def _functions(config: Config, plugins: Mapping[str, Plugin]) -> list[str]:
    texts = config.model_dump(mode="json", include=set(OF_FUNCTIONS), exclude={"space": {"description"}})
    named = names_in(texts)
    return sorted({f"{prefix}:{name}" for prefix, name in named if prefix in plugins})


def drawn_functions(config: Config) -> dict[str, FunctionData]:
    """Return what reports show of the base functions of a config's plugins, which are known in this process."""
    shown = {name: drawn(name) for name in _functions(config, plugins_of(config)) if name in PLUGGED}
    return {name: FunctionData(formula=formula, values=values) for name, (formula, values) in shown.items()}


def stand_ins(config: Config) -> None:
    """Make the base functions of a resolved config known by their values alone: nothing is executed."""
    for name, data in config.functions.items():
        stand_in(name, data.formula, data.values)


# --- paths --------------------------------------------------------------------------------------------


def absolute(place: str) -> str:
    """Return the same place in any working directory; what is on a file system of its own is so already.

    >>> absolute("s3://bucket/table.parquet"), absolute("/data/x.npz")
    ('s3://bucket/table.parquet', '/data/x.npz')
    """
    return place if "://" in place else os.path.abspath(os.path.expanduser(place))


def found_from_anywhere(config: Config) -> Config:
    """Return the config with absolute paths: of the task's data, of a table, and of the run that it starts from."""
    given = config.task.arguments
    places = {key: absolute(given[key]) for key in PLACES if isinstance(given.get(key), str)}
    update: dict[str, object] = {"task": config.task.model_copy(update=places)}
    if config.execution.table is not None:
        update["execution"] = config.execution.model_copy(update={"table": absolute(config.execution.table)})
    if config.warm_start is not None:
        where = config.warm_start.run
        run = absolute(where) if isinstance(where, str) else [absolute(place) for place in where]
        update["warm_start"] = config.warm_start.model_copy(update={"run": run})
    return config.model_copy(update=update)
