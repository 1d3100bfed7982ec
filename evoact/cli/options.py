"""Parts that several commands share: options, what is printed where, and how a stopped command ends."""

import sys
from enum import StrEnum
from typing import Annotated, Optional

import typer

STOPPED = 130  # what shells say of a command that the keyboard stopped

# Optional[...], because typer reads these at run time.
Output = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("-o", "--output", metavar="RUN_DIR", help="A new run directory; default runs/NAME-TIME."),
]
Overrides = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(
        "--set",
        metavar="KEY.PATH=VALUE",
        help="Overrides the config; may be repeated. A section can be replaced whole: "
        "--set 'network={name: lenet5}'.",
    ),
]
Address = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        metavar="ADDRESS",
        help="A running Ray cluster: HOST:PORT, or `auto` for the cluster of this machine.",
    ),
]
Track = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(
        "--track",
        metavar="NAME",
        help="Show the run in a tracker while it goes on: mlflow, wandb, trackio or tensorboard; may be repeated. "
        "Options of trackers are keys of the config.",
    ),
]
# A candidate of a run.
RunDir = Annotated[str, typer.Argument(metavar="RUN_DIR", help="The directory of a run, or its URI.")]
OneCandidate = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option(metavar="N", help="The number of the candidate in the leaderboard; default the winner."),
]
OneSeed = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option(metavar="S", help="Which of its fresh seeds; default the one that validates best."),
]
Arm = Annotated[str, typer.Option(metavar="NAME", help="The arm, in a comparison.")]
Repeat = Annotated[int, typer.Option(metavar="N", help="The repeat, in a comparison.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Estimate the cost, then stop.")]


class Format(StrEnum):
    """The forms in which a command prints what it knows, if a table is one of two."""

    table = "table"
    json = "json"


def say(text: str, end: str = "\n") -> None:
    """Print to stdout; unlike click's `echo` in the encoding that the terminal has."""
    print(text, end=end, flush=True)


def warn(problem: str) -> None:
    """Print a sentence to stderr, for the user alone: programs read stdout."""
    print(problem, file=sys.stderr, flush=True)
