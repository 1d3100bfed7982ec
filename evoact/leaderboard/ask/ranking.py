"""Which candidates are best: one line per candidate, from the rows of all its training runs."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from evoact.leaderboard.ask.arrow_numpy import to_numpy
from evoact.records import COMPLETED

# What is read of every row; all else is looked up for the few rows that are shown.
COLUMNS = (
    *("run", "arm", "repeat", "candidate", "phase", "rung", "state", "direction"),
    *("val_metric", "test_metric", "test_large_metric"),
)
# A row's phase: before the confirmation, in it, or after it. Candidates rank by the first two.
SEARCHED, CONFIRMED, JUDGED = range(3)
# Metrics compare within these alone.
TASK = ("task", "metric")


@dataclass(frozen=True, slots=True)
class Ranking:
    """Arrays over the ranked candidates, best first.

    `first` is one row of each candidate; `val` the mean validation metric, over `seeds` runs, and
    `score` the same with larger being better; the test means are NaN if nothing was confirmed.
    """

    first: np.ndarray
    score: np.ndarray
    val: np.ndarray
    seeds: np.ndarray
    test: np.ndarray
    test_large: np.ndarray


def by_task(rows: pa.Table) -> list[np.ndarray]:
    """Return the positions of the rows of each task and metric, in the order in which these come first.

    Args:
        rows: a table with the columns `TASK` and `direction`, dictionary-encoded.
    """
    group, _ = _groups([codes(rows[name]).codes for name in (*TASK, "direction")])
    if not len(group) or group.min() == group.max():
        return [np.arange(len(group))]
    numbers, first = np.unique(group, return_index=True)
    return [np.flatnonzero(group == number) for number in numbers[np.argsort(first)]]


def rank(rows: pa.Table, source: np.ndarray, n: int) -> Ranking:
    """Return the best `n` candidates by mean validation metric, the confirmed ones first.

    Only completed rows with a finite metric count, and of each candidate those at its highest rung. What a judged
    candidate is worth on the test splits is what the judgement says, whose seeds did not choose it.
    Ties go to the candidate with more seeds, then to the one that comes first by run, arm, repeat and number. Sums
    are taken in the order of the rows.

    Args:
        rows: a table with `COLUMNS`, their texts dictionary-encoded.
        source: a number for the run that each row is of: equal candidate numbers of two runs are different candidates.
    """
    known = scored(rows)
    usable, score, minimised = known.usable, known.score, known.minimised
    arm = codes(rows["arm"]).codes
    group, n_groups = _groups([source, arm, numbers(rows["repeat"]), numbers(rows["candidate"])])
    rung = numbers(rows["rung"])
    searched, confirmed, judged = (
        _runs(usable & (known.phase == phase), group, rung, n_groups)
        for phase in (SEARCHED, CONFIRMED, JUDGED)
    )
    seeds_confirmed, sums_confirmed = confirmed.count_and_sum(score, n_groups)
    seeds_searched, sums_searched = searched.count_and_sum(score, n_groups)
    is_confirmed = seeds_confirmed > 0
    seeds = np.where(is_confirmed, seeds_confirmed, seeds_searched)
    with np.errstate(invalid="ignore"):
        mean = np.where(is_confirmed, sums_confirmed, sums_searched) / seeds
    best = _best(is_confirmed, mean, seeds, n)

    # The first row of each candidate that counts: written last, so that it is the one that stays.
    first = np.zeros(n_groups, dtype=np.int64)
    for runs in (searched, confirmed):
        first[runs.group[::-1]] = runs.rows[::-1]
    return Ranking(
        first[best],
        mean[best],
        np.where(minimised[first[best]], -mean[best], mean[best]),
        seeds[best],
        *(
            _first_known(
                _mean(numbers(rows[name]), judged, n_groups), _mean(numbers(rows[name]), confirmed, n_groups)
            )[best]
            for name in ("test_metric", "test_large_metric")
        ),
    )


@dataclass(frozen=True, slots=True)
class Scored:
    """Of each row: does it count, its validation metric with larger being better, is its metric minimised, and is it
    `SEARCHED`, `CONFIRMED` or `JUDGED`?"""

    usable: np.ndarray
    score: np.ndarray
    minimised: np.ndarray
    phase: np.ndarray


def scored(rows: pa.Table) -> Scored:
    """Return what a ranking needs to know of each row."""
    value = numbers(rows["val_metric"])
    usable = codes(rows["state"]).equal_to(COMPLETED) & np.isfinite(value)
    minimised = codes(rows["direction"]).equal_to("minimize")
    score = np.where(minimised, -value, value) if minimised.any() else value
    phases = codes(rows["phase"])
    phase = phases.equal_to("confirm") * CONFIRMED + phases.equal_to("judge") * JUDGED
    return Scored(usable, score, minimised, phase)


@dataclass(frozen=True, slots=True)
class Codes:
    """A column of texts as integers into `values`, which are in alphabetical order; null as -1."""

    codes: np.ndarray
    values: list[str | None]

    def equal_to(self, value: str) -> np.ndarray:
        return self.codes == (self.values.index(value) if value in self.values else -2)


def codes(column: pa.ChunkedArray) -> Codes:
    """Return a dictionary-encoded column for numpy."""
    column = column.unify_dictionaries()
    values = column.chunk(0).dictionary.to_pylist() if column.num_chunks else []
    if len(values) == 1 and column.null_count == 0:  # as often: then no array is needed
        return Codes(np.broadcast_to(np.int32(0), len(column)), values)
    indices = to_numpy(pa.chunked_array([chunk.indices for chunk in column.chunks], pa.int32()), -1)
    ordered = sorted(values, key=str)
    if values != ordered:  # a dictionary lists them as they came
        indices = np.array([*map(ordered.index, values), -1], dtype=np.int32)[indices]
    return Codes(indices, ordered)


def numbers(column: pa.ChunkedArray) -> np.ndarray:
    """Return a numeric column, null as NaN or 0."""
    return to_numpy(column, float("nan") if column.type == pa.float64() else 0)


def _groups(keys: list[np.ndarray]) -> tuple[np.ndarray, int]:
    """Numbers rows so that equal keys get equal numbers below the returned bound."""
    code = np.zeros(len(keys[0]), dtype=np.int64)
    for key in keys:
        low, high = (int(key.min()), int(key.max())) if len(key) else (0, 0)
        if low == high:
            continue
        code = code * (high - low + 1) + (key - low)
        # Compressed if the numbers would leave gaps: arrays of that length are made below.
        if int(code.max()) > 4 * len(code) + 1000:
            code = np.unique(code, return_inverse=True)[1]
    return code, int(code.max()) + 1 if len(code) else 0


@dataclass(frozen=True, slots=True)
class _Runs:
    """Some rows, and the group of each."""

    rows: np.ndarray
    group: np.ndarray

    def count_and_sum(self, values: np.ndarray, n_groups: int) -> tuple[np.ndarray, np.ndarray]:
        counts = np.bincount(self.group, minlength=n_groups)
        return counts, np.bincount(self.group, values[self.rows], n_groups)


def _runs(chosen: np.ndarray, group: np.ndarray, rung: np.ndarray, n_groups: int) -> _Runs:
    """The chosen rows, without those from before a candidate's last promotion."""
    rows = np.flatnonzero(chosen)
    if rung.any():
        highest = np.zeros(n_groups, dtype=rung.dtype)
        np.maximum.at(highest, group[rows], rung[rows])
        rows = rows[rung[rows] == highest[group[rows]]]
    return _Runs(rows, group[rows])


def _best(confirmed: np.ndarray, mean: np.ndarray, seeds: np.ndarray, n: int) -> np.ndarray:
    """The groups in order of rank: all the sorting is done on no more than about n of them."""
    chosen: list[np.ndarray] = []
    for among in (np.flatnonzero(confirmed), np.flatnonzero(~confirmed & (seeds > 0))):
        wanted = n - sum(map(len, chosen))
        if wanted <= 0:
            break
        if len(among) > wanted:
            threshold = np.partition(mean[among], len(among) - wanted)[len(among) - wanted]
            among = among[mean[among] >= threshold]
        order = np.lexsort((among, -seeds[among], -mean[among]))
        chosen.append(among[order][:wanted])
    return np.concatenate(chosen) if chosen else np.zeros(0, dtype=np.int64)


def _first_known(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(values), others, values)


def _mean(values: np.ndarray, runs: _Runs, n_groups: int) -> np.ndarray:
    """The mean per group of the values there are, NaN if there are none."""
    usable = np.isfinite(values[runs.rows])
    counts, sums = _Runs(runs.rows[usable], runs.group[usable]).count_and_sum(values, n_groups)
    with np.errstate(invalid="ignore"):
        return sums / counts
