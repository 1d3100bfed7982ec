"""`evoact search` and `evoact resume`."""

from typing import Annotated, Optional

import typer

Address = Annotated[
    Optional[str],  # noqa: UP045 - typer reads it at run time
    typer.Option(help="A running Ray cluster: HOST:PORT, or `auto` for the one this machine belongs to."),
]


def search(
    config: Annotated[str, typer.Argument(help="The experiment, a YAML file.")],
    output: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("-o", "--output", help="The run directory, new; default runs/NAME-TIME."),
    ] = None,
    set_: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--set", help="key.path=value: overrides the config; may be repeated."),
    ] = None,
    address: Address = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would cost, and stop.")] = False,
) -> None:
    """Search as an experiment says, into a run directory.

    Example: evoact search configs/quickstart.yaml -o runs/first --set budget.networks=500
    """
    from datetime import datetime

    from evoact.config import load

    made = load(config, set_ or [])
    if dry_run:
        from evoact.cli.estimate import print_estimate

        print_estimate(made)
        return
    from evoact.cli.progress import Display
    from evoact.cli.results import print_finished
    from evoact.execution.run import search as carry_out

    run_dir = output or f"runs/{made.name}-{datetime.now():%Y%m%d-%H%M%S}"
    with Display(made, run_dir) as display:
        finished = carry_out(made, run_dir, address, display.update)
    print_finished(finished)


def resume(
    run_dir: Annotated[str, typer.Argument(help="The directory of an interrupted run.")],
    address: Address = None,
) -> None:
    """Continue an interrupted run; what was trained is not trained again.

    Example: evoact resume runs/first
    """
    from evoact.execution.run import experiment_of, is_finished

    if is_finished(run_dir):
        typer.echo(f"{run_dir} has finished already; see `evoact leaderboard {run_dir}`.")
        return
    from evoact.cli.progress import Display
    from evoact.cli.results import print_finished
    from evoact.execution.run import resume as carry_out

    with Display(experiment_of(run_dir), run_dir) as display:
        finished = carry_out(run_dir, address, display.update)
    print_finished(finished)
