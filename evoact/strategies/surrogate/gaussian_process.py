"""The Gaussian process of the surrogate, on scikit-learn: its covariance function, and how it is fitted.

The only module that imports scikit-learn's Gaussian processes.
"""

from collections.abc import Sequence

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotri
from scipy.optimize import minimize
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

    def parts(self) -> tuple[np.ndarray, np.ndarray]:
        """The matrices of the three parts [parts, signals, signals], and the correlations [parts]."""
        k = self._signals
        deviations = np.sqrt(np.reshape(self.values[2 : 2 + 3 * k], (k, 3)).T)
        factors = np.array(self.values[2 + 3 * k :] if k > 1 else np.ones(3))
        correlations = (factors - 1) / (factors + 1)
        apart = np.where(np.eye(k, dtype=bool), 1.0, correlations[:, None, None])
        return deviations[:, :, None] * deviations[:, None, :] * apart, correlations

    def __call__(self, x: np.ndarray, y: np.ndarray | None = None, eval_gradient: bool = False) -> np.ndarray:
        assert not eval_gradient, "expected slopes to be asked of an Evidence"
        other = x if y is None else y
        (smooth, own, noise), _ = self.parts()
        pair = np.ix_(x[:, -2].astype(int), other[:, -2].astype(int))
        near = self._near(x, other)
        same = x[:, None, -3] == other[:, -3]
        covariance: np.ndarray = near * smooth[pair] if self._signals > 1 else near * smooth[0, 0]
        covariance += np.where(same, own[pair], 0.0)
        if y is None:  # 1 / evaluations of the same candidate
            covariance += np.where(same, x[:, None, -1], 0.0) * noise[pair]
        return covariance

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
        (smooth, own, noise), _ = self.parts()
        signal = x[:, -2].astype(int)
        return np.asarray((smooth + own).diagonal()[signal] + noise.diagonal()[signal] * x[:, -1])

    def is_stationary(self) -> bool:
        return False


class Evidence:
    """The negated logarithm of the marginal likelihood of signals y [observations] at points x, and its slope, at
    logarithms of the values of a `Covariance` (Rasmussen & Williams 2006, equations 5.8 and 5.9).

    What does not change with the values is computed once, distances for each pair of candidates alone, and slopes are
    sums that need no matrix for each value: a fit asks some thirty times.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray):
        self._y = y
        _, first, of = np.unique(x[:, -3], return_index=True, return_inverse=True)
        self._pairs = np.ix_(of, of)
        places, rates = x[first, :-4], x[first, -4]
        squares = (places**2).sum(axis=1)
        self._far = np.maximum(squares[:, None] + squares - 2 * places @ places.T, 0)
        self._rates = (rates[:, None] - rates) ** 2
        self._same = (of[:, None] == of).astype(float)
        self._once = self._same * x[:, -1]
        signals = x[:, -2].astype(int)
        self._signal = np.ix_(signals, signals)
        self._of_signal = np.eye(signals.max() + 1)[signals]  # [observations, signals]

    def __call__(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        values = np.exp(theta)
        parts, correlations = Covariance(values).parts()
        far, rates = self._far / values[0] ** 2, self._rates / values[1] ** 2
        near = np.exp(-0.5 * (far + rates))
        shapes = (near[self._pairs], self._same, self._once)
        covariance = sum(shape * part[self._signal] for shape, part in zip(shapes, parts, strict=True))
        covariance[np.diag_indices_from(covariance)] += JITTER
        root, failed = dpotrf(covariance, lower=1)
        if failed:
            return np.inf, np.zeros_like(theta)
        inverse = dpotri(root, lower=1)[0]
        inverse = np.tril(inverse) + np.tril(inverse, -1).T
        solved = inverse @ self._y
        value = 0.5 * self._y @ solved + np.log(root.diagonal()).sum() + len(solved) / 2 * np.log(2 * np.pi)
        return float(value), self._slope(
            inverse - np.outer(solved, solved), shapes, (far, rates), parts, correlations
        )

    def _slope(
        self,
        weights: np.ndarray,
        shapes: Sequence[np.ndarray],
        distances: Sequence[np.ndarray],
        parts: np.ndarray,
        correlations: np.ndarray,
    ) -> np.ndarray:
        """Half the sum of weights [observations, observations] times the covariance's derivative by each value."""
        by_signal = [self._of_signal.T @ (weights * shape) @ self._of_signal for shape in shapes]
        smooth = weights * shapes[0] * parts[0][self._signal]
        lengths = [np.sum(smooth * distance[self._pairs]) for distance in distances]
        variances = np.array(
            [(sums * part).sum(axis=1) for sums, part in zip(by_signal, parts, strict=True)]
        ).T
        slope = [*lengths, *variances.ravel()]
        if len(variances) > 1:
            for r, sums, part in zip(correlations, by_signal, parts, strict=True):
                slope.append(sums[0, 1] * np.sqrt(part[0, 0] * part[1, 1]) * (1 - r**2))
        return 0.5 * np.array(slope)


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
    numbers = np.unique(x[:, -3])
    chosen = numbers[np.unique(np.linspace(0, len(numbers) - 1, FITTED_ON // signals).astype(int))]
    some = np.isin(x[:, -3], chosen)
    kernel = Covariance(_optimized(Evidence(x[some], y[some]), start.values, mean, spread))
    return GaussianProcessRegressor(kernel, alpha=JITTER, optimizer=None).fit(x, y)


def _optimized(evidence: Evidence, start: np.ndarray, mean: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """The values of highest evidence, times what is expected of their logarithms."""

    def penalised(theta: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = evidence(theta)
        far = (theta - mean) / spread
        return value + 0.5 * float(far @ far), slope + far / spread

    options = {"maxiter": ITERATIONS}
    bounds = np.log(Covariance(start).hyperparameter_values.bounds)
    found = minimize(penalised, np.log(start), jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return np.asarray(np.exp(found.x))
