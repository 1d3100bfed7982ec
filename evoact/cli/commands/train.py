"""`evoact train`."""

from typing import Annotated, Optional

import typer

from evoact.cli.options import Arm, OneCandidate, OneSeed, Repeat, RunDir, say
from evoact.errors import counted


def train(
    run_dir: RunDir,
    candidate: OneCandidate = None,
    seed: OneSeed = None,
    overrides: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--set", metavar="training.KEY=VALUE", help="Overrides the training; may be repeated."),
    ] = None,
    all_data: Annotated[
        bool,
        typer.Option("--all-data", help="Train on the validation split, too; the test split stays apart."),
    ] = False,
    output: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("-o", "--output", metavar="DIR", help="A new directory; default runs/NAME-N-TIME."),
    ] = None,
    arm: Arm = "",
    repeat: Repeat = 0,
) -> None:
    """Train a confirmed candidate again, longer or on all data, and export the network.

    Example: evoact train runs/first --candidate 12 --set training.steps=5000 -o twelve

    Example: evoact train runs/first --all-data -o final
    """
    from evoact.api.search import run_directory
    from evoact.exports import again

    planned = again.plan(run_dir, candidate, seed, overrides or (), all_data, arm, repeat)
    row, seconds = planned.found.rows[0], planned.about_seconds
    about = f", about {seconds:.0f} s" if seconds else ""
    say(
        f"Training candidate {row['candidate']} on seed {row['seed']} for {counted(planned.steps, 'step')}{about}."
    )
    where = output or run_directory(f"{planned.experiment.name}-{row['candidate']}")
    folder = again.train(planned, where)
    say((folder / "README.md").read_text(encoding="utf-8").split("## Load it")[0].strip())
    say(f"\n{where}")
