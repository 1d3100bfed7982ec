"""Reads what a search begins with from earlier runs, once: the resolved config says it from then on."""

import os
from collections.abc import Callable
from glob import glob

from evoact.config import Experiment
from evoact.errors import UserError
from evoact.genomes.genome import Genome, from_json, to_json
from evoact.leaderboard.ask.query import Leaderboard
from evoact.leaderboard.run_files import CONFIG
from evoact.leaderboard.schema import result as from_row
from evoact.strategies.archive import Archive
from evoact.strategies.proposers.warm_start import best_of, fitting, in_turns
from evoact.strategies.surrogate.surrogate import surrogate


def warmed(made: Experiment, report: Callable[[str], None]) -> Experiment:
    """Return the experiment with the genomes of its warm start in it, and with what the surrogates of the earlier runs
    have learnt, so that it can be repeated without these.

    Args:
        report: called with a sentence about what the space does not offer, about damaged parts, and of several runs
            about those of which nothing fits or that cannot be read.

    Raises:
        UserError: if there is no such run, or nothing of any fits the space.
    """
    warm = made.config.warm_start
    if warm is None or warm.genomes is not None:
        return made
    given = [warm.run] if isinstance(warm.run, str) else warm.run
    runs = [run for place in given for run in _runs(place)]
    found: list[list[Genome]] = []
    surrogates: list[list[float]] = []
    for run in runs:
        try:
            best, learnt = _learnt(made, run, warm.candidates, len(runs) == 1, report)
        except UserError as error:
            if len(runs) == 1:
                raise
            report(f"left out of the warm start: {error}")
        else:
            found.append(best)
            surrogates += learnt
    if not any(found):
        raise UserError(
            f"expected a warm start from runs that fit this search, got none of {', '.join(map(str, runs))}"
        )
    genomes = in_turns(found, warm.candidates)
    update = {"genomes": [to_json(genome) for genome in genomes], "surrogates": surrogates}
    settled = warm.model_copy(update=update)
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


def _learnt(
    made: Experiment, run: str, candidates: int, alone: bool, report: Callable[[str], None]
) -> tuple[list[Genome], list[list[float]]]:
    """The best genomes of a run, if at least one fits the space, and the hyperparameters of its surrogate, if there
    was enough to learn from.

    Raises:
        UserError: if there is neither, or no genome of a run that is `alone`.
    """
    results = [from_row(row) for row in Leaderboard(run, report=report).to_arrow().to_pylist()]
    found = best_of((r for r in results if r.proposal.phase != "baseline"), candidates)
    model = surrogate(Archive.of(results))
    learnt = [] if model is None else [list(model.hyperparameters())]
    try:
        _, ignored = fitting(made.space, found, made.seed)
    except UserError as error:
        if alone or not learnt:
            raise UserError(f"{run}: {error}") from None
        report(f"{run}: only what its surrogate has learnt is made use of: {error}")
        return [], learnt
    if ignored:
        report(f"{run}: not in this search space, so ignored: {', '.join(ignored)}")
    return found, learnt


def warm_genomes(made: Experiment) -> tuple[Genome, ...]:
    """Return what the search begins with, in its space; nothing without a warm start."""
    warm = made.config.warm_start
    if warm is None:
        return ()
    return fitting(made.space, [from_json(data) for data in warm.genomes or ()], made.seed)[0]


def warm_surrogates(made: Experiment) -> list[list[float]]:
    """Return the hyperparameters of the surrogates of the runs that the search begins with."""
    warm = made.config.warm_start
    return [] if warm is None else warm.surrogates or []
