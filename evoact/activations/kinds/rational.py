"""Rational activations without poles: safe Pade units (Molina et al. 2020),

    y = P(x) / (1 + |Q(x)|),    P(x) = sum_{j=0..m} a_j x^j,    Q(x) = sum_{k=1..n} b_k x^k,

started at the least-squares fit to a base function on [-3, 3].
"""

from functools import lru_cache, partial

import numpy as np
import torch
from torch import Tensor

from evoact.activations import units
from evoact.activations.functions.base_functions import base_function
from evoact.activations.kinds.kind import Kind, Noise, Text, as_it_is, module
from evoact.genomes.kinds import Rational
from evoact.native import pieces as native
from evoact.native.tensors import accepts

GRID = np.linspace(-3, 3, 601)


def numbers(activation: Rational) -> int:
    """Return a_0..a_m and b_1..b_n."""
    return activation.numerator + 1 + activation.denominator


def initial(activation: Rational, sets: int, generator: torch.Generator) -> Tensor:
    """Return the same fit for every parameter set; nothing is drawn."""
    fit = fitted(activation.initial, activation.numerator, activation.denominator)
    return torch.tensor(fit, dtype=torch.float64).repeat(sets, 1)


@lru_cache(maxsize=256)
def fitted(name: str, m: int, n: int) -> tuple[float, ...]:
    """Return a_0..a_m, b_1..b_n of the least-squares fit to a base function.

    The linear problem P = f (1 + Q) gives the start of a Levenberg-Marquardt descent on the unit itself,
    and so does Q = 0, since the former minimises something else: the better end counts.

    >>> error = abs(np.polyval(fitted("square", 2, 1)[2::-1], GRID) - GRID**2).max()
    >>> bool(error < 1e-6)
    True
    """
    from scipy.optimize import least_squares

    f = base_function(name).value(torch.as_tensor(GRID)).numpy()
    powers = GRID[:, None] ** np.arange(max(m, n) + 1)
    p, q = powers[:, : m + 1], powers[:, 1 : n + 1]

    def residual(c: np.ndarray) -> np.ndarray:
        return p @ c[: m + 1] / (1 + np.abs(q @ c[m + 1 :])) - f

    linear = np.linalg.lstsq(np.hstack([p, -f[:, None] * q]), f, rcond=None)[0]
    polynomial = np.concatenate([np.linalg.lstsq(p, f, rcond=None)[0], np.zeros(n)])
    ends = [least_squares(residual, start, method="lm") for start in (linear, polynomial)]
    return tuple(min(ends, key=lambda end: end.cost).x.tolist())


def evaluate(activation: Rational, x: Tensor, parameters: Tensor, noise: Noise | None = None) -> Tensor:
    """Return P(x) / (1 + |Q(x)|), both by Horner's rule; shapes as `kind.Kind` has them."""
    m, n = activation.numerator, activation.denominator
    reference = partial(_in_pytorch, m=m, n=n)
    if accepts(x):
        return units.rational(x[:, 0], parameters, m, n, reference)
    return reference(x[:, 0], parameters)


def _in_pytorch(z: Tensor, parameters: Tensor, m: int, n: int) -> Tensor:
    p = parameters[:, m, None].expand_as(z)
    for j in reversed(range(m)):
        p = torch.addcmul(parameters[:, j, None], p, z)
    q = parameters[:, m + n, None] * z
    for k in reversed(range(m + 1, m + n)):
        q = (q + parameters[:, k, None]) * z
    return p / (1 + q.abs())


def plain(activation: Rational, sets: int, text: Text) -> str:
    return module("Rational", activation.numerator, activation.denominator, sets=sets)


def unit(activation: Rational) -> units.NativeUnit:
    """Return the unit as the kernels have it."""
    made = native.unit(native.RATIONAL, 1, top=activation.numerator, bottom=activation.denominator)
    return units.NativeUnit(made, as_it_is)


KIND = Kind(evaluate, plain, numbers, initial, unit=unit)
