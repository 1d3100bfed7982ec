"""Learning curves: what the members of a pack are worth on their way."""

import functools
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from evoact.records import CurvePoint
from evoact.tasks.metrics import metric_values
from evoact.tasks.task import Split
from evoact.training.evaluation import answers, settled
from evoact.training.pack import Pack

# Of the training split, evenly spread: all of it would take longer than the training in between.
TRAINING_EXAMPLES = 250


@torch.no_grad()
def measured(pack: Pack) -> tuple[Tensor, list[CurvePoint]]:
    """Return the members' metric on the validation split [K], as they now are, and the points of their curves."""
    pack = settled(pack)
    splits = pack.task.splits()
    validation, train = (
        metric_values(pack.task.metric, *answers(pack, split), split)
        for split in (splits["validation"], sample(splits["train"]))
    )
    # Added one by one: a reduction over a stack would round differently with the number of members.
    losses = functools.reduce(torch.add, pack.recent_losses) / max(1, len(pack.recent_losses))
    columns = [column.double().cpu().tolist() for column in (validation, train, losses)]
    return validation, [CurvePoint(pack.step, *map(_finite, values)) for values in zip(*columns, strict=True)]


def sample(split: Split) -> Split:
    """Return some of a split's examples, the same ones every time."""
    rows = np.linspace(0, len(split) - 1, min(len(split), TRAINING_EXAMPLES)).astype(int)
    return replace(split, inputs=split.inputs[rows], targets=split.targets[rows])


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
