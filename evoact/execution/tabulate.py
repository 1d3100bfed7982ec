"""Tables of whole spaces: every network trained once and for all, then searched at no cost.

`tabulate` is a run like any other, of the strategy `enumerate`: it is interrupted and resumed, on Ray or not,
and its leaderboard is brought into one file at the end.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from evoact.config import Experiment, Plan, experiment
from evoact.config.stored_plan import plan_of
from evoact.errors import UserError
from evoact.execution.precision import as_stored
from evoact.execution.progress import Observer
from evoact.execution.run import resume, search
from evoact.leaderboard.ask.query import Leaderboard
from evoact.leaderboard.location import Location
from evoact.leaderboard.run_files import CONFIG, config_of, is_finished
from evoact.leaderboard.table_file import write_table

MOST_NETWORKS = 1_000_000


@dataclass(frozen=True)
class Tabulated:
    """The result of a tabulation: its run, its file with so many rows, and whether all are there."""

    run_dir: str
    file: str
    rows: int
    complete: bool


def split_seeds(seeds: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the first half of the seeds for searches, the second half for the truth.

    >>> split_seeds(6)
    ((0, 1, 2), (3, 4, 5))
    """
    if seeds < 2 or seeds % 2:
        raise UserError(
            f"expected an even number of seeds, half for searches and half for the truth, got {seeds}"
        )
    return tuple(range(seeds // 2)), tuple(range(seeds // 2, seeds))


def tabulation(made: Experiment, seeds: int) -> Experiment:
    """Return the experiment that trains each network of the space on so many seeds and tests all of them.

    Search and truth seeds alternate, so that an unfinished table has as many of both.

    Raises:
        UserError: for a space that is too large.
    """
    for_search, for_truth = split_seeds(seeds)
    networks = made.space.size() * seeds
    if networks > MOST_NETWORKS:
        raise UserError(
            f"expected a space of at most {MOST_NETWORKS // seeds:,} genomes on {seeds} seeds, got "
            f"{made.space.size():.3g}; narrow its functions, learning rates or blocks, or search it without a table"
        )
    order = list(chain.from_iterable(zip(for_search, for_truth, strict=True)))
    data = made.plain() | {
        "strategy": {"name": "enumerate", "every": True, "seeds": order},
        "budget": {"networks": networks},
        "baselines": {"replicates": 0},
        "confirm": {"candidates": 0},
        "replicates": max(seeds, made.config.replicates),
        "test_splits": "all",
        "warm_start": None,
    }
    return experiment(data)


def tabulate(
    made: Experiment,
    run_dir: str | Path,
    file: str | Path,
    seeds: int = 20,
    address: str | None = None,
    observe: Observer | None = None,
    report: Callable[[str], None] = warnings.warn,
) -> Tabulated:
    """Train what is missing of a table, and write it; a stopped tabulation writes what it has.

    Args:
        made: whose space, task, network and training to tabulate; its strategy and budget do not matter.
        run_dir: a new directory, or that of the same tabulation before, which is continued.
        file: the table, a Parquet file.
        seeds: an even number; the first half is for searches, the second for the truth.
        report: called with a sentence about each damaged part, and with those of `search`.

    Raises:
        UserError: if the space is too large, the directory holds another run, or the table cannot be written.
        SearchFailed: if not one network could be trained.
    """
    whole = tabulation(made, seeds)
    Location.of(file).check_writable()
    complete = True
    home = Location.of(run_dir)
    if not home.child(CONFIG).exists():
        complete = search(whole, run_dir, address, observe, report).complete
    elif _trains(plan_of(home).first) != _trains(_as_run(whole, home)):
        raise UserError(
            f"expected a new run directory or one of this tabulation, got {str(run_dir)!r}, which holds a run of "
            "another config; choose another with -o"
        )
    elif not is_finished(home):
        complete = resume(run_dir, address, observe, report).complete
    board = Leaderboard(run_dir, report=report)
    rows = write_table(board.to_arrow(), file, _about(_as_run(whole, home), seeds), board.curves())
    return Tabulated(str(run_dir), str(file), rows, complete)


def _as_run(made: Experiment, home: Location) -> Experiment:
    """Return the experiment in the precision in which a run of it trained, if it left that to be chosen."""
    return as_stored(Plan.of(made), config_of(home)).first


def _trains(made: Experiment) -> dict[str, Any]:
    """A config less what changes no result."""
    return made.config.model_dump(exclude={"packs", "execution"})


def _about(whole: Experiment, seeds: int) -> dict[str, Any]:
    for_search, for_truth = split_seeds(seeds)
    return {
        "config": whole.config.model_dump(mode="json", exclude_none=True),
        "steps": whole.steps,
        "checkpoints": sorted(set(whole.config.training.curve_at or ())),
        "metric": whole.task.metric,
        "direction": whole.task.direction,
        "search_seeds": for_search,
        "truth_seeds": for_truth,
    }
