"""Parametric rectifiers y = max(0, x) + a min(0, x), with the slope a trained (He et al. 2015, equation 1)."""

import torch
from torch import Tensor

from evoact.activations.sharing import Noise, sets_of
from evoact.genomes.genome import PReLU

INITIAL_SLOPE = 0.25  # He et al. 2015
TERMS = ("relu", "-relu(-x)")  # max(0, x) and min(0, x), by which the mixture evaluates it


def parameter_count(activation: PReLU, neurons: int) -> int:
    """One slope for each set."""
    return sets_of(activation, neurons)


def initial_parameters(activation: PReLU, neurons: int, generator: torch.Generator) -> Tensor:
    """All slopes 0.25; nothing is drawn."""
    return torch.full((parameter_count(activation, neurons),), INITIAL_SLOPE, dtype=torch.float64)


def coefficients(slopes: Tensor) -> Tensor:
    """Those of `TERMS`, [sets, 2] from slopes [sets, 1]."""
    return torch.cat([torch.ones_like(slopes), slopes], dim=-1)


def evaluate(activation: PReLU, x: Tensor, parameters: Tensor, noise: Noise | None = None) -> Tensor:
    """max(0, x) + a min(0, x); shapes as `families.Family` has them."""
    z = x[:, 0]
    return torch.addcmul(z.clamp(min=0), parameters, z.clamp(max=0))
