"""Scaled base functions y = a f(b x), with a and b trained.

The control for claims about shape: much of what a learned function gains over its base can be gained
by scales alone. Starts at a = b = 1, the base function itself.
"""

import torch
from torch import Tensor

from evoact.activations.base_functions import apply, base_function
from evoact.activations.sharing import Noise, sets_of
from evoact.genomes.genome import Scaled


def parameter_count(activation: Scaled, neurons: int) -> int:
    """a and b, for each set."""
    return 2 * sets_of(activation, neurons)


def initial_parameters(activation: Scaled, neurons: int, generator: torch.Generator) -> Tensor:
    """All 1; nothing is drawn."""
    return torch.ones(parameter_count(activation, neurons), dtype=torch.float64)


def evaluate(activation: Scaled, x: Tensor, parameters: Tensor, noise: Noise | None = None) -> Tensor:
    """a f(b x); shapes as `families.Family` has them."""
    a, b = parameters[:, :1], parameters[:, 1:]
    return a * apply(base_function(activation.base), b * x[:, 0])
