"""Reading experiments and search spaces, with every mistake in them."""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from evoact.activations.functions.plugged import plug_in_offered
from evoact.config.checks import problems_of
from evoact.config.curves import curves_of, remember_curves
from evoact.config.experiment import Experiment
from evoact.config.inlined import (
    drawn_functions,
    found_from_anywhere,
    inline_files,
    inline_plugins,
    inline_space,
    plug_in_functions,
    stand_ins,
)
from evoact.config.messages import mended, sentences
from evoact.config.schema import Config, Space
from evoact.config.spaces import pinned, space_problems
from evoact.config.yaml_files import find_config, override, read_yaml
from evoact.errors import ConfigError
from evoact.networks.own.named import FOUND, OWN, SYMMETRIES
from evoact.plugins import is_plugged
from evoact.tasks.outline import Outline
from evoact.tasks.task import Task
from evoact.yaml_text import check_size


def load(
    path: str | Path, overrides: Sequence[str] = (), sections: Mapping[str, Any] = MappingProxyType({})
) -> Experiment:
    """Return the experiment in a YAML file.

    Args:
        path: of the config, or the name of one that comes with evoact, such as `quickstart`
        overrides: `key.path=value` texts, values in YAML, applied before anything is checked
        sections: keys of the config that take the place of the file's, before the overrides

    Raises:
        ConfigError: naming every mistake in it.
    """
    path = find_config(path)
    data = {**read_yaml(path), **copy.deepcopy(dict(sections))}
    if "types" in data and not {"task", "network", "space"} & data.keys():
        raise ConfigError(
            str(path),
            [
                "expected an experiment, got a search space; give the file of an experiment whose key `space` names it"
            ],
        )
    if "arms" in data:
        raise ConfigError(
            str(path), ["expected an experiment, got a comparison with `arms`; run it with `evoact compare`"]
        )
    problems = _overridden(data, overrides, Path(path).parent)
    if not data.get("name"):
        data["name"] = Path(path).stem
    try:
        return checked(data, str(path), problems)
    except ConfigError as error:
        raise ConfigError(str(path), [_with_hint(p, overrides) for p in error.problems]) from None


def _overridden(data: dict[str, Any], overrides: Sequence[str], beside: Path) -> list[str]:
    """Apply all overrides, and put a named search space inside; return what is wrong with them."""
    problems = []
    for text in overrides:
        if text.startswith("space."):
            problems += inline_space(data, beside)
        problems += override(data, text)
    return [*problems, *inline_files(data, beside), *inline_plugins(data, beside)]


def _with_hint(problem: str, overrides: Sequence[str]) -> str:
    """Where another name was set, the old one's arguments are still there: how to be rid of them."""
    for text in overrides:
        path, _, name = text.partition("=")
        section, _, last = path.strip().rpartition(".")
        left_over = problem.startswith((f"{section}: unknown key", f"{section}: takes no arguments"))
        if last == "name" and left_over:
            return f"{problem}; to leave the config's own keys out, use --set '{section}={{name: {name}}}'"
    return problem


def experiment(
    data: Mapping[str, Any],
    source: str = "config",
    task: Task | None = None,
    overrides: Sequence[str] = (),
) -> Experiment:
    """Return the experiment described by plain data, its space inside it or by name or path as in a file; `task` stands
    for its task, if it is given, and `overrides` are those of `load`.

    Raises:
        ConfigError: naming every mistake in it.
    """
    own = copy.deepcopy(dict(data)) if overrides else dict(data)
    return checked(own, source, _overridden(own, overrides, Path()), task)


def checked(
    data: Mapping[str, Any], source: str, problems: Sequence[str], task: Task | None = None
) -> Experiment:
    """Return the experiment described by plain data; `problems` are those found already, `task` what stands for its
    task.

    Raises:
        ConfigError: naming these and every other mistake.
    """
    check_size(data, source)
    space = data.get("space")
    if "learning_rate" in data and isinstance(space, Mapping):  # a key of its own, as in comparisons
        rates = data["learning_rate"]
        data = {key: value for key, value in data.items() if key != "learning_rate"}
        data["space"] = {**space, "learning_rate": rates}
    found = list(problems)
    config: Config | None
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        found += sentences(error, Config)
        config = mended(data, error)
    if config is not None:
        found += remember_curves(config.curves)
        if isinstance(task, Outline):  # a run is read, which executes nothing
            stand_ins(config)
        else:
            found += plug_in_functions(config)
        found += problems_of(config, found, task)
    if config is None or found:
        raise ConfigError(source, found)
    space = pinned(config.space)
    config = config.model_copy(update={"space": space, "curves": curves_of(space)})
    if not isinstance(task, Outline):
        config = config.model_copy(update={"functions": drawn_functions(config)})
    made = Experiment(found_from_anywhere(config))
    return _with_sites(made if task is None else made.sharing(task))


def _with_sites(made: Experiment) -> Experiment:
    """Return the experiment whose config says what sites somebody's own network has: who reads a run needs them, and
    must not execute its code.
    """
    named = made.config.network
    if not (named.name == OWN or is_plugged(named.name)) or FOUND in named.arguments:
        return made
    found = {site.name: site.neurons for site in made.network.sites}
    symmetries = {site.name: site.symmetry for site in made.network.sites if site.symmetry != "none"}
    return made.with_config(network=named.model_copy(update={FOUND: found, SYMMETRIES: symmetries}))


def load_space(path: str | Path) -> Space:
    """Return a search space file on its own, checked as far as that goes without a network.

    Raises:
        ConfigError: naming every mistake in it.
    """
    data = read_yaml(path)
    try:
        space = Space.model_validate(data)
    except ValidationError as error:
        raise ConfigError(str(path), sentences(error, Space)) from None
    plug_in_offered(data)
    problems = list(space_problems(space))
    if problems:
        raise ConfigError(str(path), [p.removeprefix("space.") for p in problems])
    return space
