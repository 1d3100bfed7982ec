"""`evoact union`."""

from typing import Annotated

import typer

from evoact.cli.options import say, warn
from evoact.errors import counted


def union(
    run_dirs: Annotated[
        list[str], typer.Argument(metavar="RUN_DIR...", help="The directories of searches, or URIs.")
    ],
    output: Annotated[str, typer.Option("-o", "--output", metavar="RUN_DIR", help="A new run directory.")],
) -> None:
    """Unite the leaderboards of searches on isolated machines: each candidate once, conflicts named.

    Example: evoact union runs/left runs/right -o runs/both
    """
    import shlex

    from evoact.leaderboard.union import union as unite

    found = unite(run_dirs, output, warn)
    twice = f"; {counted(found.twice, 'row was', 'rows were')} there more than once" if found.twice else ""
    conflicts = f", {found.conflicts:,} of them with another result" if found.conflicts else ""
    say(f"{counted(found.rows, 'row')} of {counted(found.candidates, 'candidate')}{twice}{conflicts}.")
    say(f"  evoact leaderboard {shlex.quote(output)}")
    say(f"  warm_start: {output}    in the config of the next search")
