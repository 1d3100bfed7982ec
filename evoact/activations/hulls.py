"""Hulls of base functions: from free parameters to the coefficients c of sum_i c_i f_i.

Manessi & Rozza 2018, section III: conv(F) has c_i >= 0 and sum 1, aff(F) has sum 1; the linear hull
is all combinations (Li & Li 2018). How the paper enforces the constraints is not stated; here the
free parameters w map to coefficients symmetrically in the functions:

    convex   c = softmax(w)
    affine   c = w + (1 - sum w) / n       (the projection of w onto the affine subspace)
    linear   c = w

All start at c_i = 1 / n, the middle of the simplex.
"""

import torch
from torch import Tensor

from evoact.genomes.genome import Hull


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
    if hull == "linear":
        return w
    raise ValueError(f"expected a hull of convex, affine or linear, got {hull!r}")


def parameter_count(activation: Hull, neurons: int) -> int:
    """Free parameters of a type with that many neurons."""
    sets = neurons if activation.per == "neuron" else 1
    return sets * len(activation.functions)


def initial_parameters(activation: Hull, neurons: int, generator: torch.Generator) -> Tensor:
    """The flat free parameters at which every coefficient is 1 / n."""
    n = len(activation.functions)
    value = 0.0 if activation.hull == "convex" else 1.0 / n
    return torch.full((parameter_count(activation, neurons),), value, dtype=torch.float64)
