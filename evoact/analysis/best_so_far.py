"""The progress of a search: the best validation metric so far, against the budget spent.

The best of many noisy values is too good: these curves show how searches progress, not what their winners are worth.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from evoact.records import COMPLETED, FRESH

POINTS = 60


@dataclass(frozen=True)
class BestSoFar:
    """Over the repeats of an arm: `budget` [points] in gradient-examples, `mean` [points], and the band that holds
    the middle 80 % of the repeats, `low` and `high`; with fewer than three repeats these are the extremes."""

    arm: str
    repeats: int
    budget: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


def best_so_far(rows: pd.DataFrame, maximize: bool, points: int = POINTS) -> list[BestSoFar]:
    """Return one curve for each arm, in the order in which arms come.

    Args:
        rows: of one run's leaderboard; those of the confirmation are left aside
        maximize: whether a larger metric is better
        points: of each curve

    >>> rows = pd.DataFrame({"arm": "", "repeat": 0, "phase": "search", "state": "completed", "proposal": [0, 1, 2],
    ...     "val_metric": [0.3, 0.2, 0.4], "gradient_examples": 10})
    >>> best_so_far(rows, True, points=3)[0].mean.tolist()
    [0.3, 0.3, 0.4]
    """
    searched = rows[~rows["phase"].isin(FRESH)]
    curves = []
    for arm, own in searched.groupby("arm", sort=False):
        found = [_cumulative(part, maximize) for _, part in own.groupby("repeat")]
        found = [(spent, best) for spent, best in found if len(spent)]
        if not found:
            continue
        first, last = max(spent[0] for spent, _ in found), max(spent[-1] for spent, _ in found)
        grid = np.linspace(first, last, points)
        values = np.array([best[np.searchsorted(spent, grid, side="right") - 1] for spent, best in found])
        low, high = np.quantile(values, [0.1, 0.9] if len(found) > 2 else [0, 1], axis=0)
        curves.append(BestSoFar(str(arm), len(found), grid, values.mean(axis=0), low, high))
    return curves


def _cumulative(rows: pd.DataFrame, maximize: bool) -> tuple[np.ndarray, np.ndarray]:
    """Gradient-examples spent and best metric after each network, from the first that has one."""
    rows = rows.sort_values("proposal")
    spent = np.cumsum(rows["gradient_examples"].to_numpy(dtype=float))
    values = rows["val_metric"].where(rows["state"] == COMPLETED).to_numpy(dtype=float)
    best = np.fmax.accumulate(values) if maximize else np.fmin.accumulate(values)
    known = np.isfinite(best)
    return spent[known], best[known]
