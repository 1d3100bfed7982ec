"""`evoact list`."""

import dataclasses
import inspect
import re
import textwrap
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated, Any

import typer

from evoact.cli.options import Format, say


class Kind(StrEnum):
    functions = "functions"
    activations = "activations"
    networks = "networks"
    tasks = "tasks"
    strategies = "strategies"
    optimizers = "optimizers"
    schedules = "schedules"
    spaces = "spaces"
    configs = "configs"


def list_names(
    kind: Annotated[Kind, typer.Argument(help="The kind of names to list.")],
    format: Annotated[Format, typer.Option(help="`json` for programs.")] = Format.table,
) -> None:
    """List the names that a config can use.

    Example: evoact list functions
    """
    import json

    rows = ROWS[kind]()
    if format is Format.json:
        say(json.dumps(rows, indent=2))
        return
    if not rows:
        say(f"No {kind.value} were found.")
        return
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    heading, *lines = _laid_out([{k: _cell(v) for k, v in row.items()} for row in rows], console.width)
    console.print(heading, style="bold")
    console.print("\n".join(lines))
    if kind in NOTES:
        console.print(f"\n{NOTES[kind]}")


# Columns that go below a line that is too narrow for all; these need no name there.
TEXTS = (
    "formula",
    "source",
    "data",
    "arguments",
    "fields",
    "parameters",
    "functions",
    "meaning",
    "description",
    "package",
    "problem",
)
SPEAK_FOR_THEMSELVES = ("meaning", "description", "data")
BETWEEN = 2


def _laid_out(rows: list[dict[str, str]], width: int) -> list[str]:
    """A heading and lines: a table if it fits, else one of the short columns with the texts below."""
    names = list(rows[0])
    widths = {name: max(len(_heading(name)), *(len(row[name]) for row in rows)) + BETWEEN for name in names}
    if sum(widths.values()) - BETWEEN <= width:
        return [
            _line({name: _heading(name) for name in names}, widths),
            *(_line(row, widths) for row in rows),
        ]
    short = {name: widths[name] for name in names if name not in TEXTS}
    indent = next(iter(short.values()))
    result = [_line({name: _heading(name) for name in short}, short)]
    for row in rows:
        texts = [
            row[name] if name in SPEAK_FOR_THEMSELVES else f"{name}: {row[name]}"
            for name in names
            if name in TEXTS and row[name].strip("-")
        ]
        below = [
            line for text in texts for line in textwrap.wrap(text, width - indent, break_on_hyphens=False)
        ]
        first = _line(row, short)
        if len(short) == 1 and below:  # there is room beside the name
            first += " " * (indent - len(first)) + below.pop(0)
        result += [first, *(" " * indent + line for line in below)]
    return result


def _line(cells: dict[str, str], widths: dict[str, int]) -> str:
    return "".join(cells[name].ljust(width) for name, width in widths.items()).rstrip()


def _heading(name: str) -> str:
    return name.replace("_", " ")


NOTES = {
    Kind.functions: "Scaled and normalised forms are names, too: sin(3*x), 2*tanh(0.5*x), "
    "normalised(relu), which has mean 0 and second moment 1 under a standard normal input.",
    Kind.activations: "In a search space each kind is a key of `types`, and `given` lists single ones; "
    "see docs/search_spaces.md.",
}


def _functions() -> list[dict[str, Any]]:
    from evoact.activations.functions.base_functions import BASE_FUNCTIONS, BaseFunction, base_function
    from evoact.activations.functions.plugged import plug_in_offered
    from evoact.activations.functions.properties import properties

    def row(f: BaseFunction) -> dict[str, Any]:
        return {"name": f.name, "formula": f.formula, "source": f.source, **properties(f)}

    own = [row(f) for f in BASE_FUNCTIONS.values()]

    def offered(name: str, code: Any) -> dict[str, Any]:
        plug_in_offered([name])
        return row(base_function(name))

    return _with_offered("function", own, offered)


def _with_offered(
    kind: str, rows: list[dict[str, Any]], row: Callable[[str, Any], dict[str, Any]]
) -> list[dict[str, Any]]:
    """Rows with those of what installed packages offer, which imports these, and the package of each."""
    from evoact.errors import UserError
    from evoact.plugins import entry_points, loaded, offering

    offered = []
    for name in sorted(entry_points(kind)):
        prefix, _, own = name.partition(":")
        plugin = offering(prefix)
        assert plugin is not None
        try:
            found = row(name, loaded(plugin, kind, own))
        except UserError as error:
            found = dict.fromkeys(rows[0], None) | {"name": name, "problem": str(error)}
        offered.append(found | {"package": plugin.described})
    keys = dict.fromkeys(key for one in (*rows, *offered) for key in one)
    return [{key: one.get(key) for key in keys} for one in (*rows, *offered)]


def _activations() -> list[dict[str, Any]]:
    from evoact.genomes.kinds import KINDS

    return [
        {
            "kind": kind,
            "fields": {
                field.name: "required" if field.default is dataclasses.MISSING else field.default
                for field in dataclasses.fields(cls)
            },
            "meaning": _first_sentence(cls.__doc__),
        }
        for kind, cls in KINDS.items()
    ]


def _networks() -> list[dict[str, Any]]:
    from evoact.networks import NETWORKS, SHAPES
    from evoact.networks.network import parameter_count
    from evoact.networks.own.named import OF_RUNS

    skip = ("input_shape", "n_outputs", *OF_RUNS)
    own = [
        {
            "name": name,
            "arguments": _arguments(build, skip),
            "parameters": {
                f"{'x'.join(map(str, shape))} to {outputs}": parameter_count(build(shape, outputs))
                for shape, outputs in SHAPES[name]
            },
        }
        for name, build in NETWORKS.items()
    ]
    return _with_offered(
        "network", own, lambda name, build: {"name": name, "arguments": _arguments(build, skip)}
    )


def _tasks() -> list[dict[str, Any]]:
    from evoact.tasks import TASKS, summary

    own = [summary(name) | {"arguments": _arguments(build)} for name, build in TASKS.items()]
    return _with_offered("task", own, lambda name, build: {"name": name, "arguments": _arguments(build)})


def _strategies() -> list[dict[str, Any]]:
    from evoact.strategies import NO_SETTINGS, STRATEGIES, strategy_class

    return _described({name: strategy_class(name) for name in STRATEGIES}, NO_SETTINGS)


def _optimizers() -> list[dict[str, Any]]:
    from evoact.training.optimizers import FROM_PACK, OPTIMIZERS

    return _described(OPTIMIZERS, FROM_PACK)


def _schedules() -> list[dict[str, Any]]:
    from evoact.training.schedules import SCHEDULES

    return _described(SCHEDULES)


def _described(table: Mapping[str, Any], skip: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """Rows of a table's names: their arguments, and the first sentence of their docstrings."""
    return [
        {"name": name, "arguments": _arguments(build, skip), "meaning": _first_sentence(build.__doc__)}
        for name, build in table.items()
    ]


def _spaces() -> list[dict[str, Any]]:
    from evoact.config import load_space, shipped

    rows = []
    for file in shipped("search_spaces").values():
        space = load_space(file)
        rows.append(
            {
                "name": file.stem,
                "functions": ", ".join(space.functions or ()),
                "description": space.description,
            }
        )
    return rows


def _configs() -> list[dict[str, Any]]:
    from evoact.config import read_yaml, shipped

    return [
        {
            "name": name,
            "command": "compare" if "arms" in (config := read_yaml(file)) else "search",
            "meaning": _first_sentence(config.get("description")),
        }
        for name, file in shipped("configs").items()
    ]


def _first_sentence(doc: str | None) -> str:
    """Return the first sentence of a docstring, on one line.

    >>> _first_sentence("A rectifier (He et\\n    al. 2015), trained. Its slope is free.\\n\\n    More.")
    'A rectifier (He et al. 2015), trained.'
    """
    paragraph = " ".join((doc or "").strip().partition("\n\n")[0].split())
    end = re.search(r"\.(?= [A-Z`])", paragraph)
    return paragraph[: end.end()] if end else paragraph


def _arguments(build: Any, skip: tuple[str, ...] = ()) -> dict[str, Any]:
    """Names and defaults of what a config may set; `required` if there is no default."""
    parameters = inspect.signature(build).parameters.values()
    required = inspect.Parameter.empty
    return {
        p.name: "required" if p.default is required else p.default for p in parameters if p.name not in skip
    }


ROWS: dict[Kind, Callable[[], list[dict[str, Any]]]] = {
    Kind.functions: _functions,
    Kind.activations: _activations,
    Kind.networks: _networks,
    Kind.tasks: _tasks,
    Kind.strategies: _strategies,
    Kind.optimizers: _optimizers,
    Kind.schedules: _schedules,
    Kind.spaces: _spaces,
    Kind.configs: _configs,
}


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{k}: {_written(v)}" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        between = " x " if all(isinstance(v, int) for v in value) else ", "
        return between.join(map(str, value))
    if isinstance(value, float):
        return f"{value or 0.0:.4g}"  # not -0
    return str(value)


def _written(value: Any) -> str:
    """A default as one may write it in a config.

    >>> _written((100, 100)), _written(None), _written("edge"), _written(True)
    ('[100, 100]', 'null', 'edge', 'true')
    """
    import json

    return value if isinstance(value, str) else json.dumps(value)
