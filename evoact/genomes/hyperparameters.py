"""The searched hyperparameters of a genome: the learning rate, arguments of the optimizer, and those in this table."""

from collections.abc import Mapping
from dataclasses import dataclass

LEARNING_RATE = "learning_rate"


@dataclass(frozen=True)
class Range:
    """Values from `least`, included, to `below`, excluded.

    >>> Range(0, 1).has(0), Range(0, 1).has(1)
    (True, False)
    """

    least: float
    below: float

    def has(self, value: float) -> bool:
        return self.least <= value < self.below


# Arguments of networks that a genome may have instead; all others, the learning rate aside, are the optimizer's.
# Who makes use of one reads it from the genomes of a pack's members: `dropout`, `training.forward_pass`.
OF_NETWORKS: Mapping[str, Range] = {"dropout": Range(0, 1)}
