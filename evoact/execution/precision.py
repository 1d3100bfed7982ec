"""`training.precision: auto`: the fastest precision here, by a measurement, of those that change no verdict.

It is chosen once, when a run starts, and stands in the run's config as a name from then on: rows, resumes and unions
know it as one that was asked for.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from evoact.config import Experiment, Plan
from evoact.execution.pack_size import LONGEST_SECONDS, UNMEASURED, room, step_seconds
from evoact.networks.lenet5 import LeNet5
from evoact.networks.mlp import MLP
from evoact.networks.precision import check_precision, precisions_of
from evoact.tasks.metrics import metric_named
from evoact.training.gpu.devices import device_for
from evoact.training.isolation import ended

AUTO = "auto"
# `benchmarks/precision.py` shows that accuracies of these networks and their ranking stay as they are, within noise.
# tf32 keeps more digits than bf16; float16 may overflow, and a regression's errors may be smaller than roundings.
HARMLESS = ("bf16", "tf32")
EXAMINED = (MLP, LeNet5)
GAIN = 1.1  # a reduced precision that is not faster by this factor is not worth a name in the rows
ROUNDS = 2


def with_precision(plan: Plan, measured: bool = True) -> Plan:
    """Return the plan with a name for `training.precision`, chosen and measured here if it is `auto`.

    All arms take what suits the first, because scores in different precisions are not to be compared. A search of a
    table is left as it is: its precision is the table's (`as_stored`).

    Args:
        measured: whether a measurement here is to choose; it says nothing of packs that train on other machines, and a
            candidate may take this process down in it

    Raises:
        UserError: if packs train here and this device lacks the precision that was asked for.
    """
    backend = plan.config.execution.backend
    if is_open(plan):
        plan = in_precision(plan, fastest(plan.first) if measured else "float32")
    if backend == "local":
        for arm in plan.arms.values():
            check_precision(arm.config.training.precision, _device(plan.first))
    return plan


def is_open(plan: Plan) -> bool:
    """Return whether a precision is yet to be chosen for what is trained."""
    auto = any(arm.config.training.precision == AUTO for arm in plan.arms.values())
    return auto and plan.config.execution.backend != "table"


def in_precision(plan: Plan, precision: str) -> Plan:
    """Return the plan, all of whose arms train in this precision.

    A comparison's arms that name one of their own keep it.
    """

    def settled(arm: Experiment) -> Experiment:
        training = arm.config.training
        if training.precision != AUTO:
            return arm
        return arm.with_config(training=training.model_copy(update={"precision": precision}))

    return replace(plan, arms={name: settled(arm) for name, arm in plan.arms.items()})


def as_stored(plan: Plan, config: Mapping[str, Any]) -> Plan:
    """Return the plan with the precision of a run's config, if it is to be chosen: it was, when that run began."""
    return in_precision(plan, config.get("training", {}).get("precision", "float32"))


def choices(made: Experiment) -> tuple[str, ...]:
    """Return the precisions among which `auto` chooses: those the device has that change no verdict of this search."""
    metric = metric_named(made.task.metric)
    safe = metric.classification and metric.percent and isinstance(made.network, EXAMINED)
    if not safe:
        return ("float32",)
    return ("float32", *(p for p in precisions_of(_device(made)) if p in HARMLESS))


def fastest(made: Experiment) -> str:
    """Return the precision in which a step of a pack is fastest, float32 unless another gains enough."""
    among = choices(made)
    if len(among) == 1:
        return "float32"
    asked = made.config.packs.size
    size = min(asked if isinstance(asked, int) else UNMEASURED, room(made))
    seconds: dict[str, float] = {}
    for _ in range(ROUNDS):  # in turn, so that what else the machine does hits all alike
        for precision in among:
            found = _seconds(made, precision, size)
            if found is None:
                return "float32"
            seconds[precision] = min(found, seconds.get(precision, found))
    best = min(among, key=lambda precision: seconds[precision])
    return best if seconds["float32"] >= GAIN * seconds[best] else "float32"


def _seconds(made: Experiment, precision: str, size: int) -> float | None:
    """Seconds of a step; None if it fails or takes too long."""
    training = made.config.training.model_copy(update={"precision": precision})
    own, found = made.with_config(training=training), list[float]()
    ended(lambda: found.append(step_seconds(own, size, 2, 4)), LONGEST_SECONDS)
    return found[0] if found else None


def _device(made: Experiment) -> torch.device:
    return device_for(made.config.execution.gpus_per_pack != 0)
