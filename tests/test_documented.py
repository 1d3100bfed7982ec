"""docs/configs.md names every key of a config and its default; what docstrings name is there."""

import importlib
import re
from contextlib import suppress
from pathlib import Path
from typing import get_args

import pytest

from evoact.config.schema import Arm, Arms, Config, Section

TEXT = (Path(__file__).parent.parent / "docs" / "configs.md").read_text()
# Filled in by the program, or said in docs/search_spaces.md.
ELSEWHERE = {"space", "curves", "functions", "genomes"}


def keys(section, prefix=""):
    for name, field in section.model_fields.items():
        if (name in ELSEWHERE and section is Config) or name == "genomes":
            continue
        inner = [t for t in (field.annotation, *get_args(field.annotation)) if isinstance(t, type)]
        below = next((t for t in inner if issubclass(t, Section)), None)
        if below is None or name == "plugins":  # a list of names
            yield f"{prefix}{name}", field
        else:
            yield from keys(below, f"{prefix}{name}.")


EVERY = [
    *keys(Config),
    *((key, field) for key, field in keys(Arms) if not key.startswith("arms.")),
    *((f"arms.NAME.{key}", field) for key, field in keys(Arm)),
]


@pytest.mark.parametrize(("key", "field"), EVERY, ids=[key for key, _ in EVERY])
def test_key(key, field):
    row = next((line for line in TEXT.splitlines() if line.startswith(f"| `{key}` |")), None)
    assert row is not None, f"docs/configs.md says nothing of {key}"
    default = row.split("|")[2].strip()
    value = field.default
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        assert default == f"{value:g}"
    elif isinstance(value, str) and value:
        assert default == f"`{value}`"
    elif field.is_required():
        assert default == "required"


def is_there(name):
    """Whether a module of evoact has this name, or something in a module has."""
    parts = name.split(".")
    for i in range(len(parts), 0, -1):
        with suppress(ModuleNotFoundError):
            thing = importlib.import_module(".".join(["evoact", *parts[:i]]))
            for part in parts[i:]:
                if part in getattr(thing, "__annotations__", {}):  # a field, whose own parts nobody names
                    return True
                if not hasattr(thing, part):
                    return False
                thing = getattr(thing, part)
            return True
    return False


def test_what_docstrings_and_comments_name_is_there():
    """A name of three parts and more, the first of them a folder, such as `training.averaging.MOST`; shorter ones may
    be keys of a config."""
    source = Path(__file__).parent.parent / "evoact"
    folders = "|".join(sorted(path.name for path in source.iterdir() if (path / "__init__.py").exists()))
    pattern = re.compile(rf"`(?:evoact\.)?((?:{folders})\.\w+(?:\.\w+)+)`")
    found = {name: path for path in source.rglob("*.py") for name in pattern.findall(path.read_text())}
    assert len(found) > 20
    assert {name: path.name for name, path in found.items() if not is_there(name)} == {}
