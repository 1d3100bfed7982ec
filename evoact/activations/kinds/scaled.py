"""Scaled base functions y = a f(b x), with a and b trained.

The control for claims about shape: much of what a learned function gains over its base can be gained
by scales alone. Starts at a = b = 1, the base function itself.
"""

import torch
from torch import Tensor

from evoact.activations.functions.base_functions import apply, base_function
from evoact.activations.kinds.kind import Kind, Mixture, Noise, module
from evoact.genomes.kinds import Scaled


def evaluate(activation: Scaled, x: Tensor, parameters: Tensor, noise: Noise | None = None) -> Tensor:
    """Return a f(b x); shapes as `kind.Kind` has them."""
    return output_scale(parameters) * apply(base_function(activation.base), input_scale(parameters) * x[:, 0])


def output_scale(parameters: Tensor) -> Tensor:
    """Return a [sets, 1]."""
    return parameters[:, :1]


def input_scale(parameters: Tensor) -> Tensor:
    """Return b [sets, 1]."""
    return parameters[:, 1:]


KIND = Kind(
    evaluate,
    plain=lambda activation, sets, text: module("Scaled", text(activation.base), sets=sets),
    numbers=lambda activation: 2,
    initial=lambda activation, sets, generator: torch.ones(sets, 2, dtype=torch.float64),
    mixture=lambda activation: Mixture((activation.base,), output_scale, input_scale),
)
