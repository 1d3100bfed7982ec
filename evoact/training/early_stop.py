"""Ending the training of members that no longer improve on the validation split."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from evoact.errors import UserError
from evoact.tasks.task import metric_values
from evoact.training.evaluation import answers, settled

if TYPE_CHECKING:
    from evoact.training.packed import Pack

BEST, WAITED = "best", "waited"


@dataclass(frozen=True)
class EarlyStop:
    """A member ends when its validation metric, taken `every` so many steps, has brought no new best `patience`
    times in a row (after Prechelt 1998, who compares such rules). It stays as it is then: choosing the
    best of its evaluations would favour luck.

    Raises:
        UserError: for numbers below 1.

    >>> EarlyStop(every=100, patience=3)
    EarlyStop(every=100, patience=3)
    """

    every: int
    patience: int

    def __post_init__(self) -> None:
        for name in ("every", "patience"):
            if getattr(self, name) < 1:
                raise UserError(
                    f"expected {name} of at least 1 for early stopping, got {getattr(self, name)}"
                )


def first_progress(members: int, direction: str, device: torch.device) -> dict[str, Tensor]:
    """What is remembered of each member: its best metric so far, and for how many evaluations it has stood."""
    worst = -torch.inf if direction == "maximize" else torch.inf
    return {
        BEST: torch.full((members,), worst, dtype=torch.float64, device=device),
        WAITED: torch.zeros(members, dtype=torch.int64, device=device),
    }


def note_progress(pack: "Pack") -> None:
    """Evaluates all members on the validation split."""
    split = pack.task.splits()["validation"]
    metric = metric_values(pack.task.metric, *answers(settled(pack), split), split.target_scale)
    best = pack.progress[BEST]
    better = metric > best if pack.task.direction == "maximize" else metric < best
    pack.progress = {
        BEST: torch.where(better, metric, best),
        WAITED: torch.where(better, 0, pack.progress[WAITED] + 1),
    }


def out_of_patience(pack: "Pack") -> Tensor:
    """Which members are to end: bool [K]."""
    if pack.early_stop is None:
        return torch.zeros(len(pack.members), dtype=torch.bool)
    return pack.progress[WAITED].cpu() >= pack.early_stop.patience
