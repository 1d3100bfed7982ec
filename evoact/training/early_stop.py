"""Ending the training of members that no longer improve on the validation split."""

from dataclasses import dataclass

import torch
from torch import Tensor

from evoact.errors import UserError

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
    """Return what is remembered of each member: its best metric so far, and for how many evaluations it has stood."""
    worst = -torch.inf if direction == "maximize" else torch.inf
    return {
        BEST: torch.full((members,), worst, dtype=torch.float64, device=device),
        WAITED: torch.zeros(members, dtype=torch.int64, device=device),
    }
