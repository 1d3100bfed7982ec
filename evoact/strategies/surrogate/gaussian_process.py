"""The Gaussian process of the surrogate, on scikit-learn: its covariance function, and how it is fitted.

The only module that imports scikit-learn's Gaussian processes.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Hyperparameter, Kernel

from evoact.strategies.one_blas_thread import one_thread

FITTED_ON = 112  # candidates that the hyperparameters are fitted on
ITERATIONS = 12  # of their optimizer, L-BFGS
JITTER = 1e-8
# Where the hyperparameters start, and within which bounds they are fitted; scores have variance 1.
HYPERPARAMETERS = {
    "smooth": (0.3, (1e-3, 10.0)),
    "own": (0.05, (1e-4, 1.0)),
    "noise": (0.6, (1e-3, 10.0)),
    "length": (0.5, (0.1, 5.0)),
    "rate": (0.5, (0.1, 5.0)),
}


def _hyperparameter(name: str) -> property:
    return property(lambda self: Hyperparameter(name, "numeric", HYPERPARAMETERS[name][1]))


class Covariance(Kernel):
    """The covariance of scores at points [candidates, axes + 3]: place, learning rate in decades, number, and 1 /
    evaluations.

    smooth exp(-|x - x'|^2 / 2 length^2 - (r - r')^2 / 2 rate^2) + own [same number] + noise / evaluations.
    """

    def __init__(self, smooth: float, own: float, noise: float, length: float, rate: float):
        self.smooth, self.own, self.noise, self.length, self.rate = smooth, own, noise, length, rate

    # scikit-learn finds these by name, and orders theta by them.
    hyperparameter_length = _hyperparameter("length")
    hyperparameter_noise = _hyperparameter("noise")
    hyperparameter_own = _hyperparameter("own")
    hyperparameter_rate = _hyperparameter("rate")
    hyperparameter_smooth = _hyperparameter("smooth")

    def __call__(self, x: np.ndarray, y: np.ndarray | None = None, eval_gradient: bool = False) -> Any:
        other = x if y is None else y
        # In place, since thousands of points are compared with each other; the learning rate is one axis more.
        here, there = self._scaled(x), self._scaled(other)
        far = here @ (-2 * there.T)
        far += (here**2).sum(axis=1)[:, None]
        far += (there**2).sum(axis=1)
        smooth = np.maximum(far, 0, out=far) * -0.5
        np.exp(smooth, out=smooth)
        smooth *= self.smooth
        own = self.own * (x[:, None, -2] == other[:, -2])
        covariance = smooth + own
        if y is None:
            covariance[np.diag_indices(len(x))] += self.noise * x[:, -1]
        if not eval_gradient:
            return covariance
        rates = (x[:, None, -3] - x[:, -3]) ** 2 / self.rate**2
        noise = np.diag(self.noise * x[:, -1])
        return covariance, np.stack([smooth * (far - rates), noise, own, smooth * rates, smooth], axis=-1)

    def _scaled(self, x: np.ndarray) -> np.ndarray:
        """Points whose squared distances are those of the exponent."""
        return np.column_stack([x[:, :-3] / self.length, x[:, -3] / self.rate])

    def diag(self, x: np.ndarray) -> np.ndarray:
        return self.smooth + self.own + self.noise * x[:, -1]

    def is_stationary(self) -> bool:
        return False


@one_thread
def fitted(x: np.ndarray, y: np.ndarray) -> GaussianProcessRegressor:
    """Return the process conditioned on scores y [candidates] of variance 1 at points x; see `Covariance`."""
    start = Covariance(**{name: value for name, (value, _) in HYPERPARAMETERS.items()})
    some = np.unique(np.linspace(0, len(x) - 1, FITTED_ON).astype(int))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # at a bound: no noise, or nothing but noise
        first = GaussianProcessRegressor(start, alpha=JITTER, optimizer=_optimized).fit(x[some], y[some])
    return GaussianProcessRegressor(first.kernel_, alpha=JITTER, optimizer=None).fit(x, y)


def _optimized(
    objective: Callable[[np.ndarray], tuple[float, np.ndarray]], start: np.ndarray, bounds: np.ndarray
) -> tuple[np.ndarray, float]:
    options = {"maxiter": ITERATIONS}
    found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return found.x, float(found.fun)
