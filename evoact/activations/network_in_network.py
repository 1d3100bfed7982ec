"""Network-in-network style units (after Lin et al. 2014, equation 2) over the P pieces of a neuron,

    y = f(sum_i v_i f(z_i) + d),

with v and d shared by the neurons of the type: a small network of shape P-1 on top of the pieces, which are its
first layer. v and d start as PyTorch starts a linear layer of P inputs, uniform in +-1/sqrt(P).
"""

import torch
from torch import Tensor

from evoact.activations.base_functions import apply, base_function
from evoact.activations.sharing import Noise
from evoact.genomes.genome import NetworkInNetwork


def parameter_count(activation: NetworkInNetwork, neurons: int) -> int:
    """v_1..v_P and d."""
    return activation.pieces + 1


def initial_parameters(activation: NetworkInNetwork, neurons: int, generator: torch.Generator) -> Tensor:
    n = activation.pieces
    return (torch.rand(n + 1, generator=generator, dtype=torch.float64) * 2 - 1) / n**0.5


def evaluate(
    activation: NetworkInNetwork, x: Tensor, parameters: Tensor, noise: Noise | None = None
) -> Tensor:
    """f(sum_i v_i f(z_i) + d); shapes as `families.Family` has them."""
    f, n = base_function(activation.base), activation.pieces
    total = parameters[:, n:].expand_as(x[:, 0])
    for i in range(n):
        total = torch.addcmul(total, parameters[:, i, None], apply(f, x[:, i]))
    return apply(f, total)
