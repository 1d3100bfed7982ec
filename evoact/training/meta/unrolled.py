"""Derivatives of a whole training run by the parameters of its activations.

The inner loop is a recurrence s_(t+1) = U(s_t, g_t), g_t = dL_t / dtheta, whose state s is the weights theta and
the optimizer's memory, and the outer loss is F = mean_t L_t. Reversed by hand (Maclaurin et al. 2015; Franceschi
et al. 2017, section 3.1): with the adjoint of s_(t+1) known, the update U gives that of g_t, called v, and one
second-order product

    d/d(theta, phi) [ <g_t, v> + L_t / T ]

gives what flows to theta_t and to the outer variables phi. So no graph outlives its step: what is kept is states
with their gradients, and of these only every `segment`-th, from which the others are computed again.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from evoact.training.meta.derivatives import KEPT_BYTES, Derivatives
from evoact.training.meta.inner_optimizers import InnerOptimizer, State
from evoact.training.meta.typed_sites import Prepared


@dataclass(frozen=True)
class InnerLoop:
    """Fresh networks to train as K members that all start from the weights [P]."""

    derivatives: Derivatives
    optimizer: InnerOptimizer
    start: Tensor
    steps: int


@dataclass(frozen=True)
class MetaGradient:
    """The losses [T, K] of the inner steps, the gradients of their mean over t, summed over members, by the
    prepared variables and by the learning rates [K, 1], and how many inputs lay beyond the grid."""

    losses: Tensor
    prepared: Prepared
    rate: Tensor
    beyond: Tensor


@dataclass(frozen=True)
class Moment:
    """Weights [K, P] and the optimizer's state before a step, and the gradient there."""

    weights: Tensor
    state: State
    gradient: Tensor

    @property
    def bytes(self) -> int:
        return sum(t.numel() * t.element_size() for t in (self.weights, *self.state, self.gradient))


def moments(
    loop: InnerLoop,
    prepared: Mapping[str, Tensor],
    rate: Tensor,
    losses: list[Tensor],
    beyond: list[Tensor],
) -> Iterator[Moment]:
    """Yield the inner loop, one moment for each step; losses [K] and counts are added to the lists."""
    weights = loop.start.expand(len(rate), -1).contiguous()
    loss, g = loop.derivatives.gradient(weights, prepared, 0, beyond)
    losses.append(loss)
    moment = Moment(weights, loop.optimizer.start(weights), g)
    yield moment
    for t in range(1, loop.steps):
        loss, moment = _next(loop, prepared, rate, t, moment, beyond)
        losses.append(loss)
        yield moment


def _next(
    loop: InnerLoop,
    prepared: Mapping[str, Tensor],
    rate: Tensor,
    t: int,
    moment: Moment,
    beyond: list[Tensor],
) -> tuple[Tensor, Moment]:
    """The loss at step t and its moment, from the one before."""
    with torch.no_grad():
        weights, state = loop.optimizer.update(moment.weights, moment.state, moment.gradient, rate, t - 1)
        loss, g = loop.derivatives.gradient(weights, prepared, t, beyond)
    return loss, Moment(weights, state, g)


def inner_losses(loop: InnerLoop, prepared: Mapping[str, Tensor], rate: Tensor) -> MetaGradient:
    """Return the inner loop alone; the gradients are empty."""
    losses, beyond = list[Tensor](), list[Tensor]()
    for _ in moments(loop, prepared, rate, losses, beyond):
        pass
    return MetaGradient(torch.stack(losses), {}, torch.zeros_like(rate), _total(beyond, rate))


def first_order(loop: InnerLoop, prepared: Mapping[str, Tensor], rate: Tensor) -> MetaGradient:
    """Return the mean over steps of dL_t / dphi at the weights as they are, as if those did not depend on phi, nor
    on the learning rate."""
    return unrolled(loop, prepared, rate, window=1)


def unrolled(
    loop: InnerLoop,
    prepared: Mapping[str, Tensor],
    rate: Tensor,
    window: int | None = None,
    segment: int | None = None,
) -> MetaGradient:
    """Return the exact gradient through all inner steps, or within windows of so many steps.

    Args:
        prepared: outer variables, as `typed_sites.prepare` makes them
        rate: learning rates [K, 1]
        window: steps after which the chain is cut (truncated backpropagation, Williams & Peng 1990)
        segment: steps between moments that are kept, the others being computed twice; by default 1, or
            the square root of the inner steps if all would take more than `KEPT_BYTES`

    Returns:
        Gradients that do not depend on `segment`, bit by bit.
    """
    losses, beyond = list[Tensor](), list[Tensor]()
    kept: dict[int, Moment] = {}
    for t, moment in enumerate(moments(loop, prepared, rate, losses, beyond)):
        if segment is None:
            segment = 1 if loop.steps * moment.bytes <= KEPT_BYTES else math.ceil(math.sqrt(loop.steps))
        if t % segment == 0:
            kept[t] = moment
    assert segment is not None
    total = {name: torch.zeros_like(p) for name, p in prepared.items()}
    rate_total = torch.zeros_like(rate)
    adjoints: tuple[Tensor, ...] | None = None  # none yet: no loss comes after the last update
    for t, moment in _in_reverse(loop, prepared, rate, kept, segment):
        v = None
        if adjoints is not None:
            through, before, v, by_rate = loop.optimizer.pull_back(
                moment.weights, moment.state, moment.gradient, rate, t, adjoints
            )
            rate_total += by_rate
        own, others = loop.derivatives.product(moment.weights, prepared, t, v, 1 / loop.steps)
        for name, g in zip(prepared, others, strict=True):
            total[name] += g
        if window is not None and t % window == 0:
            adjoints = None
        elif adjoints is None:
            adjoints = own, *map(torch.zeros_like, moment.state)
        else:
            adjoints = own + through, *before
    return MetaGradient(torch.stack(losses), total, rate_total, _total(beyond, rate))


def _in_reverse(
    loop: InnerLoop, prepared: Mapping[str, Tensor], rate: Tensor, kept: dict[int, Moment], segment: int
) -> Iterator[tuple[int, Moment]]:
    """All steps with their moments, the last first; `kept` is used up."""
    for start in sorted(kept, reverse=True):
        segment_moments = [kept.pop(start)]
        for t in range(start + 1, min(start + segment, loop.steps)):
            segment_moments.append(_next(loop, prepared, rate, t, segment_moments[-1], [])[1])
        while segment_moments:
            yield start + len(segment_moments) - 1, segment_moments.pop()


def _total(counts: list[Tensor], like: Tensor) -> Tensor:
    return torch.cat([c.flatten() for c in counts]).sum() if counts else like.new_zeros((), dtype=torch.int64)
