"""`evoact predict`."""

import sys
import warnings
from typing import Annotated, Optional

import typer

from evoact.cli.options import Arm, OneCandidate, OneSeed, Repeat, warn
from evoact.errors import UserError


def predict(
    directory: Annotated[
        str, typer.Argument(metavar="DIRECTORY", help="Of a run, or one that `evoact export` wrote.")
    ],
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="A table with the columns of the data that was searched on.")
    ],
    output: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--output", "-o", metavar="FILE", help="A new CSV or Parquet file; default CSV to the terminal."
        ),
    ] = None,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Also a column for each class, with its probability.")
    ] = False,
    candidate: OneCandidate = None,
    seed: OneSeed = None,
    arm: Arm = "",
    repeat: Repeat = 0,
) -> None:
    """Predict the rows of a file with a confirmed network: the file with a column `prediction` behind its own.

    Example: evoact predict runs/first new_patients.csv -o predicted.csv
    """
    from evoact.exports.load import load
    from evoact.exports.predictions import predictions
    from evoact.leaderboard.location import Location
    from evoact.tasks.own.table_file import encoded, written_as

    form, place = "csv", None
    if output is not None:
        form, place = written_as(output), Location.of(output)
        if place.exists():
            raise UserError(
                f"expected a new file, got {output!r}, which is there; name another, or delete it"
            )
        place.check_writable()
    network = load(directory, candidate, seed, arm, repeat)
    with warnings.catch_warnings(record=True) as sentences:
        warnings.simplefilter("always", UserWarning)
        table = predictions(network, data, probabilities)
    for sentence in sorted({str(one.message) for one in sentences}):
        warn(sentence)
    content = encoded(table, form)
    if place is not None:
        place.write_output(content)
    else:
        sys.stdout.buffer.write(content)
