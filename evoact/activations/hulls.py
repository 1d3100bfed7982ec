"""Hulls of base functions: from free parameters to the coefficients c of sum_i c_i f_i.

Manessi & Rozza 2018, section III: conv(F) has c_i >= 0 and sum 1, aff(F) has sum 1, cone(F) has
c_i >= 0; the linear hull is all combinations (Li & Li 2018). How the paper enforces the constraints is
not stated; here the free parameters w map to coefficients symmetrically in the functions:

    convex   c = softmax(w)
    affine   c = w + (1 - sum w) / n       (the projection of w onto the affine subspace)
    conic    c = softplus(w)               (Dugas et al. 2001; never quite 0, linear where large)
    linear   c = w

All start at c_i = 1 / n, the middle of the simplex.
"""

import math

import torch
from torch import Tensor

from evoact.activations.base_functions import apply, base_function
from evoact.activations.formulas import softplus
from evoact.activations.sharing import Noise, sets_of
from evoact.errors import UserError
from evoact.genomes.genome import HULLS, Hull
from evoact.registry import unknown


def coefficients(hull: str, w: Tensor) -> Tensor:
    """Coefficients of shape [..., n] from free parameters of shape [..., n].

    >>> coefficients("convex", torch.zeros(2)).tolist()
    [0.5, 0.5]
    >>> round(float(coefficients("affine", torch.tensor([3.0, 1.0, 2.0])).sum()), 6)
    1.0
    """
    if hull == "convex":
        return torch.softmax(w, dim=-1)
    if hull == "affine":
        return w + (1 - w.sum(dim=-1, keepdim=True)) / w.shape[-1]
    if hull == "conic":
        return softplus(w)
    if hull == "linear":
        return w
    raise UserError(unknown("hull", hull, HULLS))


def parameter_count(activation: Hull, neurons: int) -> int:
    """Free parameters of a type with that many neurons."""
    return sets_of(activation, neurons) * len(activation.functions)


def initial_parameters(activation: Hull, neurons: int, generator: torch.Generator | None = None) -> Tensor:
    """The flat free parameters at which every coefficient is 1 / n; nothing is drawn."""
    n = len(activation.functions)
    value = {"convex": 0.0, "conic": math.log(math.expm1(1.0 / n))}.get(activation.hull, 1.0 / n)
    return torch.full((parameter_count(activation, neurons),), value, dtype=torch.float64)


def evaluate(activation: Hull, x: Tensor, parameters: Tensor, noise: Noise | None = None) -> Tensor:
    """sum_i c_i f_i(x); shapes as `families.Family` has them."""
    c = coefficients(activation.hull, parameters)
    names = activation.functions
    y = c[:, :1] * apply(base_function(names[0]), x[:, 0])
    for i, name in enumerate(names[1:], 1):
        y = torch.addcmul(y, c[:, i : i + 1], apply(base_function(name), x[:, 0]))
    return y
