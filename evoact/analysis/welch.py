"""The interval of a difference of two means over independent seeds."""

import math
import statistics
from collections.abc import Sequence

FEWEST = 3  # seeds: over fewer no interval says anything


def welch_interval(a: Sequence[float], b: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """Where mean(a) - mean(b) lies at this level of confidence, the two variances being unknown and unequal.

    Student's t with the degrees of freedom of Welch 1947.

    Raises:
        ValueError: if one of them has fewer than two values.

    >>> low, high = welch_interval([1.0, 2.0, 3.0], [4.0, 5.0, 6.0])
    >>> round(low, 2), round(high, 2)
    (-5.27, -0.73)
    """
    from scipy.stats import t

    if min(len(a), len(b)) < 2:
        raise ValueError(f"expected at least two values each, got {len(a)} and {len(b)}")
    gain = statistics.fmean(a) - statistics.fmean(b)
    va, vb = statistics.variance(a) / len(a), statistics.variance(b) / len(b)
    if va + vb == 0:  # all seeds agree
        return gain, gain
    freedom = (va + vb) ** 2 / (va**2 / (len(a) - 1) + vb**2 / (len(b) - 1))
    half = float(t.ppf((1 + level) / 2, freedom)) * math.sqrt(va + vb)
    return gain - half, gain + half
