"""`evoact show`."""

from typing import Annotated, Optional

import typer

from evoact.cli.options import say


def show(
    run_dir: Annotated[str, typer.Argument(metavar="RUN_DIR", help="The directory of a run, or its URI.")],
    candidate: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(metavar="N", help="The number of the candidate in the leaderboard; default the winner."),
    ] = None,
    arm: Annotated[str, typer.Option(metavar="NAME", help="The arm, in a comparison.")] = "",
    repeat: Annotated[int, typer.Option(metavar="N", help="The repeat, in a comparison.")] = 0,
) -> None:
    """Show one confirmed candidate: its activations, its figures by seed, and what its types learned.

    Example: evoact show runs/first --candidate 12
    """
    from evoact.exports.load import load
    from evoact.exports.shown import shown

    for line in shown(load(run_dir, candidate, "all", arm, repeat)):
        say(line)
