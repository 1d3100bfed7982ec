"""`evoact search` and `evoact resume`."""

import shlex
from typing import Annotated, Optional

import typer

from evoact.cli.options import Address, DryRun, Output, Overrides, Track, say, warn


def search(
    config: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(
            metavar="[CONFIG]",
            help="The experiment, a YAML file, or a name of `evoact list configs`; not needed with --data.",
        ),
    ] = None,
    output: Output = None,
    set_: Overrides = None,
    address: Address = None,
    data: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="FILE", help="Search on this data, with defaults for everything else."),
    ] = None,
    target: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="COLUMN", help="The column of --data to predict."),
    ] = None,
    minutes: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(metavar="N", help="For everything, confirmation included; 5 for --data alone."),
    ] = None,
    table: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            metavar="FILE", help="Look networks up in a table of `evoact tabulate` instead of training them."
        ),
    ] = None,
    track: Track = None,
    dry_run: DryRun = False,
) -> None:
    """Run the search of an experiment, or on your data, and store it in a run directory.

    Example: evoact search --data mine.csv --target price

    Example: evoact search configs/quickstart.yaml -o runs/first --set budget.networks=500
    """
    import json

    from evoact.api import search as api

    overrides = list(set_ or [])
    if table is not None:
        overrides += ["execution.backend=table", f"execution.table={json.dumps(table)}"]
    asked = api.Asked(config, overrides, data, target, minutes=minutes)
    if dry_run:
        from evoact.cli.estimate import print_estimate

        print_estimate(api.settled(asked))
        return
    from evoact.api.progress import Display
    from evoact.cli.results import end

    end(api.search(asked, output, address, show=Display, report=warn, track=track or ()))


def resume(
    run_dir: Annotated[str, typer.Argument(metavar="RUN_DIR", help="The directory of an interrupted run.")],
    address: Address = None,
    track: Track = None,
) -> None:
    """Continue an interrupted run; stored networks are not trained again.

    Example: evoact resume runs/first
    """
    from evoact.leaderboard.location import Location
    from evoact.leaderboard.run_files import is_finished

    if is_finished(Location.of(run_dir)):
        _name_damage(run_dir)
        say(f"{run_dir} has finished already; see `evoact leaderboard {shlex.quote(run_dir)}`.")
        return
    from evoact.api.progress import Display
    from evoact.api.search import resume as carry_out
    from evoact.cli.results import end

    end(carry_out(run_dir, address, show=Display, report=warn, track=track or ()))


def _name_damage(run_dir: str) -> None:
    """Name each part of a finished run that cannot be read, in a sentence.

    Raises:
        UserError: if none can be read, or there is none.
    """
    from evoact.errors import UserError
    from evoact.leaderboard.ask.query import Leaderboard

    board = Leaderboard(run_dir, report=warn)
    if not board.to_arrow().num_rows:
        raise UserError(
            f"{run_dir}: expected the rows of a finished run, got none; restore its folder leaderboard "
            "or search again in a new run directory"
        )
