"""Which candidates are best: one line per candidate, from the rows of all its training runs."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from evoact.records import COMPLETED

# What is read of every row; all else is looked up for the few rows that are shown.
COLUMNS = (
    *("run", "arm", "repeat", "candidate", "phase", "rung", "state", "direction"),
    *("val_metric", "test_metric", "test_large_metric"),
)


@dataclass(frozen=True, slots=True)
class Ranking:
    """Arrays over the ranked candidates, best first.

    `first` is one row of each candidate; `val` the mean validation metric, over `seeds` runs; the
    test means are NaN where nothing was confirmed.
    """

    first: np.ndarray
    val: np.ndarray
    seeds: np.ndarray
    test: np.ndarray
    test_large: np.ndarray
    confirmed: np.ndarray


def rank(rows: pa.Table, source: np.ndarray, n: int) -> Ranking:
    """The best `n` candidates by mean validation metric, the confirmed ones first.

    Only completed rows with a finite metric count, and of each candidate those at its highest rung.
    Ties go to the candidate with more seeds, then to the one that comes first.

    Args:
        rows: a table with `COLUMNS`, their texts dictionary-encoded.
        source: the run directory that each row comes from: equal numbers there are different candidates.
    """
    columns = {name: _codes(rows[name]) for name in ("run", "arm", "phase", "state", "direction")}
    numbers = {name: _numbers(rows[name]) for name in COLUMNS if name not in columns}
    value = numbers["val_metric"]
    usable = columns["state"].equal_to(COMPLETED) & np.isfinite(value)
    score = np.where(columns["direction"].equal_to("minimize"), -value, value)
    confirm = columns["phase"].equal_to("confirm")
    group, n_groups = _groups(
        [source, columns["run"].codes, columns["arm"].codes, numbers["repeat"], numbers["candidate"]]
    )
    confirm_rows = _at_highest_rung(usable & confirm, group, numbers["rung"], n_groups)
    search_rows = _at_highest_rung(usable & ~confirm, group, numbers["rung"], n_groups)

    confirmed = np.bincount(group[confirm_rows], minlength=n_groups)
    searched = np.bincount(group[search_rows], minlength=n_groups)
    is_confirmed = confirmed > 0
    seeds = np.where(is_confirmed, confirmed, searched)
    sums = np.where(
        is_confirmed,
        np.bincount(group[confirm_rows], score[confirm_rows], n_groups),
        np.bincount(group[search_rows], score[search_rows], n_groups),
    )
    with np.errstate(invalid="ignore"):
        mean = sums / seeds
    best = _best(is_confirmed, mean, seeds, n)

    # The first row of each candidate that counts: written last, so that it is the one that stays.
    first = np.zeros(n_groups, dtype=np.int64)
    for chosen in (search_rows, confirm_rows):
        first[group[chosen][::-1]] = chosen[::-1]
    sign = np.where(columns["direction"].equal_to("minimize")[first[best]], -1.0, 1.0)
    return Ranking(
        first[best],
        mean[best] * sign,
        seeds[best],
        _mean(numbers["test_metric"], confirm_rows, group, n_groups)[best],
        _mean(numbers["test_large_metric"], confirm_rows, group, n_groups)[best],
        is_confirmed[best],
    )


@dataclass(frozen=True, slots=True)
class _Codes:
    codes: np.ndarray
    values: list[str | None]

    def equal_to(self, value: str) -> np.ndarray:
        return self.codes == (self.values.index(value) if value in self.values else -2)


def _codes(column: pa.ChunkedArray) -> _Codes:
    """A column of texts as integers into its values, null as -1."""
    if len(column) == 0:
        return _Codes(np.zeros(0, dtype=np.int64), [])
    array = column.unify_dictionaries().combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0)
    return _Codes(array.indices.fill_null(-1).to_numpy(zero_copy_only=False), array.dictionary.to_pylist())


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    """A numeric column, null as NaN or 0."""
    missing = float("nan") if pa.types.is_floating(column.type) else 0
    values: np.ndarray = column.fill_null(missing).to_numpy()
    return values


def _groups(keys: list[np.ndarray]) -> tuple[np.ndarray, int]:
    """Numbers rows so that equal keys get equal numbers below the returned bound."""
    code = np.zeros(len(keys[0]), dtype=np.int64)
    for key in keys:
        low, high = (int(key.min()), int(key.max())) if len(key) else (0, 0)
        if low == high:
            continue
        code = code * (high - low + 1) + (key - low)
        # Compressed where the numbers would leave gaps: arrays of that length are made below.
        if int(code.max()) > 4 * len(code) + 1000:
            code = np.unique(code, return_inverse=True)[1]
    return code, int(code.max()) + 1 if len(code) else 0


def _at_highest_rung(chosen: np.ndarray, group: np.ndarray, rung: np.ndarray, n_groups: int) -> np.ndarray:
    """The indices of the chosen rows, without those of a candidate that was promoted since."""
    rows = np.flatnonzero(chosen)
    if not rung.any():
        return rows
    highest = np.zeros(n_groups, dtype=rung.dtype)
    np.maximum.at(highest, group[rows], rung[rows])
    return rows[rung[rows] == highest[group[rows]]]


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


def _mean(values: np.ndarray, rows: np.ndarray, group: np.ndarray, n_groups: int) -> np.ndarray:
    rows = rows[np.isfinite(values[rows])]
    with np.errstate(invalid="ignore"):
        return np.bincount(group[rows], values[rows], n_groups) / np.bincount(group[rows], minlength=n_groups)
