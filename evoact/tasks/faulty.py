"""A task that fails at given rates, to show that a search survives its candidates.

Which candidates fail depends on their names (fingerprint and seed) alone, so that a failing
candidate fails again when it is retried, on any worker, in any pack.
"""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from evoact.errors import UserError
from evoact.seeding import derive, generator
from evoact.tasks.task import Split, cross_entropy

EXAMPLES = 400


@dataclass(frozen=True)
class FaultyTask:
    """Two noisy spirals of points; `raises`, `hangs`, `nan` and `kills` are the rates of each failure."""

    raises: float
    hangs: float
    nan: float
    kills: float
    hang_seconds: float
    metric: str = "accuracy"
    direction: str = "maximize"
    input_shape: tuple[int, ...] = (2,)
    n_outputs: int = 2

    def splits(self) -> Mapping[str, Split]:
        result = {}
        for name in ("train", "validation", "test"):
            rng = generator("faulty", name)
            label = rng.integers(0, 2, EXAMPLES)
            angle = rng.uniform(0, 3 * np.pi, EXAMPLES)
            radius = angle / np.pi
            x = np.stack([np.cos(angle + np.pi * label), np.sin(angle + np.pi * label)], axis=1)
            noise = rng.normal(0, 0.1, x.shape)
            result[name] = Split((x * radius[:, None] + noise).astype(np.float32), label.astype(np.int64))
        return result

    def prepare(self, inputs: Tensor, seeds: Sequence[int] | None) -> Tensor:
        return inputs

    def fate(self, member: str) -> str:
        """Return `raises`, `hangs`, `nan`, `kills` or `well`, the same whenever the member is trained."""
        u = derive("faulty", member) / 2**64
        for name in ("raises", "hangs", "nan", "kills"):
            rate = getattr(self, name)
            if u < rate:
                return name
            u -= rate
        return "well"

    def losses(self, outputs: Tensor, targets: Tensor, members: Sequence[str]) -> Tensor:
        fates = [self.fate(member) for member in members]
        if "kills" in fates:
            os._exit(1)
        if "raises" in fates:
            raise RuntimeError(f"faulty task: {members[fates.index('raises')]} raises")
        if "hangs" in fates:
            time.sleep(self.hang_seconds)
        sick = torch.tensor([fate == "nan" for fate in fates], device=outputs.device)
        losses = cross_entropy(outputs, targets)
        return losses * torch.where(sick, torch.nan, 1.0).to(losses.dtype)


def faulty(
    raises: float = 0.0,
    hangs: float = 0.0,
    nan: float = 0.0,
    kills: float = 0.0,
    hang_seconds: float = 3600.0,
) -> FaultyTask:
    """Return a task that fails at rates between 0 and 1 with a sum of at most 1; a hang lasts `hang_seconds` in each
    step.

    A candidate that `kills` ends the process that trains it, as a crash in a library would: with the
    backend `local` that is the search itself, until it is resumed.

    >>> faulty(raises=1.0).fate("abc-0")
    'raises'
    """
    rates = (raises, hangs, nan, kills)
    if min(rates) < 0 or sum(rates) > 1:
        raise UserError(f"expected rates of at least 0 with a sum of at most 1 in task, got {rates}")
    return FaultyTask(raises, hangs, nan, kills, hang_seconds)
