"""The searched hyperparameters of a genome: the learning rate, arguments of the optimizer, and those in this table."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from evoact.errors import UserError

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


def log_grid(low: float, high: float, per_decade: int) -> tuple[float, ...]:
    """Return learning rates from low to at most high, evenly spaced in the logarithm, to four significant digits.

    Rounded, so that equal settings are equal numbers and duplicates exist. People round, too: a step that is beyond
    `high` by a twentieth of a step or less is `high`.

    >>> log_grid(0.001, 0.1, 2)
    (0.001, 0.003162, 0.01, 0.03162, 0.1)
    >>> log_grid(0.001, 0.03, 2)
    (0.001, 0.003162, 0.01, 0.03)
    """
    if not (0 < low <= high < math.inf and per_decade >= 1):
        raise UserError(
            f"expected learning rates 0 < low <= high and per_decade >= 1, got {low}, {high}, {per_decade}"
        )
    if high / low > 1e300:
        raise UserError(f"expected learning rates within 300 decades, got {low} to {high}")
    steps = math.floor(per_decade * math.log10(high / low) + 0.05)
    return tuple(float(f"{min(low * 10 ** (i / per_decade), high):.4g}") for i in range(steps + 1))
