"""Columns that should perhaps not be learned from: they number the rows, or give the target away."""

from collections.abc import Mapping

import numpy as np

from evoact.seeding import generator

ROWS = 5000  # that are looked at
FEWEST = 30  # below these chance alone predicts well
FIRST = 100  # rows of a column that mostly tell already that it is not all alike
BINS = 64  # of equal numbers of rows, for columns with more values
TELLING = 0.98  # of what the best constant prediction leaves


def suspicions(columns: Mapping[str, np.ndarray], targets: np.ndarray) -> list[str]:
    """Return a sentence for each column that alone predicts the target.

    Args:
        columns: float64 with NaN, or texts with None, [n] each
        targets: classes, integers [n], or values [n, outputs]

    >>> y = np.arange(200) % 2
    >>> suspicions({"same": 1.0 - y, "other": np.arange(200) // 2 % 2.0}, y)  # doctest: +ELLIPSIS
    ["column 'same' alone predicts the target (100 % of what a constant prediction leaves); if it ..."]
    """
    found: list[str] = []
    if len(targets) < FEWEST:
        return found
    rows = generator("suspicions", 0).permutation(len(targets))[:ROWS]
    for name, values in columns.items():
        told = strength(values[rows], targets[rows])
        if told >= TELLING:
            found.append(
                f"column {name!r} alone predicts the target ({100 * told:.0f} % of what a constant prediction leaves); "
                "if it is not known before the target is, add it to task.drop"
            )
    return found


def numbers_rows(values: np.ndarray) -> bool:
    """Return whether a column counts its rows.

    >>> numbers_rows(np.array([3.0, 4.0, 5.0])), numbers_rows(np.array([3.0, 5.0, 4.0]))
    (True, False)
    """
    parts = values[:FIRST], values
    return len(values) > 2 and all(bool((np.diff(part) == 1).all()) for part in parts)


def strength(values: np.ndarray, targets: np.ndarray) -> float:
    """Return how much of what the best constant prediction leaves one column predicts, on the half of the rows that it
    was not learned on: errors of classes, or squared errors; 0 if it predicts nothing.

    It is learned as a table from the column's values, or their bins, to the most frequent class or the mean.
    """
    half = len(targets) // 2
    bins = _bins(values, half)
    known, new = bins[:half], bins[half:]
    n_bins = int(bins.max()) + 1
    if targets.dtype.kind in "iu":
        classes = targets.reshape(-1)
        n = int(classes.max()) + 1
        counts = np.bincount(known * n + classes[:half], minlength=n_bins * n).reshape(n_bins, n)
        right = (counts.argmax(axis=1)[new] == classes[half:]).mean()
        constant = (counts.sum(axis=0).argmax() == classes[half:]).mean()
        return max(0.0, float((right - constant) / (1 - constant))) if constant < 1 else 0.0
    worst = 1.0
    for y in targets.reshape(len(targets), -1).T:
        counts = np.bincount(known, minlength=n_bins)
        sums = np.bincount(known, y[:half], minlength=n_bins)
        said = np.where(counts > 0, sums / np.maximum(counts, 1), y[:half].mean())[new]
        left = np.square(y[half:] - y[:half].mean()).sum()
        worst = min(worst, 1 - float(np.square(y[half:] - said).sum() / left) if left > 0 else 0.0)
    return max(0.0, worst)


def _bins(values: np.ndarray, half: int) -> np.ndarray:
    """The number of each value's bin, 0 for what is missing."""
    if values.dtype.kind == "O":
        place = {value: i for i, value in enumerate(dict.fromkeys(values.tolist()))}
        return np.array([place[value] for value in values.tolist()])
    edges = np.unique(values[:half][~np.isnan(values[:half])])
    if len(edges) > BINS:
        edges = np.unique(np.quantile(edges, np.linspace(0, 1, BINS + 1)))
    return np.where(np.isnan(values), 0, np.searchsorted(edges, values, side="right") + 1)
