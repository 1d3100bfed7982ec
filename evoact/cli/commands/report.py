"""`evoact report`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Optional

import typer

from evoact.cli.options import say, warn
from evoact.errors import UserError


class Format(StrEnum):
    """The forms in which a report is written."""

    html = "html"
    md = "md"
    tensorboard = "tensorboard"
    optuna = "optuna"


def report(
    run_dir: Annotated[str, typer.Argument(metavar="RUN_DIR", help="A run directory, finished or not.")],
    format: Annotated[
        Optional[Format],  # noqa: UP045
        typer.Option(
            help="A page, Markdown, TensorBoard scalars, or an Optuna journal; default: the ending of -o, or html."
        ),
    ] = None,
    output: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--output", "-o", help="The file or directory; default one in the run directory."),
    ] = None,
) -> None:
    """Write a report of a search or a comparison: one file, readable offline.

    Example: evoact report runs/first

    Example: evoact report runs/compared -o compared.md

    Example: evoact report runs/first --format tensorboard -o events && tensorboard --logdir events

    Example: evoact report runs/first --format optuna -o study.journal && optuna-dashboard study.journal
    """
    from evoact.leaderboard.location import Location
    from evoact.report import write_report
    from evoact.report.run import read_run

    chosen = format or _by_ending(output)
    if output is not None and chosen in (Format.html, Format.md):
        Location.of(output).check_writable()
    run = read_run(run_dir)
    for problem in run.problems:
        warn(problem)
    say(write_report(run, chosen.value, output))


def _by_ending(output: str | None) -> Format:
    from evoact.leaderboard.location import Location

    ending = Path(Location.of(output).name).suffix.lower() if output else ""
    formats = {"": Format.html, ".html": Format.html, ".htm": Format.html, ".md": Format.md}
    if ending not in formats:
        raise UserError(
            f"expected a file that ends in .html or .md, got {str(output)!r}; rename it, or say with --format what it "
            "should be"
        )
    return formats[ending]
