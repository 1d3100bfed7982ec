"""Finding a trained network in a run directory, or in a directory that was exported."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from evoact.analysis.candidates import READ, candidates, chosen, sign_of
from evoact.config import Experiment, Plan
from evoact.config.inlined import plug_in_genome
from evoact.config.stored_plan import plan_of
from evoact.errors import UserError
from evoact.exports.module import Interpretation, TrainedNetwork, classifies
from evoact.exports.plain_network import tensors_in
from evoact.genomes.genome import Genome, from_json, loads
from evoact.leaderboard.ask.query import Leaderboard
from evoact.leaderboard.location import Location
from evoact.leaderboard.run_files import record_of, tensors_of
from evoact.networks import network_builder
from evoact.plugins import Plugin
from evoact.records import COMPLETED, FRESH
from evoact.tasks import task_builder
from evoact.tasks.own.preprocessing import Preprocessing

FACTS, WEIGHTS = "model.json", "model.safetensors"
AGAIN = "trained again"  # the phase of a network that is of no run
_SHOWN = (
    "run",
    "arm",
    "repeat",
    "genome",
    "label",
    "fingerprint",
    "artifact",
    "steps",
    "step_seconds_solo",
    "metric",
)
COLUMNS = tuple(dict.fromkeys((*_SHOWN, *READ)))


@dataclass(frozen=True)
class Found:
    """A confirmed candidate of a run: its networks on the seeds that were asked for, and where they are from."""

    home: Location
    plan: Plan
    experiment: Experiment
    record: Mapping[str, Any]
    rows: list[dict[str, Any]]

    @property
    def genome(self) -> Genome:
        return loads(self.rows[0]["genome"])

    @property
    def preprocessing(self) -> Preprocessing | None:
        """What was done to people's own data; None of a task by name."""
        return preprocessing_in(self.record.get("data", {}))


def module(found: Found, learned: Sequence[Mapping[str, np.ndarray]] | None = None) -> TrainedNetwork:
    """Return the networks of all seeds as one module; `learned` are their tensors, by default those of the run."""
    named, task = found.experiment.config.task, found.experiment.task
    plugins = found.experiment.plugins
    ends = _both_ends(found.preprocessing, task.metric, named.name, named.arguments, plugins)
    learned = learned or [tensors_of(found.home, row) for row in found.rows]
    network, shape = found.experiment.network, task.input_shape
    return TrainedNetwork(found.genome, learned, network, shape, *ends, found.rows).eval()


def load(
    directory: str | Path,
    candidate: int | None = None,
    seed: int | str | None = None,
    arm: str = "",
    repeat: int = 0,
) -> TrainedNetwork:
    """Return a confirmed network of a run, or an exported one; see `evoact.load`."""
    home = Location.of(directory)
    if home.child(FACTS).exists():
        return _exported(home, candidate, seed)
    return module(find(home, candidate, seed, arm, repeat, data=False))


def find(
    run_dir: str | Path | Location,
    candidate: int | None,
    seed: int | str | None,
    arm: str,
    repeat: int,
    data: bool,
) -> Found:
    """Return what a run has of a candidate; the arguments are those of `load`.

    Args:
        data: whether the task is needed with what is in it

    Raises:
        UserError: if the directory is not a run, or holds no such network with its weights.
    """
    home = Location.of(run_dir)
    plan, record = plan_of(home, data, code=True), record_of(home)
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
        known = ", ".join(map(str, sorted({r["candidate"] for r in rows if r["state"] == COMPLETED})))
        if not known:
            raise UserError(
                f"expected a run with confirmed networks, got {home.text!r} without; finish it, with "
                "confirm.candidates of at least 1"
            )
        raise UserError(f"expected a confirmed candidate of {home.text}, got {number}; confirmed are {known}")
    return Found(home, plan, experiment, record, _of_seed(own, seed, home))


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


def _exported(home: Location, candidate: int | None, seed: int | str | None) -> TrainedNetwork:
    from safetensors import SafetensorError
    from safetensors.numpy import load as read

    try:
        facts = json.loads(home.child(FACTS).read())
        state = read(home.child(WEIGHTS).read())
        row, named, task = facts["row"], facts["network"], facts["task"]
        genome = from_json(facts["genome"])
        plugins = {one["name"]: Plugin(**one) for one in facts.get("plugins", ())}
        plug_in_genome(genome, plugins)
        build = network_builder(named["name"], plugins)
        network = build(tuple(task["input_shape"]), task["n_outputs"], **named["arguments"])
        learned = tensors_in(state, network, genome)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"expected an exported network in {home.text!r}, which cannot be read ({error!r}); export it again"
        ) from None
    for what, wanted in (("candidate", candidate), ("seed", seed)):
        if wanted is not None and wanted != row[what]:
            raise UserError(f"expected {what} {row[what]}, the one in {home.text!r}, got {wanted!r}")
    ends = _both_ends(preprocessing_in(facts), task["metric"], task["name"], task["arguments"], plugins)
    return TrainedNetwork(genome, [learned], network, tuple(task["input_shape"]), *ends, [row]).eval()


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
    plugins: Mapping[str, Plugin]

    def __call__(self, x: np.ndarray) -> Tensor:
        task = task_builder(self.name, self.plugins)(**self.arguments)
        return task.prepare(torch.as_tensor(x.astype(np.float32))[None], None)[0]


def _both_ends(
    own: Preprocessing | None,
    metric: str,
    task: str,
    arguments: Mapping[str, Any],
    plugins: Mapping[str, Plugin],
) -> tuple[OwnData | BuiltIn, Interpretation]:
    """Return the way from inputs as the data has them to what the network takes, and from its outputs to predictions;
    `own` is None for a task by name."""
    classes = classifies(own, metric)
    if own is None:
        return BuiltIn(task, arguments, plugins), Interpretation(classes)
    return OwnData(own), Interpretation(classes, own)


def preprocessing_in(data: Mapping[str, Any]) -> Preprocessing | None:
    """Return the preprocessing of people's own data that a run's record or an export names; None if it names none."""
    own = data.get("preprocessing")
    return None if own is None else Preprocessing.from_json(own)
