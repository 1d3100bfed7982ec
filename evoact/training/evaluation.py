"""The outcome of a pack's members: their metrics, what they learned, whether they diverged."""

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from evoact.activations.kinds import site_count
from evoact.networks.precision import OVERFLOWS
from evoact.records import COMPLETED, CurvePoint
from evoact.tasks.metrics import example_scores, metric_values
from evoact.tasks.task import Split
from evoact.training.batches import evaluation_parts
from evoact.training.forward_pass import Counts, initial_statistics
from evoact.training.members import Checkpoint, parameter_count
from evoact.training.pack import Pack, averaged

# Evaluated at a time, so that evaluation takes no more memory than training, but no more than so many numbers of
# input, or a training batch if that is larger; never what memory is free, on which results would then depend.
EVALUATION_EXAMPLES = 250
EVALUATION_NUMBERS = 2**19
EXAMPLES = "examples"


@dataclass(frozen=True)
class Outcome:
    """The outcome of a member; `metrics` by split, `learned` the tensors that were asked for, `checkpoint` what
    a resumable member's training can go on from, `curve` its learning curve."""

    state: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    train_loss: float | None = None
    n_parameters: int = 0
    steps_run: int = 0
    seconds: float = 0.0
    error: str = ""
    learned: Mapping[str, np.ndarray] = field(default_factory=dict)
    checkpoint: Checkpoint = field(default_factory=dict)
    curve: tuple[CurvePoint, ...] = ()


@torch.no_grad()
def evaluate_members(pack: Pack, splits: Sequence[str], keep: str) -> list[Outcome]:
    """Return the outcome of every member as it now stands."""
    pack = settled(pack)
    k = len(pack.members)
    finite = are_finite(pack)
    loss = None
    if pack.recent_losses:
        # Added one by one: a reduction over a stack would round differently with the number of members.
        loss = functools.reduce(torch.add, pack.recent_losses) / len(pack.recent_losses)
        finite &= loss.isfinite()
    metrics: dict[str, Tensor] = {}
    scores: dict[str, Tensor] = {}
    for name, split in pack.task.splits().items():
        if name in splits:
            outputs, targets = answers(pack, split)
            for part in tree_leaves(outputs):
                finite &= part.flatten(1).isfinite().all(dim=1)
            metrics[name] = metric_values(pack.task.metric, outputs, targets, split)
            if keep == "all" and name.startswith("test"):  # the last one, the larger, is what stays
                scored = example_scores(pack.task.metric, outputs, targets, split)
                scores = {} if scored is None else {f"{EXAMPLES}.{name}": scored}
    return [_outcome(pack, i, bool(finite[i]), loss, metrics, keep, scores) for i in range(k)]


@torch.no_grad()
def settled(pack: Pack, most: int | None = None) -> Pack:
    """Return the pack as it is evaluated: with its weights' averages, if they are asked for, and of these the
    statistics of its batch norms, averages over the last batches of training, as `networks.network.BatchNorm` says, but
    over `most` of them.
    """
    pack = averaged(pack)
    if not pack.network.batch_norms:
        return pack
    reference = next(iter(pack.parameters.values())).detach()
    statistics = initial_statistics(pack.network, len(pack.members), reference)
    pack = replace(pack, statistics=statistics)
    batches = max(norm.batches for norm in pack.network.batch_norms.values())
    counts = Counts()
    for step in range(max(0, pack.step - min(batches, most or batches)), pack.step):
        inputs, _ = pack.batches([m.seed for m in pack.members], step)
        replace(pack, step=step).outputs(inputs, training=True, counts=counts)
    return pack


@torch.no_grad()
def answers(pack: Pack, split: Split) -> tuple[Any, Tensor]:
    """Return the members' outputs [K, n, n_outputs] for a whole split, and its targets [n, ...]; outputs of modules may
    have other structures of tensors [K, n, ...].
    """
    reference = next(iter(pack.parameters.values()))
    room = EVALUATION_NUMBERS // math.prod(pack.task.input_shape)
    size = min(EVALUATION_EXAMPLES, max(room, pack.batches.batch_size))
    parts = evaluation_parts(pack.task, split, size, reference.device, reference.dtype)
    found = [(pack.outputs(inputs), targets) for inputs, targets in parts]
    outputs = tree_map(lambda *parts: torch.cat(parts, dim=1), *(part for part, _ in found))
    return outputs, torch.cat([part for _, part in found])


def are_finite(pack: Pack) -> Tensor:
    """Return which members' parameters all are finite: bool [K]. Others will never be finite again."""
    moving = pack.trained or list(pack.parameters.values())
    finite = [p.detach().flatten(1).isfinite().all(dim=1) for p in moving]
    return torch.stack(finite).all(dim=0)


def _outcome(
    pack: Pack,
    i: int,
    finite: bool,
    loss: Tensor | None,
    metrics: Mapping[str, Tensor],
    keep: str,
    scores: Mapping[str, Tensor],
) -> Outcome:
    genome = pack.members[i].genome
    n_parameters = parameter_count(genome, pack.network)
    if not finite:
        return Outcome(
            "diverged",
            n_parameters=n_parameters,
            steps_run=pack.step - pack.members[i].start,
            error="not finite at the last step" + (f"; {OVERFLOWS}" if pack.precision == "float16" else ""),
        )
    return Outcome(
        COMPLETED,
        metrics={name: float(values[i]) for name, values in metrics.items()},
        train_loss=None if loss is None else float(loss[i]),
        n_parameters=n_parameters,
        steps_run=pack.step - pack.members[i].start,
        learned=_learned(pack, i, keep) | {name: values[i].cpu().numpy() for name, values in scores.items()},
    )


def _learned(pack: Pack, i: int, keep: str) -> dict[str, np.ndarray]:
    """The learned tensors of a member, without padding; empty tensors are skipped."""
    own = {f"{s.site}.activation": site_count(s) for s in pack.members[i].genome.sites}
    return {
        name: p[i].detach()[: own.get(name)].cpu().numpy().copy()
        for name, p in (pack.parameters | pack.statistics).items()
        if (keep == "all" or name in own) and own.get(name, 1)
    }
