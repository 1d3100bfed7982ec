"""`evoact search` and `evoact resume`."""

import shlex
from typing import Annotated, Optional

import typer

from evoact.cli.options import Address, DryRun, Output, Overrides, run_directory, say, warn


def search(
    config: Annotated[
        str,
        typer.Argument(
            metavar="CONFIG", help="The experiment, a YAML file, or a name of `evoact list configs`."
        ),
    ],
    output: Output = None,
    set_: Overrides = None,
    address: Address = None,
    table: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            metavar="FILE", help="Look networks up in a table of `evoact tabulate` instead of training them."
        ),
    ] = None,
    dry_run: DryRun = False,
) -> None:
    """Run the search of an experiment and store it in a run directory.

    Example: evoact search configs/quickstart.yaml -o runs/first --set budget.networks=500
    """
    import json

    from evoact.config import Plan, load

    overrides = list(set_ or [])
    if table is not None:
        overrides += ["execution.backend=table", f"execution.table={json.dumps(table)}"]
    made = load(config, overrides)
    if dry_run:
        from evoact.cli.estimate import print_estimate

        print_estimate(made)
        return
    from evoact.cli.progress import Display
    from evoact.cli.results import end
    from evoact.execution.run import search as carry_out

    run_dir = run_directory(made.name, output)
    with Display(Plan.of(made), run_dir) as display:
        finished = carry_out(made, run_dir, address, display.update, warn)
    end(finished)


def resume(
    run_dir: Annotated[str, typer.Argument(metavar="RUN_DIR", help="The directory of an interrupted run.")],
    address: Address = None,
) -> None:
    """Continue an interrupted run; stored networks are not trained again.

    Example: evoact resume runs/first
    """
    from evoact.config.stored_plan import plan_of
    from evoact.leaderboard.location import Location
    from evoact.leaderboard.run_files import is_finished

    if is_finished(Location.of(run_dir)):
        _name_damage(run_dir)
        say(f"{run_dir} has finished already; see `evoact leaderboard {shlex.quote(run_dir)}`.")
        return
    from evoact.cli.progress import Display
    from evoact.cli.results import end
    from evoact.execution.run import resume as carry_out

    with Display(plan_of(run_dir), run_dir) as display:
        finished = carry_out(run_dir, address, display.update, warn)
    end(finished)


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
