"""Sub-network activations: a base function plus a small network of one input and one output.

Choudhary et al. 2022 let each neuron type be a network 1-h-1 that starts from a base function. As in
their published code,

    y = f(x) + s (v . tanh(u x + b) + d),    s = 0.2,

with u, b, v in R^h and d in R, shared by the neurons of the type, started as PyTorch starts its
linear layers. N is a function of one number, so it is evaluated on a grid once a step and interpolated by a
cubic spline (error about 1e-6), unless asked to be exact.
"""

from typing import Any

import torch
from torch import Tensor

from evoact.activations import spline
from evoact.activations.differentiable import followed
from evoact.activations.functions.base_functions import apply, base_function
from evoact.activations.kinds.kind import Kind, Learned, Mixture, Noise, Text
from evoact.genomes.kinds import Subnetwork
from evoact.native import subnetwork as native
from evoact.native.tensors import accepts

SCALE = 0.2  # the published code's factor
UNITS_AT_ONCE = 2**15  # hidden units of a set that are evaluated together


def numbers(activation: Subnetwork) -> int:
    """Return u, b and v of length h, and d."""
    return 3 * activation.hidden + 1


def initial(activation: Subnetwork, sets: int, generator: torch.Generator) -> Tensor:
    """Return u and b uniform in +-1 (one input), v and d uniform in +-1/sqrt(h) (h inputs)."""
    h = activation.hidden
    draw = torch.rand(sets, 3 * h + 1, generator=generator, dtype=torch.float64) * 2 - 1
    draw[:, 2 * h :] /= h**0.5
    return draw


def evaluate(activation: Subnetwork, x: Tensor, parameters: Tensor, noise: Noise | None = None) -> Tensor:
    """Return f(x) + s N(x); shapes as `kind.Kind` has them."""
    z = x[:, 0]
    base = apply(base_function(activation.base), z)
    if activation.evaluation == "exact":
        return base + values(z, parameters)
    return base + spline.evaluate(z, spline_coefficients(parameters), spline.GRID)


def values(x: Tensor, parameters: Tensor) -> Tensor:
    """Return s N(x) [sets, n] at every x [sets, n], from parameters [sets, 3h + 1]."""
    return SCALE * network(x, parameters)


def spline_coefficients(parameters: Tensor) -> Tensor:
    """Return s N as splines on GRID: coefficients [sets, nodes + 2] from parameters [sets, 3h + 1]."""
    nodes = spline.GRID.points(parameters).expand(len(parameters), -1)
    return spline.coefficients(values(nodes, parameters))


def mixture(activation: Subnetwork) -> Mixture | None:
    return (
        None if activation.evaluation == "exact" else Mixture((activation.base,), spline=spline_coefficients)
    )


def learned(activation: Subnetwork) -> Learned:
    splined = activation.evaluation == "spline"
    return Learned(activation.base, values, splined, activation.hidden, moved)


def moved(parameters: Tensor, noise: Tensor) -> Tensor:
    """Return s (v . noise), [sets, T] for noise [T, h] on the hidden units."""
    h = noise.shape[1]
    return SCALE * parameters[:, 2 * h : 3 * h] @ noise.T


def network(x: Tensor, parameters: Tensor) -> Tensor:
    """Return N(x) [sets, n] at every x [sets, n], from parameters [sets, 3h + 1]."""
    if accepts(x):
        result: Tensor = NativeNetwork.apply(x.contiguous(), parameters.contiguous())
        return result
    return reference(x, parameters)


def reference(x: Tensor, parameters: Tensor) -> Tensor:
    """Return `network` in PyTorch."""
    h = (parameters.shape[-1] - 1) // 3
    u, b, v, d = parameters.split([h, h, h, 1], dim=-1)
    parts = x.split(max(1, UNITS_AT_ONCE // h), dim=1)
    # In parts: the [sets, n, h] intermediate of all would not stay in the cache.
    units = [torch.tanh(torch.addcmul(b[:, None], u[:, None], part[..., None])) for part in parts]
    return torch.cat([(unit * v[:, None]).sum(dim=2) for unit in units], dim=1) + d


class NativeNetwork(torch.autograd.Function):
    """`reference` by the kernels."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, parameters: Tensor) -> Tensor:
        ctx.save_for_backward(x, parameters)
        return native.forward(x, parameters)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        inputs = ctx.saved_tensors
        if torch.is_grad_enabled():  # a derivative of this derivative will be asked for
            return tuple(followed(reference, inputs, grads[0]))
        return native.backward(grads[0].contiguous(), *inputs)


def plain(activation: Subnetwork, sets: int, text: Text) -> str:
    name = "Subnetwork" if activation.evaluation == "exact" else "SplinedSubnetwork"
    return f"{name}({text(activation.base)}, {activation.hidden})"


KIND = Kind(evaluate, plain, numbers, initial, mixture, learned)
