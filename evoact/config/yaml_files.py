"""YAML in: files, overrides, and search spaces by name."""

import copy
from pathlib import Path
from typing import Any

from evoact.code_text import beside_or_here
from evoact.errors import ConfigError, UserError, short, shortened
from evoact.leaderboard.location import Location
from evoact.registry import lookup
from evoact.tasks.own.table_file import kind_of
from evoact.yaml_text import MOST_BYTES, NOT_YAML, loads

NAMED = ("task", "network", "strategy", "optimizer", "schedule")  # sections that may be a name alone


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Return the mapping in a YAML file, of a path or a URI that pyarrow can open.

    Raises:
        UserError: if there is no such file, it is not YAML, or holds something else than a mapping.
    """
    try:
        if "://" in str(path):  # the config of a run that is stored elsewhere
            text = Location.of(str(path)).read(MOST_BYTES).decode()
        else:
            with Path(path).open(encoding="utf-8") as file:
                text = file.read(MOST_BYTES + 1)  # `loads` refuses what is longer
    except FileNotFoundError:
        raise UserError(f"expected a YAML file, got {str(path)!r}, which does not exist") from None
    except IsADirectoryError:
        raise UserError(f"expected a YAML file, got {str(path)!r}, which is a directory") from None
    except UnicodeDecodeError:
        raise UserError(f"expected a YAML file, got {str(path)!r}, which is not UTF-8 text") from None
    except OSError as error:
        reason = error.strerror or str(error).splitlines()[0]
        raise UserError(f"expected a YAML file, got {str(path)!r}, which cannot be read: {reason}") from None
    except ValueError as error:
        raise UserError(f"expected a YAML file, got {str(path)!r}, which has {error}") from None
    data = loads(text, str(path))
    if data is None:
        raise ConfigError(str(path), ["expected keys and values, got an empty file"])
    if not isinstance(data, dict):
        raise ConfigError(str(path), [f"expected keys and values, got {short(data)}"])
    return data


def shipped(folder: str) -> dict[str, Path]:
    """Return the files that come with evoact in `configs` or `search_spaces`, by name: those inside the package if it
    is installed, those of the repository if it is not.
    """
    package = Path(__file__).parents[1]
    return {
        file.stem: file
        for above in (package.parent, package)
        for file in sorted((above / folder).glob("*.yaml"))
    }


def find_config(text: str | Path) -> str | Path:
    """Return a config's file: what was given if it looks like a path or a URI, else the shipped one of that name.

    Raises:
        UserError: naming the nearest, if none is called so; for a file of data.
    """
    path = Path(text)
    if path.suffix != ".txt" and kind_of(path.name) != "folder":
        raise UserError(
            f"expected a config, a YAML file, got data, {str(text)!r}; give it as --data, or as data= in Python, and "
            "name the column to predict as target"
        )
    if "://" in str(text) or path.suffix or len(path.parts) != 1 or path.is_file():
        return text
    return lookup(shipped("configs"), "config", str(text))


def find_space(name: str, beside: Path) -> Path:
    """Return the file of a search space given by path (relative to the config or to here) or by name."""
    return beside_or_here(name, beside) or lookup(shipped("search_spaces"), "search space", name)


def override(data: dict[str, Any], text: str) -> list[str]:
    """Apply one `key.path=value`; return what is wrong with it, if anything."""
    path, equals, value = text.partition("=")
    keys, shown = path.strip().split("."), shortened(path, 80)
    if not equals or not all(keys):
        return [f"expected --set key.path=value, got {short(text)}"]
    try:
        parsed = loads(value, "--set")
    except ConfigError as error:
        return [f"expected a YAML value in --set {shown}=..., got {short(value)}{_without_start(error)}"]
    for key in keys[:-1]:
        inner = data.setdefault(key, {})
        if key in NAMED and isinstance(inner, str):  # the short form, a name alone
            inner = data[key] = {"name": inner}
        if not isinstance(inner, dict):
            return [f"expected --set {shown} to lead through sections, but {key!r} is {short(inner)}"]
        data = inner
    data[keys[-1]] = copy.deepcopy(parsed)
    return []


def _without_start(error: ConfigError) -> str:
    """What is wrong with a value, behind a sentence that says already what was expected."""
    problem = error.problems[0]
    return problem.removeprefix(NOT_YAML) if problem.startswith(NOT_YAML) else f": {problem}"
