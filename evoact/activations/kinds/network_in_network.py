"""Network-in-network style units (after Lin et al. 2014, equation 2) over the P pieces of a neuron,

    y = f(sum_i v_i f(z_i) + d),

with v and d shared by the neurons of the type: a small network of shape P-1 on top of the pieces, which are its
first layer. v and d start as PyTorch starts a linear layer of P inputs, uniform in +-1/sqrt(P).
"""

from functools import partial

import torch
from torch import Tensor

from evoact.activations import units
from evoact.activations.functions.base_functions import BaseFunction, apply, base_function
from evoact.activations.kinds.kind import Kind, Noise, as_it_is
from evoact.genomes.kinds import NetworkInNetwork
from evoact.native import pieces as native
from evoact.native.mixture import one_term
from evoact.native.tensors import accepts


def initial(activation: NetworkInNetwork, sets: int, generator: torch.Generator) -> Tensor:
    """Return v_1..v_P, then d of each set."""
    n = activation.pieces
    return (torch.rand(sets, n + 1, generator=generator, dtype=torch.float64) * 2 - 1) / n**0.5


def evaluate(
    activation: NetworkInNetwork, x: Tensor, parameters: Tensor, noise: Noise | None = None
) -> Tensor:
    """Return f(sum_i v_i f(z_i) + d); shapes as `kind.Kind` has them."""
    own = unit(activation) if accepts(x) else None
    if own is None:
        return _in_pytorch(x, parameters, base_function(activation.base))
    return units.by_rows(own, x[:, None], parameters)[:, 0]


def unit(activation: NetworkInNetwork) -> units.NativeUnit | None:
    """Return the network as the kernels have it, if they have its base function."""
    f = base_function(activation.base)
    term = one_term(f.core, f.input_scale, f.output_scale, f.shift)
    if term is None:
        return None
    made = native.unit(native.NETWORK, activation.pieces, term)
    return units.NativeUnit(made, as_it_is, partial(_in_pytorch, f=f))


def _in_pytorch(x: Tensor, parameters: Tensor, f: BaseFunction) -> Tensor:
    n = x.shape[1]
    total = parameters[:, n:].expand_as(x[:, 0])
    for i in range(n):
        total = torch.addcmul(total, parameters[:, i, None], apply(f, x[:, i]))
    return apply(f, total)


KIND = Kind(
    evaluate,
    lambda activation, sets, text: f"NetworkInNetwork({text(activation.base)}, {activation.pieces})",
    lambda activation: activation.pieces + 1,
    initial,
    unit=unit,
)
