"""Properties of base functions, computed: values at the origin, monotonicity, Gaussian moments."""

from typing import Any

import torch
from numpy.polynomial.legendre import leggauss

from evoact.activations.base_functions import BaseFunction

QUADRATURE_POINTS = 180


def gaussian_moments(f: BaseFunction) -> tuple[float, float]:
    """E[f(x)] and E[f(x)^2] for x ~ N(0, 1), each half line by Gauss-Legendre quadrature.

    A kink at the origin, as relu has, would spoil a rule over the whole line.

    >>> from evoact.activations.base_functions import BASE_FUNCTIONS
    >>> [round(m, 5) for m in gaussian_moments(BASE_FUNCTIONS["relu"])]
    [0.39894, 0.5]
    """
    nodes, weights = leggauss(QUADRATURE_POINTS)
    x = torch.as_tensor((nodes + 1) * 6)  # [0, 12], beyond which the density is below 1e-31
    w = torch.as_tensor(weights) * 6 * torch.exp(-0.5 * x * x) / (2 * torch.pi) ** 0.5
    left, right = f.value(-x), f.value(x)
    return float((w * (left + right)).sum()), float((w * (left**2 + right**2)).sum())


def properties(f: BaseFunction) -> dict[str, Any]:
    """`monotone`, `f(0)`, `f'(0)` (mean of both sides), `E[f]` and `E[f^2]` under N(0, 1)."""
    x = torch.linspace(-12, 12, 24_001, dtype=torch.float64)
    steps = f.value(x).diff()
    zero = torch.tensor([0.0], dtype=torch.float64)
    sides = torch.tensor([-1e-9, 1e-9], dtype=torch.float64)
    slope = f.derivative(sides, f.value(sides)).mean()
    mean, square = gaussian_moments(f)
    return {
        "monotone": bool((steps >= -1e-12).all() or (steps <= 1e-12).all()),
        "f(0)": round(float(f.value(zero)), 6),
        "f'(0)": round(float(slope), 6),
        "E[f]": round(mean, 5),
        "E[f^2]": round(square, 5),
    }
