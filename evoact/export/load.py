"""Finding a trained network in a run directory."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from evoact.analysis.candidates import READ, candidates, chosen, sign_of
from evoact.config import Experiment
from evoact.config.stored_plan import plan_of
from evoact.errors import UserError
from evoact.export.module import TrainedNetwork
from evoact.genomes.genome import loads
from evoact.leaderboard.ask.query import Leaderboard
from evoact.leaderboard.location import Location
from evoact.leaderboard.run_files import record_of, tensors_of
from evoact.records import COMPLETED, FRESH
from evoact.registry import lookup
from evoact.tasks import TASKS
from evoact.tasks.metrics import metric_named
from evoact.tasks.own.preprocessing import Preprocessing, Standardisation

COLUMNS = tuple(dict.fromkeys(("arm", "repeat", "genome", "label", "artifact", *READ)))


def load(
    run_dir: str | Path,
    candidate: int | None = None,
    seed: int | str | None = None,
    arm: str = "",
    repeat: int = 0,
) -> TrainedNetwork:
    """Return a confirmed network of a run as an ordinary PyTorch module, in evaluation mode.

    Args:
        run_dir: the directory of a run, or the URI of one
        candidate: its number in the leaderboard; by default the winner
        seed: of its fresh seeds; by default the one that validates best, "all" for the ensemble of them
        arm: of a comparison
        repeat: of a comparison

    Raises:
        UserError: if the directory is not a run, or holds no such network with its weights.
    """
    home = Location.of(run_dir)
    plan, record = plan_of(home, data=False), record_of(home)
    if plan.compares and not arm:
        raise UserError(
            f"expected an arm of the comparison {home.text}, got none; take one of {', '.join(plan.arms)}"
        )
    experiment = plan.part(arm, repeat)
    table = Leaderboard(home).to_arrow().select(list(COLUMNS)).to_pylist()
    rows = [r for r in table if (r["arm"], r["repeat"]) == (arm, repeat) and r["phase"] in FRESH]
    best = chosen(candidates(rows).found)
    number = candidate if candidate is not None else best.number if best else None
    own = [r for r in rows if r["candidate"] == number and r["state"] == COMPLETED and r["artifact"]]
    if not own:
        known = sorted({r["candidate"] for r in rows if r["state"] == COMPLETED})
        raise UserError(
            f"expected a confirmed candidate of {home.text}, got {number}; confirmed are "
            f"{', '.join(map(str, known)) or 'none: finish the run, with confirm.candidates of at least 1'}"
        )
    picked = _of_seed(own, seed, home)
    learned = [tensors_of(home, row) for row in picked]
    prepare, interpret = _both_ends(experiment, record)
    made = TrainedNetwork(
        loads(own[0]["genome"]),
        learned,
        experiment.network,
        experiment.task.input_shape,
        prepare,
        interpret,
        picked,
    )
    return made.eval()


def _of_seed(rows: list[dict[str, Any]], seed: int | str | None, home: Location) -> list[dict[str, Any]]:
    if seed == "all":
        return sorted(rows, key=lambda row: row["seed"])
    if seed is None:
        return [max(rows, key=lambda row: (sign_of(row["direction"]) * row["val_metric"], -row["seed"]))]
    found = [row for row in rows if row["seed"] == seed]
    if not found:
        known = ", ".join(str(row["seed"]) for row in rows)
        raise UserError(
            f"expected a fresh seed of candidate {rows[0]['candidate']} in {home.text}, one of {known} or "
            f"'all', got {seed!r}"
        )
    return found


@dataclass(frozen=True)
class OwnData:
    """Preparation of people's own data, as that of its training split."""

    preprocessing: Preprocessing

    def __call__(self, x: Any) -> Tensor:
        return torch.as_tensor(self.preprocessing.apply(x))


@dataclass(frozen=True)
class BuiltIn:
    """Preparation as a task by name does it: pixels are scaled and cropped, all else is left as it is."""

    name: str
    arguments: Mapping[str, Any]

    def __call__(self, x: np.ndarray) -> Tensor:
        task = lookup(TASKS, "task", self.name)(**self.arguments)
        return task.prepare(torch.as_tensor(x.astype(np.float32))[None], None)[0]


@dataclass(frozen=True)
class Interpretation:
    """From outputs to predictions: `classes` are the labels of the outputs, `targets` the scaling that the targets of
    a regression were given."""

    classification: bool
    classes: tuple[Any, ...] = ()
    targets: Standardisation | None = None

    def __call__(self, outputs: np.ndarray) -> np.ndarray:
        if self.classification:
            found = outputs.argmax(axis=1)
            return np.array(self.classes)[found] if self.classes else found
        return outputs if self.targets is None else outputs * self.targets.scale + self.targets.mean


def _both_ends(experiment: Experiment, record: Mapping[str, Any]) -> tuple[OwnData | BuiltIn, Interpretation]:
    """From inputs as the data has them to what the network takes, and from its outputs to predictions."""
    own = record.get("data", {}).get("preprocessing")
    classification = metric_named(experiment.task.metric).classification
    if own is None:
        named = experiment.config.task
        return BuiltIn(named.name, named.arguments), Interpretation(classification)
    known = Preprocessing.from_json(own)
    return OwnData(known), Interpretation(classification, known.classes, known.targets)
