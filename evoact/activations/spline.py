"""Scalar functions as uniform cubic splines, for functions that are expensive to evaluate at every neuron.

The function is evaluated at the nodes only. The spline's coefficients are a fixed local combination
of those values, so that gradients reach whatever made the values, and it has two continuous
derivatives, which a gradient through training steps needs.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from evoact.native import spline as native
from evoact.native.tensors import accepts


@dataclass(frozen=True)
class Grid:
    """`nodes` equally spaced nodes from `low` to `high`, both included."""

    low: float = -10.0
    high: float = 10.0
    nodes: int = 257

    @property
    def per_step(self) -> float:
        return (self.nodes - 1) / (self.high - self.low)

    def points(self, like: Tensor) -> Tensor:
        """Return the nodes, and one beyond each end, which the coefficients there need: [nodes + 4]."""
        steps = torch.arange(-2, self.nodes + 2, dtype=like.dtype, device=like.device)
        return self.low + steps / self.per_step


# Where learned functions are tabulated; beyond, they go on straight. The published curves span the same interval.
GRID = Grid()


def coefficients(values: Tensor) -> Tensor:
    """Return coefficients [sets, nodes + 2] from values [sets, nodes + 4] at `Grid.points`.

    The quasi-interpolant c_i = (8 f_i - f_(i-1) - f_(i+1)) / 6 reproduces cubic polynomials, so its error
    is of the fourth order in the step (de Boor & Fix 1973).

    >>> x = Grid(0.0, 4.0, 5).points(torch.zeros(1, dtype=torch.float64))
    >>> bool(torch.allclose(coefficients((2 * x)[None])[0], 2 * x[1:-1]))
    True
    """
    return (8 * values[:, 1:-1] - values[:, :-2] - values[:, 2:]) / 6


def evaluate(x: Tensor, c: Tensor, grid: Grid) -> Tensor:
    """Return splines at x; outside the grid they go on straight with the slope at the end.

    Args:
        x: [sets, n]
        c: [sets, nodes + 2]

    Returns:
        [sets, n], differentiable to any order with respect to both (the third derivative in x jumps at
        the nodes)
    """
    if accepts(x):
        result: Tensor = NativeSpline.apply(x.contiguous(), c.contiguous(), grid)
        return result
    return reference(x, c, grid)


def reference(x: Tensor, c: Tensor, grid: Grid) -> Tensor:
    """Return `evaluate` in PyTorch."""
    s = (x - grid.low) * grid.per_step
    inside = s.detach().nan_to_num().clamp(0, grid.nodes - 1)
    node = inside.long().clamp(max=grid.nodes - 2)
    end = s.clamp(0, grid.nodes - 1)
    t = end - node
    u = 1 - t
    k = [c.gather(1, node + j) for j in range(4)]
    value = (u**3 * k[0] + t**3 * k[3]) / 6
    value = value + (t * t * (t / 2 - 1) + 2 / 3) * k[1] + (u * u * (u / 2 - 1) + 2 / 3) * k[2]
    slope = (t * t * k[3] - u * u * k[0]) / 2 + (1.5 * t * t - 2 * t) * k[1] - (1.5 * u * u - 2 * u) * k[2]
    return value + slope * (s - end)


def value_and_slope(x: Tensor, c: Tensor, grid: Grid) -> tuple[Tensor, Tensor, Tensor]:
    """Return `evaluate` and its derivative, [sets, n] each, and a tensor of counts whose sum says how many of x
    lie outside the grid; nothing is differentiable."""
    if accepts(x):
        return native.value_slope(x.contiguous(), c.contiguous(), grid.low, grid.per_step)
    leaf = x.detach().requires_grad_()
    with torch.enable_grad():
        y = reference(leaf, c.detach(), grid)
        (slope,) = torch.autograd.grad(y.sum(), leaf)
    return y.detach(), slope, beyond(x, grid)


def tangent_gradient(
    g: Tensor, r: Tensor, x: Tensor, tx: Tensor, c: Tensor, grid: Grid
) -> tuple[Tensor, Tensor]:
    """Return the derivative of a gradient along a direction, one layer of Pearlmutter's (1994) R-operator.

    Args:
        g: the incoming gradient, [sets, n]
        r: its derivative along the direction
        x: inputs
        tx: their derivatives along the direction
        c: [sets, nodes + 2]

    Returns:
        the derivatives along the direction of the gradients by x and by c, which are the gradients
        of sum(r y) + sum(g tx y')
    """
    if accepts(x):
        rows = [t.contiguous() for t in (g, r, x, tx, c)]
        return native.tangent(rows[0], rows[1], rows[2], rows[3], rows[4], grid.low, grid.per_step)
    leaf, k = x.detach().requires_grad_(), c.detach().requires_grad_()
    with torch.enable_grad():
        y = reference(leaf, k, grid)
        (slope,) = torch.autograd.grad(y.sum(), leaf, create_graph=True)
        found: tuple[Tensor, ...] = torch.autograd.grad((r * y).sum() + (g * tx * slope).sum(), (leaf, k))
    return found[0], found[1]


def beyond(x: Tensor, grid: Grid) -> Tensor:
    """Return how many of x lie outside the grid, or are NaN."""
    return (x.clamp(grid.low, grid.high) != x).count_nonzero()


class NativeSpline(torch.autograd.Function):
    """`reference` by the kernels."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, c: Tensor, grid: Grid) -> Tensor:
        ctx.grid = grid
        ctx.save_for_backward(x, c)
        return native.forward(x, c, grid.low, grid.per_step)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, Tensor | None, None]:
        x, c = ctx.saved_tensors
        g, grid = grads[0].contiguous(), ctx.grid
        if torch.is_grad_enabled():  # a derivative of this derivative will be asked for
            return *NativeGradient.apply(g, x, c, grid), None
        return *native.backward(g, x, c, grid.low, grid.per_step, ctx.needs_input_grad[1]), None


class NativeGradient(torch.autograd.Function):
    """The gradients of `NativeSpline` as a function of the incoming gradient, x and c."""

    @staticmethod
    def forward(ctx: Any, g: Tensor, x: Tensor, c: Tensor, grid: Grid) -> tuple[Tensor, Tensor | None]:
        ctx.grid = grid
        ctx.save_for_backward(g, x, c)
        return native.backward(g, x, c, grid.low, grid.per_step, ctx.needs_input_grad[2])

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        g, x, c = ctx.saved_tensors
        grid, hx = ctx.grid, grads[0].contiguous()
        hc = torch.zeros_like(c) if grads[1] is None else grads[1].contiguous()
        if torch.is_grad_enabled():  # third derivatives, as Hamiltonian networks need them: by PyTorch
            return *_third(g, x, c, hx, hc, grid), None
        return *native.curvature(g, x, c, hx, hc, grid.low, grid.per_step), None


def _third(
    g: Tensor, x: Tensor, c: Tensor, hx: Tensor, hc: Tensor, grid: Grid
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """`native.curvature` as operations that autograd can follow again."""
    s = x.detach().requires_grad_() if not x.requires_grad else x
    k = c.detach().requires_grad_() if not c.requires_grad else c
    incoming = g.detach().requires_grad_() if not g.requires_grad else g
    first = torch.autograd.grad(reference(s, k, grid), (s, k), incoming, create_graph=True)
    found: tuple[Tensor, ...] = torch.autograd.grad(first, (incoming, s, k), (hx, hc), create_graph=True)
    return found[0], found[1], found[2]
