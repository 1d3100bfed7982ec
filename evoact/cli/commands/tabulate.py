"""`evoact tabulate`."""

from typing import Annotated, Optional

import typer

from evoact.cli.options import STOPPED, Address, Overrides, say, warn
from evoact.errors import counted


def tabulate(
    config: Annotated[
        str, typer.Argument(metavar="CONFIG", help="The experiment whose space is tabulated, a YAML file.")
    ],
    output: Annotated[
        Optional[str],  # noqa: UP045 - typer reads it at run time
        typer.Option(
            "-o",
            "--output",
            metavar="RUN_DIR",
            help="New, or that of a stopped tabulation; default runs/NAME-table.",
        ),
    ] = None,
    table: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="FILE", help="The table to write; default RUN_DIR/table.parquet."),
    ] = None,
    seeds: Annotated[
        int, typer.Option(metavar="N", help="Seeds of each genome: half for searches, half for the truth.")
    ] = 20,
    set_: Overrides = None,
    address: Address = None,
) -> None:
    """Train every network of a small space into one Parquet table, for `evoact search --table FILE`.

    Stopped, it writes what it has; the same command goes on.

    Example: evoact tabulate benchmarks/tables/mnist1d_smooth.yaml --table smooth.parquet
    """
    from evoact.api.progress import Display
    from evoact.config import Plan, load
    from evoact.execution.tabulate import tabulate as carry_out
    from evoact.execution.tabulate import tabulation
    from evoact.leaderboard.location import Location

    made = load(config, set_ or [])
    run_dir = output or f"runs/{made.name}-table"
    file = table or Location.of(run_dir).child("table.parquet").text
    with Display(Plan.of(tabulation(made, seeds)), run_dir) as display:
        done = carry_out(made, run_dir, file, seeds, address, display.update, warn)
    more = "" if done.complete else " so far; run the same command to continue"
    say(f"{done.file}: {counted(done.rows, 'network')}{more}.")
    if not done.complete:
        raise typer.Exit(STOPPED)
