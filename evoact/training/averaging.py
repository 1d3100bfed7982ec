"""Averages of the weights over the last steps of training (Polyak & Juditsky 1992; Izmailov et al. 2018).

A constant learning rate leaves weights to wander about a minimum; their mean lies nearer to it, so that a network's
metric depends less on where its training happened to stop. Sums are taken beside the training, which they do not touch.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from evoact.errors import UserError

MOST = 0.5  # then a network that is promoted, to twice the steps or more, averages over steps after its promotion alone


@dataclass(frozen=True)
class Average:
    """What is evaluated and kept of a network is the mean of its weights over the last part of its steps, a share of
    `last`, at least one step.

    Raises:
        UserError: for a share that is not above 0 and at most `MOST`.

    >>> Average(0.2).begins(500), Average(0.001).begins(500)
    (400, 499)
    """

    last: float

    def __post_init__(self) -> None:
        if not 0 < self.last <= MOST:
            raise UserError(f"expected last above 0 and at most {MOST} for averaging, got {self.last:g}")

    def begins(self, steps: int, start: int = 0) -> int:
        """Return the step after which weights count, of a training that begins at `start` and ends at `steps`."""
        return max(start, steps - max(1, math.floor(self.last * steps + 1e-9)))


def add(sums: list[Tensor], parameters: Sequence[Tensor], begins: Sequence[int], step: int) -> None:
    """Add the weights after `step` steps [K, ...] to the sums, in place, which are made when a member needs them.

    Each member's sum is emptied where its own part begins: what it held before does not count.
    """
    if step <= min(begins):
        return
    if not sums:
        sums += [torch.zeros_like(p) for p in parameters]
    first = [k for k, begin in enumerate(begins) if step == begin + 1]
    for total, p in zip(sums, parameters, strict=True):
        if first:
            total[first] = 0.0
        total.add_(p)


def mean(total: Tensor, now: Tensor, begins: Sequence[int], step: int) -> Tensor:
    """Return the mean of each member's weights so far [K, ...]; its weights as they are now before its part begins."""
    counts = torch.tensor([step - begin for begin in begins], device=now.device)
    counts = counts.view(-1, *([1] * (now.dim() - 1)))
    return torch.where(counts > 0, total / counts.clamp(min=1).to(now.dtype), now)
