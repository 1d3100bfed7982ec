"""Optimizers as pure functions of parameters and state, so that training itself can be differentiated.

Those of `optimizers` update in place, which is faster but forgets. Parameters are flat, [K, P], for K
members; learning rates are [K, 1].
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

State = tuple[Tensor, ...]

# Below this a second moment counts as zero: the slope of the square root there would be endless.
LEAST_SQUARE = 1e-30


class InnerOptimizer(Protocol):
    """A differentiable update rule."""

    def start(self, p: Tensor) -> State:
        """The state before the first update of p."""
        ...

    def update(self, p: Tensor, state: State, g: Tensor, rate: Tensor, step: int) -> tuple[Tensor, State]:
        """The parameters and the state after the gradient g; `step` counts from 0."""
        ...


@dataclass(frozen=True)
class SGD:
    """u <- mu u + g, p <- p - lr u (Sutskever et al. 2013, as PyTorch writes it).

    >>> p, _ = SGD().update(torch.ones(1, 2), (), torch.ones(1, 2), torch.tensor([[0.5]]), 0)
    >>> p.tolist()
    [[0.5, 0.5]]
    """

    momentum: float = 0.0

    def start(self, p: Tensor) -> State:
        return (torch.zeros_like(p),) if self.momentum else ()

    def update(self, p: Tensor, state: State, g: Tensor, rate: Tensor, step: int) -> tuple[Tensor, State]:
        if not state:
            return p - rate * g, ()
        u = self.momentum * state[0] + g
        return p - rate * u, (u,)


@dataclass(frozen=True)
class RMSprop:
    """v <- a v + (1 - a) g^2, p <- p - lr g / (sqrt(v) + eps) (Tieleman & Hinton 2012).

    The smoothing a = 0.8 and the start v = 1 are those with which Choudhary et al. 2022 meta-train.
    """

    smoothing: float = 0.8
    second_moment: float = 1.0
    eps: float = 1e-8
    momentum: float = 0.0

    def start(self, p: Tensor) -> State:
        v = torch.full_like(p, self.second_moment)
        return (v, torch.zeros_like(p)) if self.momentum else (v,)

    def update(self, p: Tensor, state: State, g: Tensor, rate: Tensor, step: int) -> tuple[Tensor, State]:
        v = self.smoothing * state[0] + (1 - self.smoothing) * g * g
        change = g / (v.clamp(min=LEAST_SQUARE).sqrt() + self.eps)
        if not self.momentum:
            return p - rate * change, (v,)
        u = self.momentum * state[1] + change
        return p - rate * u, (v, u)


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma & Ba 2015, algorithm 1)."""

    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8

    def start(self, p: Tensor) -> State:
        return torch.zeros_like(p), torch.zeros_like(p)

    def update(self, p: Tensor, state: State, g: Tensor, rate: Tensor, step: int) -> tuple[Tensor, State]:
        m = self.beta1 * state[0] + (1 - self.beta1) * g
        v = self.beta2 * state[1] + (1 - self.beta2) * g * g
        correction = math.sqrt(1 - self.beta2 ** (step + 1))
        size = correction / (1 - self.beta1 ** (step + 1))
        root = v.clamp(min=LEAST_SQUARE).sqrt() + self.eps * correction
        return p - rate * size * m / root, (m, v)


def pull_back(
    optimizer: InnerOptimizer,
    p: Tensor,
    state: State,
    g: Tensor,
    rate: Tensor,
    step: int,
    adjoints: Sequence[Tensor],
) -> tuple[Tensor, State, Tensor, Tensor]:
    """The adjoints of p, state, g and rate before an update, given those of p and state after it.

    >>> one = torch.ones(1, 1)
    >>> p, _, g, rate = pull_back(SGD(), one, (), 3 * one, 0.1 * one, 0, [one])
    >>> p.item(), round(g.item(), 3), rate.item()
    (1.0, -0.1, -3.0)
    """
    inputs = [t.detach().requires_grad_() for t in (p, *state, g, rate)]
    with torch.enable_grad():
        after, states = optimizer.update(inputs[0], tuple(inputs[1:-2]), inputs[-2], inputs[-1], step)
        found = torch.autograd.grad((after, *states), inputs, tuple(adjoints), materialize_grads=True)
    return found[0], tuple(found[1:-2]), found[-2], found[-1]


INNER_OPTIMIZERS: Mapping[str, Callable[..., InnerOptimizer]] = {
    "adam": Adam,
    "rmsprop": RMSprop,
    "sgd": SGD,
}
