"""Learned-norm pooling (Gulcehre et al. 2014) over the P pieces of a neuron,

    u = (1/P sum_i |z_i - c_i|^p)^(1/p),    p = 1 + softplus(r),

with the centres c_i and r trained: p >= 1 keeps it a norm. Starts at c = 0 and p = 2, the root mean square.
"""

import math

import torch
from torch import Tensor

from evoact.activations import units
from evoact.activations.functions.formulas import softplus
from evoact.activations.kinds.kind import Kind, Noise, module
from evoact.genomes.kinds import LpPool
from evoact.native import pieces as native
from evoact.native.tensors import accepts

INITIAL_ORDER = 2.0
SMALLEST = 1e-30  # a distance below counts as this one: the logarithm of 0 has no derivative


def initial(activation: LpPool, sets: int, generator: torch.Generator) -> Tensor:
    """Return c_1..c_P, then r of each set; nothing is drawn."""
    one = torch.zeros(activation.pieces + 1, dtype=torch.float64)
    one[-1] = math.log(math.expm1(INITIAL_ORDER - 1))
    return one.repeat(sets, 1)


def evaluate(activation: LpPool, x: Tensor, parameters: Tensor, noise: Noise | None = None) -> Tensor:
    """Return u, scaled by the largest distance so that no power overflows; shapes as `kind.Kind` has them."""
    if accepts(x):
        return units.by_rows(unit(activation), x[:, None], parameters)[:, 0]
    return _in_pytorch(x, _centres_and_order(parameters))


def unit(activation: LpPool) -> units.NativeUnit:
    """Return the norm as the kernels have it."""
    return units.NativeUnit(native.unit(native.NORM, activation.pieces), _centres_and_order, _in_pytorch)


def _centres_and_order(parameters: Tensor) -> Tensor:
    """c_1..c_P and p of each set."""
    return torch.cat([parameters[:, :-1], 1 + softplus(parameters[:, -1:])], dim=1)


def _in_pytorch(x: Tensor, c: Tensor) -> Tensor:
    n = x.shape[1]
    order = c[:, n:]
    distances = [(x[:, i] - c[:, i, None]).abs().clamp(min=SMALLEST) for i in range(n)]
    largest = distances[0].detach()
    for distance in distances[1:]:
        largest = torch.maximum(largest, distance.detach())
    total = torch.exp(order * torch.log(distances[0] / largest))
    for distance in distances[1:]:
        total = total + torch.exp(order * torch.log(distance / largest))
    return largest * torch.exp(torch.log(total / n) / order)


KIND = Kind(
    evaluate,
    lambda activation, sets, text: module("LpPool", activation.pieces, sets=sets),
    lambda activation: activation.pieces + 1,
    initial,
    unit=unit,
)
