"""Which rows can matter for the best n candidates: of a million, some thousands.

A mean is at most its greatest value. So, with the n-th best mean among any candidates as a bar, a
candidate whose best single run stays below the bar cannot be among the best n. The candidates of the
best single runs give a high bar at the price of looking at few rows.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from evoact.leaderboard.ask.arrow_numpy import from_numpy
from evoact.leaderboard.ask.ranking import CONFIRMED, SEARCHED, numbers, rank, scored

# Fewer rows are ranked at once.
FEW = 50_000
# How many of the best single runs are looked at to find the bar: at least, and for each of n.
AT_LEAST, PER_CANDIDATE = 500, 20


def contenders(rows: pa.Table, source: np.ndarray, n: int) -> np.ndarray:
    """Return the positions of all rows of the candidates that can be among the best `n`, in order.

    Args:
        rows, source: as `ranking.rank` takes them. It ranks these rows as it would rank all.
    """
    best_runs = max(AT_LEAST, PER_CANDIDATE * n)
    if len(rows) <= max(FEW, 2 * best_runs):
        return np.arange(len(rows))
    known = scored(rows)
    searched, confirm = known.usable & (known.phase == SEARCHED), known.phase == CONFIRMED
    candidate = numbers(rows["candidate"])
    score = np.where(searched, known.score, -np.inf)
    cut = np.partition(score, -best_runs)[-best_runs]
    sample = np.flatnonzero(_of_same_candidate(candidate, score >= cut) & (known.phase == SEARCHED))
    means = rank(pc.take(rows, from_numpy(sample)), source[sample], n).score
    # A little less than the n-th mean, because a mean of equal values may be rounded up.
    bar = means[-1] - 1e-9 * abs(means[-1]) if len(means) == n else -np.inf
    return np.flatnonzero(_of_same_candidate(candidate, (score >= bar) | confirm))


def _of_same_candidate(candidate: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """The rows whose candidate number one of the chosen rows has: in any run, so perhaps too many."""
    wanted = candidate[chosen]
    if len(wanted) and candidate.min() >= 0 and candidate.max() < 4 * len(candidate):
        flags = np.zeros(candidate.max() + 1, dtype=bool)
        flags[wanted] = True
        return flags[candidate]
    return np.isin(candidate, wanted)
