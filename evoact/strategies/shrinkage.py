"""The worth of a candidate whose score is mostly noise: shrunken means.

Seed noise is as large as the differences that are searched for, so the best single score of many is
the luckiest one. The empirical-Bayes posterior mean (James & Stein 1961; Efron & Morris 1975) pulls
each candidate's mean score towards the mean of all, the more the fewer evaluations stand behind it:

    posterior_i = mu + B_i (mean_i - mu),   B_i = tau^2 / (tau^2 + sigma^2 / n_i)

sigma^2 is the noise of one evaluation, pooled over the candidates that were evaluated repeatedly;
tau^2 the variance of the true scores between candidates, by the method of moments.
"""

from dataclasses import dataclass

import numpy as np

# Where nothing was evaluated twice, half the variance is taken to be noise.
NOISE_SHARE_UNKNOWN = 0.5
# Scores further below the median than this many spreads (of the upper half, or of the noise) count as lying
# there, so that a few broken networks do not make the good ones look certain.
FENCE = 3.0


@dataclass(frozen=True)
class Posterior:
    """`mean` and `deviation` (both [candidates]) of the true scores, and the estimated variances."""

    mean: np.ndarray
    deviation: np.ndarray
    noise: float
    between: float


def posterior(means: np.ndarray, counts: np.ndarray, squares: np.ndarray) -> Posterior:
    """Return the posterior of each candidate's true score.

    Args:
        means: [candidates], mean score of each.
        counts: [candidates], how often each was evaluated, at least once.
        squares: [candidates], sum of squared deviations of each candidate's scores from its mean.

    >>> p = posterior(np.array([0.0, 1.0, 0.99]), np.array([1, 1, 5]), np.array([0.0, 0.0, 0.1]))
    >>> bool(p.mean[2] > p.mean[1] > p.mean[0])
    True
    """
    if len(means) == 0:
        return Posterior(means, means, 0.0, 0.0)
    repeats = float(np.sum(counts - 1))
    noise = float(np.sum(squares)) / repeats if repeats > 0 else NOISE_SHARE_UNKNOWN * float(np.var(means))
    middle, upper = np.quantile(means, [0.5, 0.84])
    means = np.maximum(means, middle - FENCE * max(upper - middle, np.sqrt(noise)))
    total = float(np.var(means))
    # E[variance of the means] = tau^2 + sigma^2 * mean(1 / n_i); at least a hundredth of it is taken to be
    # true, or an unlucky estimate would make all candidates equal and the search blind.
    between = max(total - noise * float(np.mean(1 / counts)), 0.01 * total)
    weight = between + noise / counts
    centre = float(np.average(means, weights=1 / weight)) if np.all(weight > 0) else float(np.mean(means))
    shrink = np.divide(between, weight, out=np.ones_like(weight), where=weight > 0)
    return Posterior(
        centre + shrink * (means - centre),
        np.sqrt(shrink * noise / counts),
        noise,
        between,
    )
