"""The Gaussian process of the surrogate, on scikit-learn: its covariance function, and how it is fitted.

The only module that imports scikit-learn's Gaussian processes.
"""

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Hyperparameter, Kernel

from evoact.strategies.one_blas_thread import one_thread

FITTED_ON = 224  # observations that the hyperparameters are fitted on
ITERATIONS = 25  # of their optimizer, L-BFGS
JITTER = 1e-8
# Where the hyperparameters start, and within which bounds they are fitted; every signal has variance 1.
LENGTHS = [(0.5, 0.1, 5.0), (0.5, 0.1, 5.0)]  # over places, and over learning rates
VARIANCES = [(0.3, 1e-3, 10.0), (0.05, 1e-4, 1.0), (0.6, 1e-3, 10.0)]  # of a signal's three parts
# The correlation r of two signals in each part, as (1 + r) / (1 - r), whose logarithm is twice Fisher's z.
CORRELATIONS = [(1.0, 0.02, 50.0)] * 3
PRIOR = 2.0  # the standard deviation of that logarithm before anything is known
# By how much the logarithms of the others differ between searches, and how many searches that counts as.
SPREAD, SEARCHES = 0.5, 2


class Covariance(Kernel):
    """The covariance of one or two signals at points [observations, axes + 4]: place, learning rate in decades, number
    of the candidate, which signal (0 or 1), and 1 / evaluations.

    Three parts are added up, each with a matrix of its own between signals i and j:

        smooth[i, j] exp(-|x - x'|^2 / 2 length^2 - (r - r')^2 / 2 rate^2) + own[i, j] [same candidate]
        + noise[i, j] [same candidate] / evaluations,

    the linear model of coregionalisation (Goovaerts 1997; Alvarez, Rosasco & Lawrence 2012, section 4.2). `values`
    holds the two lengths, the three variances of each signal, and for two signals the three correlations, as above.
    """

    def __init__(self, values: np.ndarray):
        self.values = values

    @property
    def hyperparameter_values(self) -> Hyperparameter:  # found by its name
        bounds = np.array([limits for _, *limits in _start(self._signals)])
        return Hyperparameter("values", "numeric", bounds, len(bounds))

    @property
    def _signals(self) -> int:
        return 1 if len(self.values) == len(_start(1)) else 2

    def _parts(self) -> tuple[np.ndarray, np.ndarray]:
        """The matrices of the three parts [parts, signals, signals], and the correlations [parts]."""
        k = self._signals
        deviations = np.sqrt(np.reshape(self.values[2 : 2 + 3 * k], (k, 3)).T)
        factors = np.array(self.values[2 + 3 * k :] if k > 1 else np.ones(3))
        correlations = (factors - 1) / (factors + 1)
        apart = np.where(np.eye(k, dtype=bool), 1.0, correlations[:, None, None])
        return deviations[:, :, None] * deviations[:, None, :] * apart, correlations

    def __call__(self, x: np.ndarray, y: np.ndarray | None = None, eval_gradient: bool = False) -> Any:
        other = x if y is None else y
        (smooth, own, noise), correlations = self._parts()
        signals = x[:, -2].astype(int), other[:, -2].astype(int)
        pair = np.ix_(*signals)
        near = self._near(x, other)
        same = x[:, None, -3] == other[:, -3]
        covariance = near * smooth[pair] if self._signals > 1 else near * smooth[0, 0]
        covariance += np.where(same, own[pair], 0.0)
        once = np.where(same, x[:, None, -1], 0.0)  # 1 / evaluations of the same candidate
        if y is None:
            covariance += once * noise[pair]
        if not eval_gradient:
            return covariance
        parts = [near * smooth[pair], same * own[pair], once * noise[pair]]
        rates = (x[:, None, -4] - x[:, -4]) ** 2 / self.values[1] ** 2
        far = -2 * np.log(np.maximum(near, 1e-300))
        gradient = [parts[0] * (far - rates), parts[0] * rates]
        for signal in range(self._signals):
            times = ((signals[0] == signal)[:, None] * 0.5) + (signals[1] == signal) * 0.5
            gradient += [part * times for part in parts]
        if self._signals > 1:
            apart = signals[0][:, None] != signals[1]
            deviations = [np.sqrt(m[0, 0] * m[1, 1]) for m in (smooth, own, noise)]
            for r, size, where in zip(correlations, deviations, (near, same, once), strict=True):
                gradient.append(size * (1 - r**2) / 2 * where * apart)
        return covariance, np.stack(gradient, axis=-1)

    def _near(self, x: np.ndarray, other: np.ndarray) -> np.ndarray:
        """The exponential, in place, since thousands of points are compared; the learning rate is one axis more."""
        length, rate = self.values[:2]
        here, there = (np.column_stack([p[:, :-4] / length, p[:, -4] / rate]) for p in (x, other))
        far = here @ (-2 * there.T)
        far += (here**2).sum(axis=1)[:, None]
        far += (there**2).sum(axis=1)
        near = np.maximum(far, 0, out=far) * -0.5
        return np.asarray(np.exp(near, out=near))

    def diag(self, x: np.ndarray) -> np.ndarray:
        (smooth, own, noise), _ = self._parts()
        signal = x[:, -2].astype(int)
        return np.asarray((smooth + own).diagonal()[signal] + noise.diagonal()[signal] * x[:, -1])

    def is_stationary(self) -> bool:
        return False


def _start(signals: int) -> list[tuple[float, float, float]]:
    return LENGTHS + VARIANCES * signals + (CORRELATIONS if signals > 1 else [])


def expected(earlier: Sequence[Sequence[float]], signals: int) -> tuple[np.ndarray, np.ndarray]:
    """Return means and standard deviations of the logarithms of all hyperparameters, before the first result.

    Searches are alike in how smooth worth is and how large noise is beside it, as far as earlier ones are, among which
    the values at which a fit without any starts count as one: an empirical prior (Wang et al. 2024, "Pre-trained
    Gaussian processes for Bayesian optimization"), the wider, the less they agree. Nothing is expected of lengths and
    variances if there are no earlier searches, and of correlations never.

    Args:
        earlier: lengths and variances as `learnt` returns them, of one or two signals each.
    """
    start = np.log([value for value, *_ in _start(2)])[: 2 + 3 * 2]
    known = np.full((1 + len(earlier), len(start)), np.nan)
    known[0] = start
    for row, values in zip(known[1:], earlier, strict=True):
        row[: len(values)] = np.log(values)
    mean = np.nanmean(known, axis=0)
    there = np.isfinite(known).sum(axis=0)
    squares = np.nansum((known - mean) ** 2, axis=0)
    spread = np.sqrt((squares + SEARCHES * SPREAD**2) / (there + SEARCHES))
    if not earlier:
        spread[:] = np.inf
    own, both = 2 + 3 * signals, 3 * (signals - 1)
    return np.append(mean[:own], np.zeros(both)), np.append(spread[:own], np.full(both, PRIOR))


def learnt(process: GaussianProcessRegressor) -> tuple[float, ...]:
    """Return what a process says of later searches: its lengths, and the variances of each signal, to six digits."""
    values = process.kernel_.values
    signals = 1 if len(values) == len(_start(1)) else 2
    return tuple(float(f"{value:.6g}") for value in values[: 2 + 3 * signals])


@one_thread
def fitted(x: np.ndarray, y: np.ndarray, earlier: Sequence[Sequence[float]] = ()) -> GaussianProcessRegressor:
    """Return the process conditioned on signals y [observations] of variance 1 at points x; see `Covariance` and
    `expected`."""
    signals = 1 + int(x[:, -2].max())
    mean, spread = expected(earlier, signals)
    values, *limits = np.array(_start(signals)).T
    start = Covariance(np.clip(np.exp(mean), *limits) if earlier else values)
    optimizer = partial(_optimized, mean, spread)
    numbers = np.unique(x[:, -3])
    chosen = numbers[np.unique(np.linspace(0, len(numbers) - 1, FITTED_ON // signals).astype(int))]
    some = np.isin(x[:, -3], chosen)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # at a bound: no noise, or nothing but noise
        first = GaussianProcessRegressor(start, alpha=JITTER, optimizer=optimizer).fit(x[some], y[some])
    return GaussianProcessRegressor(first.kernel_, alpha=JITTER, optimizer=None).fit(x, y)


def _optimized(
    mean: np.ndarray,
    spread: np.ndarray,
    objective: Callable[[np.ndarray], tuple[float, np.ndarray]],
    start: np.ndarray,
    bounds: np.ndarray,
) -> tuple[np.ndarray, float]:
    def penalised(theta: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = objective(theta)
        far = (theta - mean) / spread
        return value + 0.5 * float(far @ far), slope + far / spread

    options = {"maxiter": ITERATIONS}
    found = minimize(penalised, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return found.x, float(found.fun)
