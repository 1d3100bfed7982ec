"""Maxout y = max_i z_i over the pieces of a neuron (Goodfellow et al. 2013), and probabilistic maxout
(Springenberg & Riedmiller 2013), which while training gives z_i with probability

    p_i = exp(l z_i) / sum_j exp(l z_j)

for the sharpness l; its gradient goes to the piece that was drawn. In evaluation the unit gives the
expectation sum_i p_i z_i, in one deterministic pass. Nothing beyond the pieces' own weights is trained.
"""

import torch
from torch import Tensor

from evoact.activations import units
from evoact.activations.kinds.kind import Kind, Noise
from evoact.genomes.kinds import Maxout, ProbabilisticMaxout
from evoact.native import pieces as native
from evoact.native.tensors import accepts
from evoact.native.units import LARGEST_PIECES


def evaluate(activation: Maxout, x: Tensor, parameters: Tensor, noise: Noise | None = None) -> Tensor:
    """Return max_i z_i; shapes as `kind.Kind` has them."""
    if accepts(x) and activation.pieces <= LARGEST_PIECES:
        return units.largest(x)
    return x.amax(dim=1)


def evaluate_probabilistic(
    activation: ProbabilisticMaxout, x: Tensor, parameters: Tensor, noise: Noise | None = None
) -> Tensor:
    """Return a piece drawn by `noise`, or the expectation without it; shapes as `kind.Kind` has them."""
    pieces = x.unbind(dim=1)
    largest = x.detach().amax(dim=1)
    weights = [torch.exp((z - largest) * activation.sharpness) for z in pieces]
    total = weights[0]
    for weight in weights[1:]:
        total = total + weight
    if noise is None:
        y = pieces[0] * weights[0]
        for z, weight in zip(pieces[1:], weights[1:], strict=True):
            y = torch.addcmul(y, z, weight)
        return y / total
    with torch.no_grad():  # the first piece at which the distribution function passes u
        left = noise(largest) * total
        drawn = torch.zeros_like(left, dtype=torch.int64)
        for weight in weights[:-1]:
            left = left - weight
            drawn += left > 0
    return x.gather(1, drawn[:, None]).squeeze(1)


def _in_pytorch(x: Tensor, numbers: Tensor) -> Tensor:
    return x.amax(dim=1)


def unit(activation: Maxout) -> units.NativeUnit | None:
    """Return maxout as the kernels have it."""
    if activation.pieces > LARGEST_PIECES:
        return None
    return units.NativeUnit(native.unit(native.LARGEST, activation.pieces), reference=_in_pytorch)


MAXOUT = Kind(evaluate, lambda activation, sets, text: "Maxout()", unit=unit)
PROBABILISTIC = Kind(
    evaluate_probabilistic,
    lambda activation, sets, text: f"ProbabilisticMaxout({activation.sharpness!r})",
    random=True,
)
