"""YAML in: files, numbers as authors mean them, overrides, and search spaces by name."""

import copy
import re
from pathlib import Path
from typing import Any

import yaml

from evoact.errors import ConfigError, UserError
from evoact.registry import lookup


def read_yaml(path: str | Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        UserError: if there is no such file, it is not YAML, or holds something else than a mapping.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"expected a YAML file, got {str(path)!r}, which is not there") from None
    except IsADirectoryError:
        raise UserError(f"expected a YAML file, got {str(path)!r}, which is a directory") from None
    except UnicodeDecodeError:
        raise UserError(f"expected a YAML file, got {str(path)!r}, which is no text in UTF-8") from None
    except OSError as error:
        raise UserError(
            f"expected a YAML file, got {str(path)!r}, which cannot be read: {error.strerror}"
        ) from None
    try:
        data = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        what = getattr(error, "problem", None) or "it cannot be parsed"
        raise ConfigError(str(path), [f"expected YAML, got something else{where}: {what}"]) from None
    if data is None:
        raise ConfigError(str(path), ["expected keys and values, got an empty file"])
    if not isinstance(data, dict):
        raise ConfigError(str(path), [f"expected keys and values, got {short(data)}"])
    return data


def space_directories() -> list[Path]:
    """Where named search spaces are looked for: beside the package (installed), or in the repository."""
    package = Path(__file__).parents[1]
    return [d for d in (package / "search_spaces", package.parent / "search_spaces") if d.is_dir()]


def find_space(name: str, beside: Path) -> Path:
    """The file of a search space given by path (relative to the config or to here) or by name."""
    for candidate in (beside / name, Path(name)):
        if candidate.is_file():
            return candidate
    known = {file.stem: file for d in space_directories() for file in d.glob("*.yaml")}
    return lookup(known, "search space", name)


class _Loader(yaml.SafeLoader):
    """YAML 1.1 reads 1e-3 as a string; a config's author means a number. Keys must not repeat."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def _mapping(loader: _Loader, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
    named = [key for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
    keys = [loader.construct_object(key, deep=True) for key in named]
    twice = {str(key) for key in keys if keys.count(key) > 1}
    if twice:
        raise yaml.constructor.ConstructorError(
            problem=f"the key {min(twice)!r} stands there twice", problem_mark=node.start_mark
        )
    return yaml.SafeLoader.construct_mapping(loader, node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def override(data: dict[str, Any], text: str) -> list[str]:
    """Apply one `key.path=value`; returns what is wrong with it, if anything."""
    path, equals, value = text.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        return [f"expected --set key.path=value, got {text!r}"]
    try:
        parsed = yaml.load(value, Loader=_Loader)
    except yaml.YAMLError:
        return [f"expected a YAML value in --set {path}=..., got {value!r}"]
    for key in keys[:-1]:
        inner = data.setdefault(key, {})
        if not isinstance(inner, dict):
            return [f"expected --set {path} to lead through sections, but {key!r} is {short(inner)}"]
        data = inner
    data[keys[-1]] = copy.deepcopy(parsed)
    return []


def short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
