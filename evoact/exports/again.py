"""Training a confirmed candidate again, longer or on more data, and exporting what comes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from evoact.config import Experiment, experiment
from evoact.errors import UserError
from evoact.exports.load import AGAIN, Found, find, module
from evoact.exports.write import new_directory, write
from evoact.records import COMPLETED
from evoact.tasks.task import Split, Task
from evoact.training.gpu.devices import device_for
from evoact.training.isolation import train_isolated
from evoact.training.loop import train_pack
from evoact.training.members import Member


@dataclass(frozen=True)
class OnAllData:
    """A task that trains on its validation split, too; the test split stays apart."""

    task: Task

    @property
    def metric(self) -> str:
        return self.task.metric

    @property
    def direction(self) -> str:
        return self.task.direction

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self.task.input_shape

    @property
    def n_outputs(self) -> int:
        return self.task.n_outputs

    def splits(self) -> Mapping[str, Split]:
        splits = self.task.splits()
        both = splits["train"], splits["validation"]
        x, y = [split.inputs for split in both], [split.targets for split in both]
        if not (isinstance(x[0], np.ndarray) and isinstance(x[1], np.ndarray)):
            raise UserError(
                "expected data in memory to train on all of it, got a task whose data is read on demand"
            )
        joined = Split(np.concatenate([x[0], x[1]]), np.concatenate(y), both[0].target_scale)
        return {**splits, "train": joined}

    def prepare(self, inputs: Tensor, seeds: Sequence[int] | None) -> Tensor:
        return self.task.prepare(inputs, seeds)

    def losses(self, outputs: Tensor, targets: Tensor, members: Sequence[str]) -> Tensor:
        return self.task.losses(outputs, targets, members)


@dataclass(frozen=True)
class Plan:
    """A candidate, the experiment in which it is trained again, and as many steps."""

    found: Found
    experiment: Experiment
    all_data: bool

    @property
    def steps(self) -> int:
        return self.experiment.steps

    @property
    def about_seconds(self) -> float | None:
        """How long that took in the run, by its steps; None if the run did not measure it."""
        each = self.found.rows[0]["step_seconds_solo"]
        return None if each is None else float(each) * self.steps


def plan(
    run_dir: str | Path,
    candidate: int | None = None,
    seed: int | None = None,
    overrides: Sequence[str] = (),
    all_data: bool = False,
    arm: str = "",
    repeat: int = 0,
) -> Plan:
    """Return what `train` does; the arguments are its own."""
    for text in overrides:
        if not text.startswith("training."):
            raise UserError(
                f"expected --set training.KEY=VALUE, since the candidate stays as it is, got {text!r}; search again to "
                "change anything else"
            )
    found = find(run_dir, candidate, seed, arm, repeat, data=True)
    made = experiment(found.experiment.plain(), found.home.text, overrides=overrides)
    if all_data and made.config.training.early_stop:
        raise UserError(
            "expected training without early_stop on all data, since no validation split is left to stop by; "
            "--set training.early_stop=null"
        )
    return Plan(found, made.sharing(OnAllData(made.task)) if all_data else made, all_data)


def train(planned: Plan, directory: str | Path) -> Path:
    """Train and write the network, as `export` does.

    Raises:
        UserError: if the training failed, the directory is there already, or what `export` refuses; nothing is left
            behind then.
    """
    target = new_directory(directory)
    found, e = planned.found, planned.experiment
    row = found.rows[0]
    member = Member(found.genome, f"{row['fingerprint']}-{row['seed']}", row["seed"], planned.steps)
    work = partial(
        train_pack,
        network=e.network,
        task=e.task,
        settings=e.training,
        run_seed=e.seed,
        device=device_for(True),
        evaluate=("validation", "test", "test_large"),
        keep="all",
    )
    (outcome,) = train_isolated([member], work)
    if outcome.state != COMPLETED:
        raise UserError(
            f"expected candidate {row['candidate']} to be trained to its end, got {outcome.state} ({outcome.error}); "
            "nothing was written"
        )
    metrics = outcome.metrics
    now: dict[str, Any] = {
        "phase": AGAIN,
        "artifact": "",
        "steps": planned.steps,
        "val_metric": None if planned.all_data else metrics["validation"],
        "test_metric": metrics["test"],
        "test_large_metric": metrics.get("test_large"),
    }
    again = replace(found, rows=[row | now])
    network = module(again, [outcome.learned])
    return write(target, again, network)
