"""`evoact list`."""

import dataclasses
import inspect
from collections.abc import Callable
from enum import StrEnum
from importlib import import_module
from typing import Annotated, Any

import typer


class Kind(StrEnum):
    functions = "functions"
    activations = "activations"
    networks = "networks"
    tasks = "tasks"
    strategies = "strategies"
    spaces = "spaces"


class Format(StrEnum):
    table = "table"
    json = "json"


def list_names(
    kind: Annotated[Kind, typer.Argument(help="What to list.")],
    format: Annotated[Format, typer.Option(help="`json` for programs.")] = Format.table,
) -> None:
    """List what a config can name.

    Example: evoact list functions
    """
    import json

    rows = ROWS[kind]()
    if format is Format.json:
        typer.echo(json.dumps(rows, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    if not rows:
        typer.echo(f"No {kind.value} are known here.")
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in rows[0]:
        # Names and numbers stay whole; what room is left goes to the texts, over several lines.
        whole = column in ("name", "kind") or all(isinstance(row[column], float) for row in rows)
        table.add_column(column.replace("_", " "), no_wrap=whole, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    console = Console(highlight=False, markup=False)
    console.print(table)
    if kind in NOTES:
        console.print(f"\n{NOTES[kind]}")


NOTES = {
    Kind.functions: "Any of them scaled or normalised is a name, too: sin(3*x), 2*tanh(0.5*x), "
    "normalised(relu), which has mean 0 and second moment 1 under a standard normal input.",
    Kind.activations: "In a search space each kind is a key of `types`, and `given` lists single ones; "
    "see docs/search_spaces.md.",
}


def _functions() -> list[dict[str, Any]]:
    from evoact.activations.base_functions import BASE_FUNCTIONS
    from evoact.activations.properties import properties

    return [
        {"name": f.name, "formula": f.formula, "source": f.source, **properties(f)}
        for f in BASE_FUNCTIONS.values()
    ]


def _activations() -> list[dict[str, Any]]:
    from evoact.genomes.genome import KINDS

    return [
        {
            "kind": kind,
            "fields": {
                field.name: "required" if field.default is dataclasses.MISSING else field.default
                for field in dataclasses.fields(cls)
            },
            "meaning": (cls.__doc__ or "").strip().splitlines()[0],
        }
        for kind, cls in KINDS.items()
    ]


def _networks() -> list[dict[str, Any]]:
    from evoact.networks import NETWORKS, SHAPES
    from evoact.networks.network import parameter_count

    return [
        {
            "name": name,
            "arguments": _arguments(build, ("input_shape", "n_outputs")),
            "parameters": {
                f"{'x'.join(map(str, shape))} to {outputs}": parameter_count(build(shape, outputs))
                for shape, outputs in SHAPES[name]
            },
        }
        for name, build in NETWORKS.items()
    ]


def _tasks() -> list[dict[str, Any]]:
    from evoact.tasks import TASKS, summary

    return [summary(name) | {"arguments": _arguments(build)} for name, build in TASKS.items()]


def _strategies() -> list[dict[str, Any]]:
    from evoact.strategies import STRATEGIES

    rows = []
    for name, (module, attribute) in STRATEGIES.items():
        cls = getattr(import_module(f"evoact.strategies.{module}"), attribute)
        doc = (cls.__doc__ or "").strip().splitlines()[0]
        rows.append(
            {"name": name, "arguments": _arguments(cls, ("space", "seed", "genomes")), "meaning": doc}
        )
    return rows


def _spaces() -> list[dict[str, Any]]:
    from evoact.config import load_space, space_directories

    rows = []
    for file in sorted(file for d in space_directories() for file in d.glob("*.yaml")):
        space = load_space(file)
        rows.append(
            {
                "name": file.stem,
                "functions": ", ".join(space.functions or ()),
                "description": space.description,
            }
        )
    return rows


def _arguments(build: Any, skip: tuple[str, ...] = ()) -> dict[str, Any]:
    """Names and defaults of what a config may set; `required` where there is no default."""
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
    Kind.spaces: _spaces,
}


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{k}: {_cell(v) or 'none'}" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        between = " x " if all(isinstance(v, int) for v in value) else ", "
        return between.join(map(str, value))
    if isinstance(value, float):
        return f"{value or 0.0:.4g}"  # not -0
    return str(value)
