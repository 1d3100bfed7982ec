"""`evoact export`."""

import json
import os
from typing import Annotated

import typer

from evoact.cli.options import Arm, OneCandidate, OneSeed, Repeat, RunDir, say


def export(
    run_dir: RunDir,
    output: Annotated[str, typer.Option("--output", "-o", metavar="DIR", help="A new directory.")],
    candidate: OneCandidate = None,
    seed: OneSeed = None,
    arm: Arm = "",
    repeat: Repeat = 0,
) -> None:
    """Write a confirmed network as files that need no evoact: PyTorch source, weights, programs and a README.

    Example: evoact export runs/first -o first_winner
    """
    from evoact.exports.load import FACTS
    from evoact.exports.write import NO_PROGRAM, NO_SOURCE
    from evoact.exports.write import export as write

    folder = write(run_dir, output, candidate, seed, arm, repeat)
    for file in sorted(folder.iterdir()):
        say(f"{file.stat().st_size:>12,}  {os.path.join(output, file.name)}")
    facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    for file, reason in {"model.py": facts[NO_SOURCE], **facts[NO_PROGRAM]}.items():
        if reason:
            say(f"No {file}: {reason}")
    say("All of it computes what evoact does on the test split.")
