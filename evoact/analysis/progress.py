"""The course of a search over its budget: the best validation metric so far, the median of what is tried, failures.

The best of many noisy values is too good: these curves show how searches progress, not what their winners are worth.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from evoact.records import COMPLETED, FRESH

POINTS = 60
SPANS = 15  # of the budget, over which networks are counted


@dataclass(frozen=True)
class Progress:
    """Over the repeats of an arm: `budget` [points] in gradient-examples, the `best` so far [points], their mean, and
    the band that holds the middle 80 % of the repeats, `low` and `high`; with fewer than three repeats these are the
    extremes. `edges` [spans + 1] cut the budget into equal parts: of the networks that ended in each, all repeats
    together, `median` [spans] is that of the metric (NaN without any), `tried` and `failed` [spans] count them.
    """

    arm: str
    repeats: int
    budget: np.ndarray
    best: np.ndarray
    low: np.ndarray
    high: np.ndarray
    edges: np.ndarray
    median: np.ndarray
    tried: np.ndarray
    failed: np.ndarray


def progress(rows: pd.DataFrame, maximize: bool, points: int = POINTS, spans: int = SPANS) -> list[Progress]:
    """Return the course of each arm, in the order in which arms come.

    Args:
        rows: of one run's leaderboard; those of the confirmation are left aside
        maximize: whether a larger metric is better
        points: of each curve
        spans: the parts of the budget

    >>> rows = pd.DataFrame({"arm": "", "repeat": 0, "phase": "search", "proposal": [0, 1, 2, 3],
    ...     "state": ["completed", "completed", "diverged", "completed"],
    ...     "val_metric": [0.3, 0.2, float("nan"), 0.4], "gradient_examples": 10})
    >>> [found] = progress(rows, True, points=4, spans=2)
    >>> found.best.tolist(), found.median.tolist(), found.failed.tolist()
    ([0.3, 0.3, 0.3, 0.4], [0.25, 0.4], [0, 1])
    """
    searched = rows[~rows["phase"].isin(FRESH)].sort_values("proposal", kind="stable")
    found = []
    for arm, own in searched.groupby("arm", sort=False):
        spent = own.groupby("repeat")["gradient_examples"].cumsum().to_numpy(dtype=float)
        values = own["val_metric"].where(own["state"] == COMPLETED).to_numpy(dtype=float)
        repeats = [own["repeat"].to_numpy() == repeat for repeat in own["repeat"].unique()]
        curves = [_cumulative(spent[mine], values[mine], maximize) for mine in repeats]
        curves = [(budget, best) for budget, best in curves if len(budget)]
        if not curves:
            continue
        first, last = max(budget[0] for budget, _ in curves), max(budget[-1] for budget, _ in curves)
        grid = np.linspace(first, last, points)
        best = np.array([best[np.searchsorted(at, grid, side="right") - 1] for at, best in curves])
        low, high = np.quantile(best, [0.1, 0.9] if len(curves) > 2 else [0, 1], axis=0)
        edges = np.linspace(0.0, spent.max(), spans + 1)
        counts = _by_span(spent, values, own["state"].to_numpy() != COMPLETED, edges)
        found.append(Progress(str(arm), len(curves), grid, best.mean(axis=0), low, high, edges, *counts))
    return found


def _cumulative(spent: np.ndarray, values: np.ndarray, maximize: bool) -> tuple[np.ndarray, np.ndarray]:
    """Gradient-examples spent and best metric after each network, from the first that has one."""
    best = np.fmax.accumulate(values) if maximize else np.fmin.accumulate(values)
    known = np.isfinite(best)
    return spent[known], best[known]


def _by_span(
    spent: np.ndarray, values: np.ndarray, lost: np.ndarray, edges: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of the networks that ended in each part: the median of the metric, how many there are, and how many failed."""
    span = np.searchsorted(edges[1:-1], spent, side="left")
    spans, known = len(edges) - 1, np.isfinite(values)
    tried = np.bincount(span, minlength=spans)
    failed = np.bincount(span[lost], minlength=spans)
    medians = [np.median(own) if len(own := values[known & (span == i)]) else np.nan for i in range(spans)]
    return np.array(medians), tried, failed
