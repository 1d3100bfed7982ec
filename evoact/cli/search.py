"""`evoact search` and `evoact resume`."""

import os
from typing import TYPE_CHECKING, Annotated, Optional

import typer

if TYPE_CHECKING:
    from evoact.execution.run import Compared, Finished

STOPPED = 130  # what shells say of a command that the keyboard stopped

Address = Annotated[
    Optional[str],  # noqa: UP045 - typer reads it at run time
    typer.Option(
        metavar="ADDRESS",
        help="A running Ray cluster: HOST:PORT, or `auto` for the one this machine belongs to.",
    ),
]


def search(
    config: Annotated[str, typer.Argument(metavar="CONFIG", help="The experiment, a YAML file.")],
    output: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "-o", "--output", metavar="RUN_DIR", help="The run directory, new; default runs/NAME-TIME."
        ),
    ] = None,
    set_: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            "--set",
            metavar="KEY.PATH=VALUE",
            help="Overrides the config; may be repeated. A section can be replaced whole: "
            "--set 'network={name: lenet5}'.",
        ),
    ] = None,
    address: Address = None,
    table: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            metavar="FILE", help="Look networks up in a table of `evoact tabulate` instead of training them."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would cost, and stop.")] = False,
) -> None:
    """Search as an experiment says, into a run directory.

    Example: evoact search configs/quickstart.yaml -o runs/first --set budget.networks=500
    """
    import json
    from datetime import datetime

    from evoact.config import load

    overrides = list(set_ or [])
    if table is not None:
        overrides += ["execution.backend=table", f"execution.table={json.dumps(_everywhere(table))}"]
    made = load(config, overrides)
    if dry_run:
        from evoact.cli.estimate import print_estimate

        print_estimate(made)
        return
    from evoact.cli.progress import Display
    from evoact.execution.run import search as carry_out

    run_dir = output or f"runs/{made.name}-{datetime.now():%Y%m%d-%H%M%S}"
    with Display(made, run_dir) as display:
        finished = carry_out(
            made, run_dir, address, display.update, lambda problem: typer.echo(problem, err=True)
        )
    _end(finished)


def _everywhere(place: str) -> str:
    """The same place, whatever the directory that the run is resumed from."""
    return place if "://" in place else os.path.abspath(place)


def resume(
    run_dir: Annotated[str, typer.Argument(metavar="RUN_DIR", help="The directory of an interrupted run.")],
    address: Address = None,
) -> None:
    """Continue an interrupted run; what was trained is not trained again.

    Example: evoact resume runs/first
    """
    from evoact.execution.run import is_finished, plan_of

    if is_finished(run_dir):
        _name_damage(run_dir)
        typer.echo(f"{run_dir} has finished already; see `evoact leaderboard {run_dir}`.")
        return
    from evoact.cli.progress import Display
    from evoact.execution.run import resume as carry_out

    with Display(plan_of(run_dir), run_dir) as display:
        finished = carry_out(run_dir, address, display.update, lambda problem: typer.echo(problem, err=True))
    _end(finished)


def _name_damage(run_dir: str) -> None:
    """Of a finished run: a sentence about each part that cannot be read.

    Raises:
        UserError: if none can be read, or there is none.
    """
    from evoact.errors import UserError
    from evoact.leaderboard.query import Leaderboard

    board = Leaderboard(run_dir, report=lambda problem: typer.echo(problem, err=True))
    if not board.to_arrow().num_rows:
        raise UserError(
            f"{run_dir}: expected the rows of a finished run, got none; restore its folder leaderboard "
            "or search again in a new run directory"
        )


def _end(finished: "Finished | Compared") -> None:
    """What was found; a stopped run ends as a stopped command does, so that no script goes on."""
    from evoact.cli.compare import end_comparison
    from evoact.cli.results import print_finished
    from evoact.execution.run import Compared

    if isinstance(finished, Compared):
        end_comparison(finished)
        return
    print_finished(finished)
    if not finished.complete:
        raise typer.Exit(STOPPED)
