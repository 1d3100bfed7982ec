"""Adaptive piecewise linear units (Agostinelli et al. 2015, equation 1):

    y = max(0, x) + sum_s a_s max(0, -x + b_s),

with a_s and b_s trained. The start is that of the authors' published code, whose example has S = 5
hinges: a_s uniform in +-0.2, the wider the fewer hinges (here +-1/S), and b_s normal with standard
deviation 0.5.
"""

from functools import partial

import torch
from torch import Tensor

from evoact.activations import units
from evoact.activations.kinds.kind import Kind, Noise, as_it_is, module
from evoact.genomes.kinds import PiecewiseLinear
from evoact.native import pieces as native
from evoact.native.tensors import accepts

OFFSET_DEVIATION = 0.5


def initial(activation: PiecewiseLinear, sets: int, generator: torch.Generator) -> Tensor:
    """Return a_1..a_S, then b_1..b_S of each set; those of all sets are drawn together."""
    shape = (sets, activation.hinges)
    a = (torch.rand(shape, generator=generator, dtype=torch.float64) * 2 - 1) / activation.hinges
    b = torch.randn(shape, generator=generator, dtype=torch.float64) * OFFSET_DEVIATION
    return torch.cat([a, b], dim=1)


def evaluate(
    activation: PiecewiseLinear, x: Tensor, parameters: Tensor, noise: Noise | None = None
) -> Tensor:
    """Return Equation 1; shapes as `kind.Kind` has them."""
    reference = partial(_in_pytorch, hinges=activation.hinges)
    if accepts(x):
        return units.hinges(x[:, 0], parameters, activation.hinges, reference)
    return reference(x[:, 0], parameters)


def _in_pytorch(z: Tensor, parameters: Tensor, hinges: int) -> Tensor:
    y = z.clamp(min=0)
    for s in range(hinges):
        a, b = parameters[:, s, None], parameters[:, hinges + s, None]
        y = torch.addcmul(y, a, (b - z).clamp(min=0))
    return y


def unit(activation: PiecewiseLinear) -> units.NativeUnit:
    """Return the unit as the kernels have it."""
    return units.NativeUnit(native.unit(native.HINGES, 1, top=activation.hinges), as_it_is)


KIND = Kind(
    evaluate,
    lambda activation, sets, text: module("PiecewiseLinear", activation.hinges, sets=sets),
    lambda activation: 2 * activation.hinges,
    initial,
    unit=unit,
)
