"""Properties of base functions, computed: values at the origin, monotonicity, Gaussian moments."""

from functools import lru_cache
from typing import Any

import torch

from evoact.activations.functions.base_functions import KINKS, BaseFunction, core_function
from evoact.activations.functions.quadrature import gaussian_moments_of


@lru_cache(maxsize=1024)
def gaussian_moments(f: BaseFunction) -> tuple[float, float]:
    """Return E[f(x)] and E[f(x)^2] for x ~ N(0, 1).

    >>> from evoact.activations.functions.base_functions import base_function
    >>> [round(m, 5) for m in gaussian_moments(base_function("relu"))]
    [0.39894, 0.5]
    """
    mean, square = gaussian_moments_of(core_function(f.core).value, f.input_scale, KINKS)
    a, c = f.output_scale, f.shift
    return a * mean + c, a * a * square + 2 * a * c * mean + c * c


@lru_cache(maxsize=1024)
def _properties(f: BaseFunction) -> tuple[tuple[str, Any], ...]:
    x = torch.linspace(-12, 12, 24_001, dtype=torch.float64)
    steps = f.value(x).diff()
    zero = torch.tensor([0.0], dtype=torch.float64)
    sides = torch.tensor([-1e-9, 1e-9], dtype=torch.float64)
    value = round(float(f.value(zero)), 6)
    slope = round(float(f.derivative(sides, f.value(sides)).mean()), 6)
    mean, square = gaussian_moments(f)
    return (
        ("monotone", bool((steps >= -1e-12).all() or (steps <= 1e-12).all())),
        ("f(0)", value),
        ("f'(0)", slope),
        ("near_identity", value == 0 and slope == 1),
        ("E[f]", round(mean, 5)),
        ("E[f^2]", round(square, 5)),
    )


def properties(f: BaseFunction) -> dict[str, Any]:
    """Return `monotone`, `f(0)`, `f'(0)` (mean of both sides), `near_identity`, `E[f]` and `E[f^2]` under N(0, 1).

    `near_identity` says that f approximates the identity near the origin: f(0) = 0 and f'(0) = 1 (Manessi &
    Rozza 2018, proposition 1).
    """
    return dict(_properties(f))
