"""`evoact inspect`."""

from typing import TYPE_CHECKING, Annotated, Optional

import typer

from evoact.cli.options import Format, say
from evoact.errors import counted

if TYPE_CHECKING:
    from evoact.tasks.own.inspection import Inspection, Target

CLASSES_SHOWN = 12


def inspect(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA", help="A table: CSV, Parquet, Feather, npz, a folder of Parquet files, or a URI."
        ),
    ],
    target: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--target", metavar="COLUMN", help="The column to predict; may be repeated."),
    ] = None,
    format: Annotated[Format, typer.Option(help="`json` for programs.")] = Format.table,
) -> None:
    """Say what a table holds before anything is trained on it: kinds of columns, missing values, suspicious columns,
    classes and their balance, the splits that would be made, memory.

    Example: evoact inspect patients.csv --target diagnosis
    """
    import json

    from evoact.tasks.own.inspection import inspect_table

    found = inspect_table(data, tuple(target or ()))
    if format is Format.json:
        say(json.dumps(found.to_json(), indent=2))
    else:
        _print(found)


def _print(found: "Inspection") -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, markup=False)
    table = Table(box=None, pad_edge=False)
    for heading, justify in (("column", "left"), ("kind", "left"), ("missing", "right"), ("values", "left")):
        table.add_column(heading, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for c in found.columns:
        missing = f"{100 * c.missing / found.rows:.3g} %" if c.missing else ""
        table.add_row(c.name, c.kind, missing, c.values or c.type)
    console.print(
        f"{found.path}: {counted(found.rows, 'row')}, {counted(len(found.columns), 'column')} "
        f"({_size(found.memory['table'])}), of which a network is given {counted(found.features, 'feature')} "
        f"({_size(found.memory['features'])} in memory)\n"
    )
    console.print(table)
    named = [c.name for c in found.columns if c.kind == "target"]
    console.print(f"\n{_target(found.target, named)}")
    if found.remarks:
        console.print("\nLook at:")
        for remark in found.remarks:
            console.print(f"- {remark}")


def _size(size: float) -> str:
    """
    >>> _size(900), _size(52_428_800)
    ('0.9 kB', '52.4 MB')
    """
    unit, name = next(((u, n) for u, n in ((1e9, "GB"), (1e6, "MB")) if size >= u), (1e3, "kB"))
    return f"{size / unit:.3g} {name}"


def _target(target: "Target | None", named: list[str]) -> str:
    if target is None and not named:
        return "No target: name the column to predict with --target."
    if target is None:
        return f"Target: {', '.join(named)}, which a search would refuse, as is said below."
    splits = " / ".join(f"{rows:,} {name}" for name, rows in target.splits.items())
    rows = sum(target.classes.values())
    classes = [f"{name} {n:,} ({100 * n / rows:.3g} %)" for name, n in target.classes.items()]
    shown = ", ".join(classes[:CLASSES_SHOWN]) + (", ..." if len(classes) > CLASSES_SHOWN else "")
    said = f"{target.summary}: {shown}" if classes else target.summary
    return f"Target: {', '.join(target.names)}, {target.problem}, {said}\nSplits: {splits}"
