"""Tabulated activations: a captured curve between its grid points by linear interpolation, or by the
not-a-knot cubic spline (de Boor 1978, chapter IV); outside the grid it goes on with the slope at the end
(`linear`) or with the value (`constant`). Nothing is trained.
"""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from evoact.activations.curves import check_points, load_curve, resolve
from evoact.activations.sharing import Noise
from evoact.genomes.genome import Tabulated


def parameter_count(activation: Tabulated, neurons: int) -> int:
    return 0


def initial_parameters(activation: Tabulated, neurons: int, generator: torch.Generator) -> Tensor:
    return torch.empty(0, dtype=torch.float64)


def polynomials(activation: Tabulated) -> tuple[np.ndarray, np.ndarray]:
    """The inner borders of the intervals [n], and each interval's origin and coefficients [n + 1, 5].

    y = c0 + c1 d + c2 d^2 + c3 d^3 with d = x - origin; the first and the last interval are endless.

    Raises:
        UserError: if the curve is not there, is another than the pinned one, or has too few points.
    """
    curve = load_curve(activation.curve)
    x, y = curve.grid, curve.values
    check_points(curve, activation.interpolation)
    rows = np.zeros((len(x) + 1, 5))
    rows[1:, 0], rows[0, 0] = x, x[0]
    rows[1:, 1], rows[0, 1] = y, y[0]
    if activation.interpolation == "linear":
        slopes = np.diff(y) / np.diff(x)
        rows[1:-1, 2] = slopes
        ends = slopes[[0, -1]]
    else:
        from scipy.interpolate import CubicSpline

        spline = CubicSpline(x, y)
        rows[1:-1, 2:] = spline.c[2::-1].T
        ends = spline(x[[0, -1]], 1)
    if activation.extrapolation == "linear":
        rows[[0, -1], 2] = ends
    return x, rows


@lru_cache(maxsize=64)
def _tensors(activation: Tabulated, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    borders, rows = polynomials(activation)
    return (
        torch.as_tensor(borders.copy(), dtype=dtype, device=device),
        torch.as_tensor(rows.T.copy(), dtype=dtype, device=device),
    )


def evaluate(activation: Tabulated, x: Tensor, parameters: Tensor, noise: Noise | None = None) -> Tensor:
    """The interpolated curve; shapes as `families.Family` has them."""
    z = x[:, 0]
    # A name alone may stand for another file tomorrow, so only pinned curves are remembered as they are.
    pinned = activation if "@" in activation.curve else resolve(activation)
    borders, (origin, c0, c1, c2, c3) = _tensors(pinned, z.dtype, z.device)
    interval = torch.bucketize(z.detach().contiguous(), borders, right=True)
    d = z - origin[interval]
    if activation.interpolation == "linear":
        return c0[interval] + c1[interval] * d
    return c0[interval] + d * (c1[interval] + d * (c2[interval] + d * c3[interval]))
