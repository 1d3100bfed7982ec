"""Parametric rectifiers y = max(0, x) + a min(0, x), with the slope a trained (He et al. 2015, equation 1)."""

import torch
from torch import Tensor

from evoact.activations.kinds.kind import Kind, Mixture, Noise, module
from evoact.genomes.kinds import PReLU

INITIAL_SLOPE = 0.25  # He et al. 2015
TERMS = ("relu", "-relu(-x)")  # max(0, x) and min(0, x)


def evaluate(activation: PReLU, x: Tensor, parameters: Tensor, noise: Noise | None = None) -> Tensor:
    """Return max(0, x) + a min(0, x); shapes as `kind.Kind` has them."""
    z = x[:, 0]
    return torch.addcmul(z.clamp(min=0), parameters, z.clamp(max=0))


def coefficients(slopes: Tensor) -> Tensor:
    """Return the coefficients of `TERMS`, [sets, 2] from slopes [sets, 1]."""
    return torch.cat([torch.ones_like(slopes), slopes], dim=-1)


KIND = Kind(
    evaluate,
    plain=lambda activation, sets, text: module("PReLU", sets=sets),
    numbers=lambda activation: 1,
    initial=lambda activation, sets, generator: torch.full((sets, 1), INITIAL_SLOPE, dtype=torch.float64),
    mixture=lambda activation: Mixture(TERMS, coefficients),
)
