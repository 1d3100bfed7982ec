"""The number of dimensions that the activity of a layer fills (Choudhary et al. 2022, section Analysis)."""

import numpy as np

from evoact.errors import UserError


def participation_ratio(activity: np.ndarray) -> float:
    """Return R = (tr C)^2 / tr C^2 of the covariance C of neurons' activity: from 1, if all vary together, to N.

    Args:
        activity: [N neurons, M inputs]

    Returns:
        R, or NaN if no neuron varies; R / N is its normalised form.

    Raises:
        UserError: if that is no matrix with at least two inputs, or not finite.

    >>> round(participation_ratio(np.array([[1.0, -1.0, 0.0, 0.0], [0.0, 0.0, 1.0, -1.0]])), 6)
    2.0
    """
    x = np.asarray(activity, dtype=np.float64)
    if x.ndim != 2 or x.shape[1] < 2 or not np.isfinite(x).all():
        raise UserError(
            "expected the finite activity of neurons as a matrix [neurons, inputs] with at least 2 inputs, "
            f"got shape {list(x.shape)}"
        )
    x = x - x.mean(axis=1, keepdims=True)
    # tr C^2 is the same for X X^T and X^T X: take the smaller.
    c = (x @ x.T if len(x) <= x.shape[1] else x.T @ x) / x.shape[1]
    total = np.trace(c)
    return float(total**2 / np.square(c).sum()) if total > 0 else float("nan")
