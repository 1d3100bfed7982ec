"""Hulls of base functions: from free parameters to the coefficients c of sum_i c_i f_i.

Manessi & Rozza 2018, section III: conv(F) has c_i >= 0 and sum 1, aff(F) has sum 1, cone(F) has
c_i >= 0; the linear hull is all combinations (Li & Li 2018). How the paper enforces the constraints is
not stated; here the free parameters w map to coefficients symmetrically in the functions:

    convex   c = softmax(w)
    affine   c = w + (1 - sum w) / n       (the projection of w onto the affine subspace)
    conic    c = softplus(w)               (Dugas et al. 2001; never quite 0, linear if large)
    linear   c = w

All start at c_i = 1 / n, the middle of the simplex.
"""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from evoact.activations.functions.base_functions import apply, base_function
from evoact.activations.functions.formulas import softplus
from evoact.activations.kinds.kind import Kind, Mixture, Noise, Text, module
from evoact.genomes.kinds import Hull


def convex(w: Tensor) -> Tensor:
    return torch.softmax(w, dim=-1)


def affine(w: Tensor) -> Tensor:
    return w + (1 - w.sum(dim=-1, keepdim=True)) / w.shape[-1]


def linear(w: Tensor) -> Tensor:
    return w


# Coefficients [..., n] from free parameters [..., n].
COEFFICIENTS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "convex": convex,
    "affine": affine,
    "conic": softplus,
    "linear": linear,
}


def initial(activation: Hull, sets: int, generator: torch.Generator) -> Tensor:
    """Return the free parameters at which every coefficient is 1 / n; nothing is drawn."""
    n = len(activation.functions)
    value = {"convex": 0.0, "conic": math.log(math.expm1(1.0 / n))}.get(activation.hull, 1.0 / n)
    return torch.full((sets, n), value, dtype=torch.float64)


def evaluate(activation: Hull, x: Tensor, parameters: Tensor, noise: Noise | None = None) -> Tensor:
    """Return sum_i c_i f_i(x); shapes as `kind.Kind` has them."""
    c = COEFFICIENTS[activation.hull](parameters)
    names = activation.functions
    y = c[:, :1] * apply(base_function(names[0]), x[:, 0])
    for i, name in enumerate(names[1:], 1):
        y = torch.addcmul(y, c[:, i : i + 1], apply(base_function(name), x[:, 0]))
    return y


def mixture(activation: Hull) -> Mixture:
    return Mixture(activation.functions, COEFFICIENTS[activation.hull], selectable=True)


def plain(activation: Hull, sets: int, text: Text) -> str:
    return module("Hull", f"[{', '.join(map(text, activation.functions))}]", activation.hull, sets=sets)


KIND = Kind(evaluate, plain, lambda activation: len(activation.functions), initial, mixture)
