"""Reads what a search begins with from earlier runs, once: the resolved config says it from then on."""

import os
from collections.abc import Callable
from glob import glob
from itertools import zip_longest

from evoact.config import Experiment
from evoact.errors import UserError
from evoact.genomes.genome import Genome, from_json, to_json
from evoact.leaderboard.ask.query import Leaderboard
from evoact.leaderboard.run_files import CONFIG
from evoact.leaderboard.schema import result as from_row
from evoact.strategies.proposers.warm_start import best_of, fitting


def warmed(made: Experiment, report: Callable[[str], None]) -> Experiment:
    """Return the experiment with the genomes of its warm start in it, so that it can be repeated without the earlier
    run.

    Args:
        report: called with a sentence about what the space does not offer, about damaged parts, and of several runs
            about those that do not fit or cannot be read.

    Raises:
        UserError: if there is no such run, or nothing of any fits the space.
    """
    warm = made.config.warm_start
    if warm is None or warm.genomes is not None:
        return made
    given = [warm.run] if isinstance(warm.run, str) else warm.run
    runs = [run for place in given for run in _runs(place)]
    found: list[list[Genome]] = []
    for run in runs:
        try:
            best = _best(made, run, warm.candidates, report)
        except UserError as error:
            if len(runs) == 1:
                raise
            report(f"left out of the warm start: {error}")
        else:
            found.append(best)
    if not found:
        raise UserError(
            f"expected a warm start from runs that fit this search, got none of {', '.join(map(str, runs))}"
        )
    # The best of each run first, then the second of each: scores of other tasks do not compare.
    turns = [genome for turn in zip_longest(*found) for genome in turn if genome is not None]
    genomes = list(dict.fromkeys(turns))[: warm.candidates]
    settled = warm.model_copy(update={"genomes": [to_json(genome) for genome in genomes]})
    return made.with_config(warm_start=settled)


def _runs(place: str) -> list[str]:
    """The runs that a place or a pattern such as `runs/*` means, in order of their names; other folders that a pattern
    finds are none.

    Raises:
        UserError: if a pattern finds none.
    """
    if "://" in place or not any(mark in place for mark in "*?[") or os.path.exists(place):
        return [place]
    found = sorted(folder for folder in glob(place) if os.path.exists(os.path.join(folder, CONFIG)))
    if not found:
        raise UserError(f"expected runs at {place}, got none; give the folders that searches wrote")
    return found


def _best(made: Experiment, run: str, candidates: int, report: Callable[[str], None]) -> list[Genome]:
    """The best genomes of a run, of which at least one fits the space."""
    board = Leaderboard(run, report=report)
    rows = [row for row in board.to_arrow().to_pylist() if row["phase"] != "baseline"]
    found = best_of(map(from_row, rows), candidates)
    try:
        _, ignored = fitting(made.space, found, made.seed)
    except UserError as error:
        raise UserError(f"{run}: {error}") from None
    if ignored:
        report(f"{run}: not in this search space, so ignored: {', '.join(ignored)}")
    return found


def warm_genomes(made: Experiment) -> tuple[Genome, ...]:
    """Return what the search begins with, in its space; nothing without a warm start."""
    warm = made.config.warm_start
    if warm is None:
        return ()
    return fitting(made.space, [from_json(data) for data in warm.genomes or ()], made.seed)[0]
