"""Reads what a search begins with from an earlier run, once: the resolved config says it from then on."""

from collections.abc import Callable

from evoact.config import Experiment
from evoact.errors import UserError
from evoact.genomes.genome import Genome, from_json, to_json
from evoact.leaderboard.ask.query import Leaderboard
from evoact.leaderboard.schema import result as from_row
from evoact.strategies.proposers.warm_start import best_of, fitting


def warmed(made: Experiment, report: Callable[[str], None]) -> Experiment:
    """Return the experiment with the genomes of its warm start in it, so that it can be repeated without the earlier
    run.

    Args:
        report: called with a sentence about what the space does not offer, and about damaged parts.

    Raises:
        UserError: if there is no such run, or nothing of it fits the space.
    """
    warm = made.config.warm_start
    if warm is None or warm.genomes is not None:
        return made
    board = Leaderboard(warm.run, report=report)
    rows = [row for row in board.to_arrow().to_pylist() if row["phase"] != "baseline"]
    found = best_of(map(from_row, rows), warm.candidates)
    try:
        _, ignored = fitting(made.space, found, made.seed)
    except UserError as error:
        raise UserError(f"{warm.run}: {error}") from None
    if ignored:
        report(f"{warm.run}: not in this search space, so ignored: {', '.join(ignored)}")
    settled = warm.model_copy(update={"genomes": [to_json(genome) for genome in found]})
    return made.with_config(warm_start=settled)


def warm_genomes(made: Experiment) -> tuple[Genome, ...]:
    """Return what the search begins with, in its space; nothing without a warm start."""
    warm = made.config.warm_start
    if warm is None:
        return ()
    return fitting(made.space, [from_json(data) for data in warm.genomes or ()], made.seed)[0]
