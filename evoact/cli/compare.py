"""`evoact compare`."""

from typing import TYPE_CHECKING, Annotated, Optional

import typer

from evoact.cli.search import STOPPED, Address

if TYPE_CHECKING:
    from evoact.execution.run import Compared


def compare(
    config: Annotated[str, typer.Argument(metavar="CONFIG", help="The comparison, a YAML file with `arms`.")],
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
            help="Overrides the config; may be repeated: --set repeats=5 --set arms.evolution.strategy.elites=4",
        ),
    ] = None,
    address: Address = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would cost, and stop.")] = False,
) -> None:
    """Compare several searches at equal budget, repeated, with a verdict and a report.

    Example: evoact compare configs/compare_mnist1d_small.yaml -o runs/compared
    """
    from datetime import datetime

    from evoact.config import load_comparison

    made = load_comparison(config, set_ or [])
    if dry_run:
        from evoact.cli.estimate import print_estimates

        print_estimates(made)
        return
    from evoact.cli.progress import Display
    from evoact.execution.run import compare as carry_out

    run_dir = output or f"runs/{made.name}-{datetime.now():%Y%m%d-%H%M%S}"
    with Display(made, run_dir) as display:
        compared = carry_out(made, run_dir, address, display.update)
    end_comparison(compared)


def end_comparison(compared: "Compared") -> None:
    """The verdict, the table and where the report is; a stopped comparison ends as a stopped command does."""
    import shlex

    from evoact.cli.results import this_command

    if not compared.complete:
        typer.echo(f"Stopped after {compared.networks} networks; nothing is lost.")
        typer.echo(f"  {this_command()} resume {shlex.quote(compared.run_dir)}")
        raise typer.Exit(STOPPED)
    from evoact.report import write_report
    from evoact.report.run import read_run
    from evoact.report.words import comparison_text

    run = read_run(compared.run_dir)
    typer.echo(f"\n{compared.networks} networks trained.")
    for state, number in compared.failures:
        typer.echo(f"{number} {state}.")
    typer.echo("\n" + comparison_text(run))
    typer.echo(f"\nReport: {write_report(run)}")
