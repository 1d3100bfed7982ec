"""Schedules of the learning rate: a factor for each update, from 0.

A schedule does not know how many steps a member will be given, so a member that is trained on, under a
larger budget, goes on as if it had been given the larger one at once.
"""

import math
from collections.abc import Callable, Mapping

from evoact.errors import UserError

Schedule = Callable[[int], float]


def constant() -> Schedule:
    """Keep the learning rate as it is."""
    return lambda update: 1.0


def inverse_time(decay: float = 1e-6) -> Schedule:
    """Divide by 1 + decay * update: the `decay` of Keras' optimizers, as Manessi & Rozza 2018 use it.

    >>> inverse_time(decay=0.5)(2)
    0.5
    """
    if not 0 <= decay < math.inf:
        raise UserError(f"expected training.schedule.decay of at least 0, such as 1e-6, got {decay:g}")
    return lambda update: 1 / (1 + decay * update)


def stepwise(every: int, factor: float = 0.1) -> Schedule:
    """Multiply by `factor` after every so many updates (Caffe's policy `step`; for AlexNet every 100,000).

    >>> stepwise(every=10)(25) == 0.1**2
    True
    """
    if every < 1 or not 0 < factor <= 1:
        raise UserError(
            "expected training.schedule.every of at least 1 and factor above 0 and at most 1, "
            f"got {every} and {factor:g}"
        )
    return lambda update: factor ** (update // every)


def cosine(steps: int, floor: float = 0.0) -> Schedule:
    """Follow half a cosine from 1 down to `floor` over `steps` updates (Loshchilov & Hutter 2017, equation (5),
    without restarts), `floor` from then on.

    >>> cosine(steps=100)(50)
    0.5
    """
    if steps < 1 or not 0 <= floor <= 1:
        raise UserError(
            f"expected training.schedule.steps of at least 1 and floor from 0 to 1, got {steps} and {floor:g}"
        )
    return lambda update: floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(update / steps, 1.0)))


SCHEDULES: Mapping[str, Callable[..., Schedule]] = {
    "constant": constant,
    "inverse_time": inverse_time,
    "stepwise": stepwise,
    "cosine": cosine,
}
