"""Tabulated and captured activations: a curve between its grid points by linear interpolation, or by the
not-a-knot cubic spline (de Boor 1978, chapter IV); outside the grid it goes on with the slope at the end
(`linear`) or with the value (`constant`). Nothing is trained.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from evoact.activations.curves import Curve, check_points, load_curve, resolve
from evoact.activations.kinds.kind import Kind, Noise, Text
from evoact.genomes.kinds import Captured, Tabulated
from evoact.native import piecewise as native
from evoact.native.tensors import accepts, is_plain


def curve_of(activation: Tabulated | Captured) -> Curve:
    """Return the curve, from its file or from the activation itself.

    >>> curve_of(Captured("bend", -1.0, 1.0, (0.0, 0.0, 1.0))).grid.tolist()
    [-1.0, 0.0, 1.0]
    """
    if isinstance(activation, Tabulated):
        return load_curve(activation.curve)
    values = np.array(activation.values)
    return Curve(np.linspace(activation.low, activation.high, len(values)), values)


def polynomials(activation: Tabulated | Captured) -> tuple[np.ndarray, np.ndarray]:
    """Return the inner borders of the intervals [n], and each interval's origin and coefficients [n + 1, 5].

    y = c0 + c1 d + c2 d^2 + c3 d^3 with d = x - origin; the first and the last interval are infinite.

    Raises:
        UserError: if the curve is not there, is another than the pinned one, or has too few points.
    """
    curve = curve_of(activation)
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
def _tensors(
    activation: Tabulated | Captured, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Borders, filled up with infinity as the kernel wants them, and rows [5, intervals]."""
    borders, rows = polynomials(activation)
    more = 2 ** len(borders).bit_length() - 1 - len(borders)
    filled = np.concatenate([borders, np.full(more, np.inf)])
    return (
        torch.as_tensor(filled, dtype=dtype, device=device),
        torch.as_tensor(rows.T.copy(), dtype=dtype, device=device),
    )


def evaluate(
    activation: Tabulated | Captured, x: Tensor, parameters: Tensor, noise: Noise | None = None
) -> Tensor:
    """Return the interpolated curve; shapes as `kind.Kind` has them."""
    z = x[:, 0]
    # A name alone may stand for another file tomorrow, so only pinned curves are remembered as they are.
    if isinstance(activation, Tabulated) and "@" not in activation.curve:
        activation = resolve(activation)
    borders, rows = _tensors(activation, z.dtype, z.device)
    if accepts(z):
        y: Tensor = NativePieces.apply(z, borders, rows)
        return y
    return pieces_at(z, borders, rows, 0)


def pieces_at(z: Tensor, borders: Tensor, rows: Tensor, derivative: int) -> Tensor:
    """Return the polynomials at z of any shape, or their slopes (`derivative` 1); as `polynomials` gives them."""
    interval = torch.bucketize(_compact(z.detach()), borders, right=True).clamp(max=rows.shape[1] - 1)
    origin, c0, c1, c2, c3 = (row[interval] for row in rows)
    d = z - origin
    if derivative:
        return c1 + d * (2 * c2 + d * (3 * c3))
    return c0 + d * (c1 + d * (c2 + d * c3))


def _compact(z: Tensor) -> Tensor:
    """Return z in an order in memory that is its own, under `vmap` too, whose batch `contiguous` does not move."""
    return z.contiguous() if is_plain(z) else z.clone(memory_format=torch.contiguous_format)


class NativePieces(torch.autograd.Function):
    """`pieces_at` by the kernel, which gives value and slope in one pass."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, borders: Tensor, rows: Tensor) -> Tensor:
        y, slope = native.evaluate(z, borders, rows)
        ctx.save_for_backward(z, slope, borders, rows)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, None, None]:
        z, slope, borders, rows = ctx.saved_tensors
        if torch.is_grad_enabled():  # a derivative of this derivative will be asked for
            slope = pieces_at(z, borders, rows, 1)
        return grads[0] * slope, None, None


def plain(activation: Tabulated | Captured, sets: int, text: Text) -> str:
    return f"Curve({len(curve_of(activation).grid)})"


def constants(activation: Tabulated | Captured) -> tuple[np.ndarray, np.ndarray]:
    borders, rows = polynomials(activation)
    return borders, rows.T


TABULATED = Kind(evaluate, plain, pinned=resolve, constants=constants)
CAPTURED = Kind(evaluate, plain, constants=constants)
