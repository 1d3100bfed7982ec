"""`evoact leaderboard`."""

import shutil
import sys
import time
from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

import typer

from evoact.cli.options import say, warn
from evoact.errors import UserError, counted

# More lines than this nobody reads as a table.
MOST_LINES = 200
REFRESH_SECONDS = 2.0

# The ranking's columns that are shown even if all lines agree, those if they hold anything, and shorter headings.
ALWAYS = {"rank", "candidate", "label", "val_mean", "seeds", "learning_rate", "phase"}
WHERE_FILLED = {"arm", "test_mean", "test_large_mean"}
SHORT = {"val_mean": "val", "test_mean": "test", "test_large_mean": "test (large)", "learning_rate": "rate"}


class Format(StrEnum):
    """The forms in which an answer is printed."""

    table = "table"
    csv = "csv"
    json = "json"
    parquet = "parquet"


def leaderboard(
    run_dirs: Annotated[
        list[str], typer.Argument(help="Run directories, directories of parts, Parquet files.")
    ],
    top: Annotated[int, typer.Option("--top", "-n", help="Show this many of the best candidates.")] = 10,
    sql: Annotated[
        str | None, typer.Option(help="Answer one SELECT over `leaderboard` and `curves`.")
    ] = None,
    format: Annotated[Format, typer.Option(help="csv, json and parquet are for programs.")] = Format.table,
    output: Annotated[str | None, typer.Option("--output", "-o", help="Write to this file.")] = None,
    live: Annotated[bool, typer.Option("--live", help="Refresh the table until the runs end.")] = False,
) -> None:
    """Show the best candidates of each task in one or more runs, or query every trained network with SQL.

    Candidates stand by their mean validation metric: first the confirmed (on fresh seeds, with test
    metrics), then the others, with the number of seeds that the mean is over.

    Example: evoact leaderboard runs/a runs/b --top 20

    Example: evoact leaderboard runs/a --live

    Example: evoact leaderboard runs/a --sql "SELECT state, count(*) FROM leaderboard GROUP BY state"
    """
    if format is Format.parquet and output is None and sys.stdout.isatty():
        raise UserError("expected a file or a pipe for Parquet, got a terminal; add -o FILE")
    if live:
        if sql is not None or format is not Format.table or output is not None or not sys.stdout.isatty():
            raise UserError(
                "expected --live alone and on a terminal; leave --sql, --format, -o and pipes out"
            )
        _watch(run_dirs, top)
        return
    from evoact.leaderboard.ask import formats
    from evoact.leaderboard.ask.query import Leaderboard
    from evoact.leaderboard.location import Location

    if output is not None:
        Location.of(output).check_writable()
    board = Leaderboard(*run_dirs, report=warn)
    rows = board.top(top) if sql is None else board.sql(sql)
    if format is Format.table:
        if sql is None:
            _print_rankings(rows, output, several_runs=len(run_dirs) > 1)
        else:
            _print_answer(rows, output)
        return
    _write(formats.encoded(rows, format.value), output)


def _watch(run_dirs: Sequence[str], top: int) -> None:
    """The ranking on a screen of its own until every run has ended or the keyboard says so; then here."""
    from rich.console import Console

    from evoact.leaderboard.ask.query import Leaderboard
    from evoact.leaderboard.location import Location
    from evoact.leaderboard.run_files import is_finished

    homes = [Location.of(run_dir) for run_dir in run_dirs]
    console = Console(highlight=False, markup=False)
    ended = False
    try:
        with console.screen(hide_cursor=True):
            while not ended:
                ended = all(map(is_finished, homes))  # asked first: what comes later is seen once more
                board = Leaderboard(*run_dirs, report=lambda problem: None)
                console.clear()
                console.print(
                    f"{counted(len(board), 'network')}, {time.strftime('%H:%M:%S')}; Ctrl-C ends this."
                )
                _print_rankings(board.top(top), None, several_runs=len(run_dirs) > 1)
                time.sleep(0 if ended else REFRESH_SECONDS)
    except KeyboardInterrupt:
        pass
    board = Leaderboard(*run_dirs, report=warn)
    _print_rankings(board.top(top), None, several_runs=len(run_dirs) > 1)


def _print_answer(rows: Any, output: str | None) -> None:
    from evoact.leaderboard.ask.formats import values
    from evoact.report.text_table import aligned

    names, columns = rows.column_names, [values(column) for column in rows.slice(0, MOST_LINES).columns]
    right, lines = _numeric(columns), _lines(columns)
    if output is None and sys.stdout.isatty():
        _print_for_people(names, lines, right)
    else:
        _write_text(aligned(names, lines, right) + "\n", output)
    _say_if_cut(len(rows))


def _print_rankings(rows: Any, output: str | None, several_runs: bool) -> None:
    """One table a task, because metrics of different tasks do not compare."""
    from evoact.report.text_table import aligned

    columns = rows.slice(0, MOST_LINES).to_pydict()
    tasks = list(zip(columns["task"], columns["metric"], strict=True))
    always = ALWAYS | ({"run"} if several_runs else set())
    texts = []
    for task in dict.fromkeys(tasks) or [()]:
        own = {name: [v for v, t in zip(c, tasks, strict=True) if t == task] for name, c in columns.items()}
        filled = {n for n in WHERE_FILLED & set(own) if any(v not in (None, "") for v in own[n])}
        kept = always | filled | ({"repeat"} if "arm" in filled else set())
        shown = {SHORT.get(n, n): c for n, c in own.items() if n in kept or len(set(c)) > 1}
        heading = f"{', '.join(part or '?' for part in task)}:\n" if len(set(tasks)) > 1 else ""
        if output is None and sys.stdout.isatty():
            _print_ranking(heading, shown)
        else:
            cells = list(shown.values())
            texts.append(f"{heading}{aligned(list(shown), _lines(cells), _numeric(cells))}\n")
    if texts:
        _write_text("\n".join(texts), output)
    _say_if_cut(len(rows))


def _print_ranking(heading: str, shown: dict[str, list[Any]]) -> None:
    from rich.console import Console

    from evoact.cli.fitting import fitted

    texts = {name: [_cell(value) for value in column] for name, column in shown.items()}
    kept, gone = fitted(texts, shutil.get_terminal_size().columns)
    console = Console(highlight=False, markup=False)
    console.print(heading, end="")
    _print_for_people(
        list(kept), list(zip(*kept.values(), strict=True)), _numeric([shown[name] for name in kept])
    )
    if gone:
        what = f"Hidden, because the terminal is too narrow: {', '.join(gone)}; --format csv shows them."
        console.print(what, style="dim")
    if heading:
        console.print()


def _numeric(columns: Sequence[list[Any]]) -> list[bool]:
    return [all(isinstance(value, int | float | Decimal | None) for value in column) for column in columns]


def _lines(columns: Sequence[list[Any]]) -> list[tuple[str, ...]]:
    return list(zip(*([_cell(value) for value in column] for column in columns), strict=True))


def _say_if_cut(rows: int) -> None:
    if rows > MOST_LINES:
        warn(f"and {counted(rows - MOST_LINES, 'more row')}: use --format csv for all of them")


def _print_for_people(names: Sequence[str], cells: Sequence[Sequence[str]], right: Sequence[bool]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, padding=(0, 1), header_style="bold")
    for name, numeric in zip(names, right, strict=True):
        # Numbers stay whole; what room is left goes to the texts, over several lines if need be.
        table.add_column(name, justify="right" if numeric else "left", no_wrap=numeric, overflow="fold")
    for line in cells:
        table.add_row(*line)
    Console(highlight=False, markup=False).print(table)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list | dict):
        from evoact.leaderboard.ask.formats import text

        return text(value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _write_text(text: str, output: str | None) -> None:
    if output is None:
        say(text, end="")
    else:
        _write(text.encode(), output)


def _write(content: bytes, output: str | None) -> None:
    if output is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    from evoact.leaderboard.location import Location

    Location.of(output).write_output(content)
