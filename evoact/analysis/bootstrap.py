"""Bootstrap intervals: of a mean, and of a mean of means whose lower levels are resampled, too.

A comparison's figures have three levels: repeats of the whole search, in each the fresh seeds of the winner's
confirmation, and the test examples, which all networks share. `resampled_means` draws repeats, then seeds
within each drawn repeat, then examples, the same for all arms, so that differences of its rows are those of
paired arms. `bca_interval` makes of such a distribution the bias-corrected and accelerated interval (Efron
1987), its acceleration from the repeats, which are the units of the comparison.
"""

from collections.abc import Sequence

import numpy as np

RESAMPLES = 4999
BLOCKS = 500  # test examples are resampled in so many blocks, which is as exact and as much faster

# One array for each repeat: [seeds, blocks], the scores in blocks of test examples, as `blocks` makes them.
Scores = Sequence[np.ndarray]


def blocks(scores: np.ndarray, most: int = BLOCKS) -> np.ndarray:
    """Return scores [..., examples] in about equal blocks of consecutive examples: [..., blocks], whose mean is theirs.

    A block weighs as many examples as it holds: instead of its mean x_b it has m + n_b B / n (x_b - m), with m the mean
    of all n examples, n_b of them in it, and B blocks. Resampled means of these are the linearised ratios of
    resampled sums to resampled sizes (Cochran 1977, section 6.3); in blocks of one size they are the blocks' means.

    >>> blocks(np.array([1.0, 0.0, 1.0, 1.0]), most=2).tolist()
    [0.5, 1.0]
    """
    n = scores.shape[-1]
    number = min(n, most)
    starts = np.arange(number) * n // number
    sizes = np.diff([*starts, n])
    scores = scores.astype(float)
    means = np.add.reduceat(scores, starts, axis=-1) / sizes
    mean = scores.mean(axis=-1, keepdims=True)
    return mean + sizes * (number / n) * (means - mean)


def bca_interval(
    values: np.ndarray, level: float = 0.95, distribution: np.ndarray | None = None, resamples: int = 9999
) -> tuple[float, float]:
    """Return the BCa interval of the mean of independent values.

    Args:
        values: [units]
        level: of confidence
        distribution: resampled means that have more than these units in them; drawn here if left out
        resamples: how many are drawn here

    Returns:
        Its ends; if all values are equal and nothing else varies, that value twice.

    >>> low, high = bca_interval(np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    >>> 1 < low < 3 < high < 5
    True
    """
    from scipy.special import ndtr, ndtri

    spread = values if distribution is None else np.append(values, distribution)
    if np.ptp(spread) <= 1e-12 * max(1.0, float(np.abs(spread).max())):
        return float(values.mean()), float(values.mean())
    if np.ptp(values) <= 1e-12 * max(1.0, float(np.abs(values).max())):
        # No acceleration without spread between the units: the percentiles are left.
        assert distribution is not None
        low, high = np.quantile(distribution, [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)
    deviations = values - values.mean()
    if distribution is None:
        n = len(values)
        drawn = np.random.default_rng(0).integers(0, n, (resamples, n))
        distribution = values[drawn].mean(axis=1)
    # Equations 4.1 (bias z0) and 6.6 (acceleration a, by the jackknife, which for a mean leaves the deviations).
    below = np.mean(distribution < values.mean()) + np.mean(distribution == values.mean()) / 2
    least = 0.5 / len(distribution)
    z0 = ndtri(np.clip(below, least, 1 - least))
    a = (deviations**3).sum() / (6 * (deviations**2).sum() ** 1.5)
    z = z0 + ndtri(np.array([(1 - level) / 2, (1 + level) / 2]))
    low, high = np.quantile(distribution, ndtr(z0 + z / (1 - a * z)))
    return float(low), float(high)


def resampled_means(arms: Sequence[Scores], seed: int = 0, resamples: int = RESAMPLES) -> np.ndarray:
    """Return the mean over repeats of the means over seeds and examples, [arms, resamples], all three resampled.

    Args:
        arms: for each arm its scores; the arms have the same repeats, and if the numbers of seeds agree
            the same seeds are drawn; examples are drawn alike if the numbers of blocks agree
        seed: of the drawing

    >>> drawn = resampled_means([[np.full((3, 1), 0.5)] * 4, [np.full((3, 1), 0.2)] * 4], resamples=3)
    >>> drawn.round(3).tolist()
    [[0.5, 0.5, 0.5], [0.2, 0.2, 0.2]]
    """
    repeats = {len(arm) for arm in arms}
    if len(repeats) != 1 or 0 in repeats:
        raise ValueError(f"expected arms of equally many repeats, at least one, got {sorted(repeats)}")
    n = repeats.pop()
    rng = np.random.default_rng(seed)
    times = rng.multinomial(n, np.full(n, 1 / n), size=resamples)
    rows: dict[tuple[int, ...], np.ndarray] = {}
    columns: dict[int, np.ndarray] = {}
    result = []
    for arm in arms:
        seeds, examples = tuple(len(scores) for scores in arm), arm[0].shape[1]
        if seeds not in rows:
            rows[seeds] = _row_weights(times, seeds, rng)
        means = rows[seeds] @ np.concatenate(list(arm)).astype(np.float32)  # [resamples, examples]
        if examples not in columns:
            columns[examples] = _weights(examples, resamples, rng)
        result.append(np.einsum("bg,bg->b", means, columns[examples]))
    return np.array(result, dtype=float)


def _row_weights(times: np.ndarray, seeds: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """The weight of each (repeat, seed): seeds are drawn anew each time that their repeat was drawn."""
    drawn = [
        rng.multinomial(times[:, r] * s, np.full(s, 1 / s)) / (s * times.shape[1])
        for r, s in enumerate(seeds)
    ]
    return np.concatenate(drawn, axis=1).astype(np.float32)


def _weights(n: int, resamples: int, rng: np.random.Generator) -> np.ndarray:
    if n == 1:
        return np.ones((resamples, 1), dtype=np.float32)
    return (rng.multinomial(n, np.full(n, 1 / n), size=resamples) / n).astype(np.float32)
