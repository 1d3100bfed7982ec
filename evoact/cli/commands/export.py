"""`evoact export`."""

from pathlib import Path
from typing import Annotated, Optional

import typer

from evoact.cli.options import say


def export(
    run_dir: Annotated[str, typer.Argument(metavar="RUN_DIR", help="The directory of a run, or its URI.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="A new directory.")],
    candidate: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(metavar="N", help="The number of the candidate in the leaderboard; default the winner."),
    ] = None,
    seed: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(metavar="S", help="Which of its fresh seeds; default the one that validates best."),
    ] = None,
    arm: Annotated[str, typer.Option(metavar="NAME", help="The arm, in a comparison.")] = "",
    repeat: Annotated[int, typer.Option(metavar="N", help="The repeat, in a comparison.")] = 0,
) -> None:
    """Write a confirmed network as files that need no evoact: PyTorch source, weights, programs and a README.

    Example: evoact export runs/first -o first_winner
    """
    from evoact.exports.programs import missing_for_onnx
    from evoact.exports.write import export as write

    folder = write(run_dir, output, candidate, seed, arm, repeat)
    for file in sorted(folder.iterdir()):
        say(f"{file.stat().st_size:>12,}  {output / file.name}")
    if missing := missing_for_onnx():
        say(f"No model.onnx, which wants {', '.join(missing)}: pip install 'evoact[export]'")
    say("All of it computes what evoact does on the test split.")
