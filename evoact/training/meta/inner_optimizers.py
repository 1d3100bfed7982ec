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
Adjoints = tuple[Tensor, State, Tensor, Tensor]  # of parameters, state, gradient and learning rates

# Below this a second moment counts as zero: the slope of the square root there would be infinite.
LEAST_SQUARE = 1e-30


class InnerOptimizer(Protocol):
    """A differentiable update rule."""

    def start(self, p: Tensor) -> State:
        """Return the state before the first update of p."""
        ...

    def update(self, p: Tensor, state: State, g: Tensor, rate: Tensor, step: int) -> tuple[Tensor, State]:
        """Return the parameters and the state after the gradient g; `step` counts from 0."""
        ...

    def pull_back(
        self, p: Tensor, state: State, g: Tensor, rate: Tensor, step: int, adjoints: Sequence[Tensor]
    ) -> Adjoints:
        """Return the adjoints of p, state, g and rate before an update, given those of p and state after it."""
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

    def pull_back(
        self, p: Tensor, state: State, g: Tensor, rate: Tensor, step: int, adjoints: Sequence[Tensor]
    ) -> Adjoints:
        a = adjoints[0]
        if not state:
            return a, (), -rate * a, _by_rate(a, g)
        u = self.momentum * state[0] + g
        to_u = adjoints[1] - rate * a
        return a, (self.momentum * to_u,), to_u, _by_rate(a, u)


@dataclass(frozen=True)
class RMSprop:
    """v <- alpha v + (1 - alpha) g^2, p <- p - lr g / (sqrt(v) + eps) (Tieleman & Hinton 2012).

    The smoothing `alpha` = 0.8 and the start v = 1 are those with which Choudhary et al. 2022 meta-train.
    """

    alpha: float = 0.8
    second_moment: float = 1.0
    eps: float = 1e-8
    momentum: float = 0.0

    def start(self, p: Tensor) -> State:
        v = torch.full_like(p, self.second_moment)
        return (v, torch.zeros_like(p)) if self.momentum else (v,)

    def update(self, p: Tensor, state: State, g: Tensor, rate: Tensor, step: int) -> tuple[Tensor, State]:
        v = self.alpha * state[0] + (1 - self.alpha) * g * g
        change = g / (v.clamp(min=LEAST_SQUARE).sqrt() + self.eps)
        if not self.momentum:
            return p - rate * change, (v,)
        u = self.momentum * state[1] + change
        return p - rate * u, (v, u)

    def pull_back(
        self, p: Tensor, state: State, g: Tensor, rate: Tensor, step: int, adjoints: Sequence[Tensor]
    ) -> Adjoints:
        a = adjoints[0]
        v = torch.addcmul(self.alpha * state[0], g, g, value=1 - self.alpha)
        root = v.clamp(min=LEAST_SQUARE).sqrt_()
        below = root + self.eps
        change = g / below
        if self.momentum:
            u = torch.add(change, state[1], alpha=self.momentum)
            to_change = adjoints[2] - rate * a
            rest: State = (self.momentum * to_change,)
        else:
            u, to_change, rest = change, -rate * a, ()
        by_change = to_change / below
        through_root = (by_change * change / root).masked_fill_(v < LEAST_SQUARE, 0)
        to_v = torch.sub(adjoints[1], through_root, alpha=0.5)
        to_g = torch.addcmul(by_change, g, to_v, value=2 * (1 - self.alpha))
        return a, (self.alpha * to_v, *rest), to_g, _by_rate(a, u)


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
        self, p: Tensor, state: State, g: Tensor, rate: Tensor, step: int, adjoints: Sequence[Tensor]
    ) -> Adjoints:
        return pull_back_by_autograd(self, p, state, g, rate, step, adjoints)


def pull_back_by_autograd(
    optimizer: InnerOptimizer,
    p: Tensor,
    state: State,
    g: Tensor,
    rate: Tensor,
    step: int,
    adjoints: Sequence[Tensor],
) -> Adjoints:
    """Return `InnerOptimizer.pull_back` from `update`, for rules that are not worth writing out.

    >>> one = torch.ones(1, 1)
    >>> p, _, g, rate = pull_back_by_autograd(SGD(), one, (), 3 * one, 0.1 * one, 0, [one])
    >>> p.item(), round(g.item(), 3), rate.item()
    (1.0, -0.1, -3.0)
    """
    inputs = [t.detach().requires_grad_() for t in (p, *state, g, rate)]
    with torch.enable_grad():
        after, states = optimizer.update(inputs[0], tuple(inputs[1:-2]), inputs[-2], inputs[-1], step)
        found = torch.autograd.grad((after, *states), inputs, tuple(adjoints), materialize_grads=True)
    return found[0], tuple(found[1:-2]), found[-2], found[-1]


def _by_rate(a: Tensor, u: Tensor) -> Tensor:
    """The adjoint [K, 1] of the rate in p - rate u."""
    return -(a * u).sum(dim=1, keepdim=True)


INNER_OPTIMIZERS: Mapping[str, Callable[..., InnerOptimizer]] = {
    "adam": Adam,
    "rmsprop": RMSprop,
    "sgd": SGD,
}
