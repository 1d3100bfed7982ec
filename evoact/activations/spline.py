"""Scalar functions as uniform cubic splines, for functions that are dear to evaluate at every neuron.

The function is evaluated at the nodes only. The spline's coefficients are a fixed local combination
of those values, so that gradients reach whatever made the values, and it has two continuous
derivatives, which a gradient through training steps needs.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from evoact.native import spline as native


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
        """The nodes, and one beyond each end, which the coefficients there need: [nodes + 4]."""
        steps = torch.arange(-2, self.nodes + 2, dtype=like.dtype, device=like.device)
        return self.low + steps / self.per_step


def coefficients(values: Tensor) -> Tensor:
    """Coefficients [sets, nodes + 2] from values [sets, nodes + 4] at `Grid.points`.

    The quasi-interpolant c_i = (8 f_i - f_(i-1) - f_(i+1)) / 6 reproduces cubic polynomials, so its error
    is of the fourth order in the step (de Boor & Fix 1973).

    >>> x = Grid(0.0, 4.0, 5).points(torch.zeros(1, dtype=torch.float64))
    >>> bool(torch.allclose(coefficients((2 * x)[None])[0], 2 * x[1:-1]))
    True
    """
    return (8 * values[:, 1:-1] - values[:, :-2] - values[:, 2:]) / 6


def evaluate(x: Tensor, c: Tensor, grid: Grid) -> Tensor:
    """Splines at x; outside the grid they go on straight with the slope at the end.

    Args:
        x: [sets, n]
        c: [sets, nodes + 2]

    Returns:
        [sets, n], differentiable to any order with respect to both (the third derivative in x jumps at
        the nodes)
    """
    if native.accepts(x):
        result: Tensor = NativeSpline.apply(x.contiguous(), c.contiguous(), grid)
        return result
    return reference(x, c, grid)


def reference(x: Tensor, c: Tensor, grid: Grid) -> Tensor:
    """`evaluate` in PyTorch."""
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


class NativeSpline(torch.autograd.Function):
    """`reference` by the kernels."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, c: Tensor, grid: Grid) -> Tensor:
        ctx.grid = grid
        ctx.save_for_backward(x, c)
        return native.forward(x, c, grid.low, grid.per_step)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, Tensor, None]:
        x, c = ctx.saved_tensors
        grid = ctx.grid
        if torch.is_grad_enabled():  # a derivative of this derivative will be asked for
            y = reference(x, c, grid)
            grad_x, grad_c = torch.autograd.grad(y, (x, c), grads[0], create_graph=True)
            return grad_x, grad_c, None
        return *native.backward(grads[0].contiguous(), x, c, grid.low, grid.per_step), None
