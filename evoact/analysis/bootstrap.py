"""Bootstrap intervals: of a mean, and of a mean of means whose lower levels are resampled, too.

A comparison's figures have three levels: repeats of the whole search, in each the fresh seeds of the winner's
confirmation, and the test examples, which all networks share. `resampled_means` draws repeats, then seeds
within each drawn repeat, then examples, the same for all arms, so that differences of its rows are those of
paired arms. `bca_interval` makes of such a distribution the bias-corrected and accelerated interval (Efron
1987), its acceleration from the repeats, which are the units of the comparison.
"""

from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np

RESAMPLES = 4999
BLOCKS = 500  # test examples are resampled in so many blocks, which is as exact and as much faster

# One array for each repeat: [seeds, blocks], the mean score in each block of test examples.
Scores = Sequence[np.ndarray]


def blocks(scores: np.ndarray, most: int = BLOCKS) -> np.ndarray:
    """The means [..., blocks] over consecutive examples of scores [..., examples], in about equal blocks.

    >>> blocks(np.array([1.0, 0.0, 1.0, 1.0]), most=2).tolist()
    [0.5, 1.0]
    """
    n = scores.shape[-1]
    starts = np.arange(min(n, most)) * n // min(n, most)
    sizes = np.diff([*starts, n])
    return np.add.reduceat(scores.astype(float), starts, axis=-1) / sizes


def bca_interval(
    values: np.ndarray, level: float = 0.95, distribution: np.ndarray | None = None, resamples: int = 9999
) -> tuple[float, float]:
    """The BCa interval of the mean of independent values.

    Args:
        values: [units]
        level: of confidence
        distribution: resampled means that have more than these units in them; drawn here if left out
        resamples: how many are drawn here

    Returns:
        Its ends; where all values are equal and nothing else varies, that value twice.

    >>> low, high = bca_interval(np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    >>> 1 < low < 3 < high < 5
    True
    """
    from scipy.stats import bootstrap

    spread = values if distribution is None else np.append(values, distribution)
    if np.ptp(spread) <= 1e-12 * max(1.0, float(np.abs(spread).max())):
        return float(values.mean()), float(values.mean())
    if np.ptp(values) <= 1e-12 * max(1.0, float(np.abs(values).max())):
        # No acceleration without spread between the units: the percentiles are left.
        assert distribution is not None
        low, high = np.quantile(distribution, [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)
    drawn = (
        {}
        if distribution is None
        else {"bootstrap_result": SimpleNamespace(bootstrap_distribution=distribution)}
    )
    found = bootstrap(
        (values,),
        np.mean,
        confidence_level=level,
        n_resamples=resamples if distribution is None else 0,
        method="BCa",
        rng=np.random.default_rng(0),
        **drawn,
    ).confidence_interval
    return float(found.low), float(found.high)


def resampled_means(arms: Sequence[Scores], seed: int = 0, resamples: int = RESAMPLES) -> np.ndarray:
    """The mean over repeats of the means over seeds and examples, [arms, resamples], all three resampled.

    Args:
        arms: for each arm its scores; the arms have the same repeats, and where the numbers of seeds agree
            the same seeds are drawn; examples are drawn alike where the numbers of blocks agree
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
