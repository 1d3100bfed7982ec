"""`evoact report`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Optional

import typer

from evoact.cli.options import warn


class Format(StrEnum):
    """How a report is written."""

    html = "html"
    md = "md"
    tensorboard = "tensorboard"
    optuna = "optuna"


def report(
    run_dir: Annotated[str, typer.Argument(metavar="RUN_DIR", help="A run directory, finished or not.")],
    format: Annotated[
        Format, typer.Option(help="A page, Markdown, TensorBoard scalars, or an Optuna journal.")
    ] = Format.html,
    output: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--output", "-o", help="The file or directory; default one in the run directory."),
    ] = None,
) -> None:
    """Write a report of a search or a comparison: one file, which needs no network.

    Example: evoact report runs/first

    Example: evoact report runs/compared --format md -o compared.md

    Example: evoact report runs/first --format tensorboard -o events && tensorboard --logdir events

    Example: evoact report runs/first --format optuna -o study.journal && optuna-dashboard study.journal
    """
    from evoact.report import write_report
    from evoact.report.run import read_run

    run = read_run(run_dir)
    for problem in run.problems:
        warn(problem)
    typer.echo(write_report(run, format.value, output))
