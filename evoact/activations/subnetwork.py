"""Sub-network activations: a base function plus a small network of one input and one output.

Choudhary et al. 2022 let each neuron type be a network 1-h-1 that starts from a base function. As in
their published code,

    y = f(x) + s (v . tanh(u x + b) + d),    s = 0.2,

with u, b, v in R^h and d in R, shared by the neurons of the type, started as PyTorch starts its
linear layers.
"""

import torch
from torch import Tensor

from evoact.activations.base_functions import apply, base_function
from evoact.activations.sharing import Noise
from evoact.genomes.genome import Subnetwork

SCALE = 0.2  # the published code's factor


def parameter_count(activation: Subnetwork, neurons: int) -> int:
    """Parameters of a type: u, b and v of length h, and d."""
    return 3 * activation.hidden + 1


def initial_parameters(activation: Subnetwork, neurons: int, generator: torch.Generator) -> Tensor:
    """u and b uniform in +-1 (one input), v and d uniform in +-1/sqrt(h) (h inputs)."""
    h = activation.hidden
    draw = torch.rand(3 * h + 1, generator=generator, dtype=torch.float64) * 2 - 1
    draw[2 * h :] /= h**0.5
    return draw


def evaluate(activation: Subnetwork, x: Tensor, parameters: Tensor, noise: Noise | None = None) -> Tensor:
    """f(x) + s N(x); shapes as `families.Family` has them."""
    z, h = x[:, 0], activation.hidden
    u, b, v, d = parameters.split([h, h, h, 1], dim=-1)
    total = d.expand_as(z)
    # One hidden unit at a time: the [sets, E, h] intermediate would not stay in the cache.
    for j in range(h):
        unit = torch.tanh(torch.addcmul(b[:, j, None], u[:, j, None], z))
        total = torch.addcmul(total, v[:, j, None], unit)
    return apply(base_function(activation.base), z) + SCALE * total
