"""A meta-training from proposal to result, as it runs on a worker."""

import json
from collections.abc import Mapping

import numpy as np
import torch

from evoact.activations.capture import capture
from evoact.config import Experiment
from evoact.genomes import activation_json
from evoact.genomes.activation import trains
from evoact.genomes.genome import Genome
from evoact.genomes.kinds import Activation, Captured
from evoact.genomes.meta_training import MetaTraining
from evoact.leaderboard.store.tensors import packed
from evoact.records import COMPLETED, MetaTrainProposal, MetaTrainResult
from evoact.seeding import derive
from evoact.training.isolation import ended
from evoact.training.meta.meta_train import MetaResult, meta_train

LAST = 20  # outer steps whose mean loss is reported
DIGITS = 8  # of a captured value: more than single precision has


def meta_trained(
    proposal: MetaTrainProposal, experiment: Experiment, device: torch.device, seconds: float | None
) -> MetaTrainResult:
    """Return what became of a meta-training, without the fields that are the pack's.

    It is `diverged` if its last outer loss was not finite: what it ended at trains no network. Curves are stored
    in the row, so that networks can be made of them wherever it is read, and with all else as artifact.

    Args:
        seconds: wall time allowed
    """
    e, settings = experiment, proposal.settings
    found: list[MetaResult] = []

    def train() -> None:
        found.append(learn_types(proposal.genome, settings, e, proposal.seed, device))

    state, error = ended(train, seconds)
    if not found:
        return MetaTrainResult(proposal, state, e.task.metric, e.task.direction, error=error)
    (meta,) = found
    losses = meta.losses[-LAST:]
    finite = losses[np.isfinite(losses)]
    if len(meta.losses) and not np.isfinite(meta.losses[-1]):
        state = "diverged"
        error = f"{meta.skipped} of {len(meta.losses)} outer steps were not finite, the last among them"
    curves = captured(meta, settings, proposal.seed) if state == COMPLETED else {}
    return MetaTrainResult(
        proposal,
        state,
        e.task.metric,
        e.task.direction,
        train_loss=float(finite.mean()) if len(finite) else None,
        n_parameters=sum(path.shape[1] for path in meta.trajectory.values()),
        steps_run=len(meta.losses) * settings.inner_steps,
        gradient_examples=meta.gradient_examples,
        learned_types=json.dumps(
            {s: [activation_json.to_json(a) for a in found] for s, found in curves.items()}
        ),
        skipped_steps=meta.skipped,
        beyond_grid=meta.beyond_grid,
        error=error,
        learned=artifact(meta),
    )


def learn_types(
    genome: Genome, settings: MetaTraining, e: Experiment, start: int, device: torch.device
) -> MetaResult:
    """Meta-train the types of a genome on an experiment's network and task, from start number `start`."""
    return meta_train(
        {site.site: site.types for site in genome.sites},
        e.network,
        e.task,
        settings,
        learning_rate=genome.hyperparameter("learning_rate"),
        seed=derive(e.seed, "meta-training", start),
        device=device,
    )


def captured(meta: MetaResult, settings: MetaTraining, start: int) -> dict[str, tuple[Activation, ...]]:
    """Return each site's types as curves; those without parameters as they are.

    A curve is called `START.TYPE`, with several sites `START.SITE.TYPE`.
    """
    result: dict[str, tuple[Activation, ...]] = {}
    for site, types in meta.types.items():
        scope = f"{start}.{site}" if len(meta.types) > 1 else f"{start}"
        made: list[Activation] = []
        for i, (activation, parameters) in enumerate(zip(types, meta.parameters[site], strict=True)):
            if not trains(activation):
                made.append(activation)
                continue
            curve = capture(activation, parameters, points=settings.points)
            values = tuple(float(f"{v:.{DIGITS}g}") for v in curve.values.tolist())
            low, high = curve.grid[[0, -1]].tolist()
            made.append(Captured(f"{scope}.{i}", low, high, values, settings.interpolation))
        result[site] = tuple(made)
    return result


def artifact(meta: MetaResult) -> Mapping[str, bytes]:
    """Return all that was learned as a safetensors file: each site's parameters after every outer step, the outer
    losses, and the inner learning rate at the end.
    """
    arrays = {f"{site}.trajectory": path for site, path in meta.trajectory.items()}
    arrays |= {"losses": meta.losses, "learning_rate": np.array([meta.learning_rate])}
    return {"learned.safetensors": packed(arrays)}
