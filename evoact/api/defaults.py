"""What a search of somebody's data does if nothing else is said, and how long its networks train so that all of it
fits the time."""

import os
from collections.abc import Mapping, Set
from typing import Any

from evoact.config import Experiment, Plan
from evoact.execution.pack_size import packs_at_once, step_seconds, with_pack_size

MINUTES = 5.0
DEFAULTS: Mapping[str, Any] = {"network": {"name": "mlp", "hidden": [64, 64]}, "space": "quickstart"}
EPOCHS = 20
STEPS = (200, 2000)  # the fewest and the most of a network
SHARE = 0.5  # of the time at most for baselines, confirmation and judgement: the rest is for the search
RESERVE = 2.0  # what is not the steps themselves, and a machine that others use, too
STARTING = 20.0  # seconds that Ray and its workers take until the first pack
SHORT = 1.0  # minutes, below which workers are not worth their start


def with_defaults(given: Mapping[str, Any], minutes: float | None) -> dict[str, Any]:
    """Return the keys of a config, those that nobody gave filled in."""
    made = {**DEFAULTS, **given}
    short = isinstance(minutes, (int, float)) and (minutes < SHORT or (os.cpu_count() or 1) < 2)
    if short:
        made.setdefault("execution", {"backend": "local"})
    return made


def left_open(given: Set[str]) -> Set[str]:
    """Return the keys of `training` that are to follow from the data and the time, if these are given."""
    steps = set() if {"steps", "epochs"} & given else {"steps"}
    return steps | ({"batch_size"} - given)


def chosen(made: Experiment, training: Mapping[str, Any], minutes: float | None = None) -> Experiment:
    """Return the experiment with these keys of `training`, and so many minutes for the search itself."""
    config = made.config
    update: dict[str, Any] = {"training": config.training.model_copy(update=dict(training))}
    if minutes is not None:
        update["budget"] = config.budget.model_copy(update={"minutes": minutes})
    return made.with_config(**update)


def fitted(made: Experiment, minutes: float | None, open_keys: Set[str]) -> Experiment:
    """Return the experiment with batches no larger than its data, whose stages fit a time together, by a measurement
    of its packs here.

    The number of steps is that of 20 epochs, or less if the baselines and the fresh seeds would take more than half of
    the time; the search has what they leave.

    Args:
        made: the experiment
        minutes: for everything; None for as long as its budget says
        open_keys: the keys of `training` that are to be chosen here, `steps` or `batch_size`
    """
    examples = len(made.task.splits()["train"])
    if "batch_size" in open_keys:
        made = chosen(made, {"batch_size": max(1, min(made.training.batch_size, examples))})
    if minutes is None:
        return made
    made = with_pack_size(Plan.of(made)).first
    size = made.config.packs.size
    assert isinstance(size, int)  # chosen just now
    second = 0.0  # of a network's step; what is looked up in a table takes none
    if made.config.execution.backend != "table":
        second = RESERVE * step_seconds(made, size, 2, 5) / size / packs_at_once(made)
    others = sum(n for phase, n in made.networks_by_phase.items() if phase != "search")
    ready = 60 * minutes - (STARTING if made.config.execution.backend == "ray_tune" else 0.0)
    steps = made.steps
    if "steps" in open_keys:
        least, most = STEPS
        wanted = min(EPOCHS * -(-examples // made.training.batch_size), most)
        steps = max(least, min(wanted, int(SHARE * ready / (others * second or 1.0))))
        made = chosen(made, {"steps": steps})
    return chosen(made, {}, max(ready - others * steps * second, 0.1 * ready, 1.0) / 60)
