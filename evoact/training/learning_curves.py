"""Learning curves: what the members of a pack are worth on their way.

A point is measured on so many examples that it takes a small share of the time of the training since the last one: all
of the validation split would take a third of it on MNIST, at a point every 100 steps.
"""

import functools
from dataclasses import replace

import numpy as np
import torch

from evoact.records import CurvePoint
from evoact.tasks.metrics import metric_values
from evoact.tasks.task import Split
from evoact.training.evaluation import answers, settled
from evoact.training.pack import Pack

# Examples of a point to examples trained on since the last: a point takes the time of a forward pass, training that of
# three or so, and half a percent is left for all else.
SHARE = 0.075
# Of these the training split has a third, and no more than so many; each split has at least the fewest.
TRAINING_PART, TRAINING_EXAMPLES, FEWEST = 1 / 3, 250, 32


@torch.no_grad()
def measured(pack: Pack, every: int | None) -> list[CurvePoint]:
    """Return the points of the members' curves, as they now are; a point is taken `every` so many steps.

    Validation and training metrics are those of the same examples every time, spread evenly over the splits; of a
    single point (None), the validation metric is that of the whole split, as at the end of a training.
    """
    splits = pack.task.splits()
    if every is None:
        return _points(settled(pack), splits["validation"], sample(splits["train"], TRAINING_EXAMPLES))
    batches = SHARE * every
    if pack.network.batch_norms:  # their statistics have half of it
        batches /= 2
    pack = settled(pack, most=max(1, round(batches)))
    examples = round(batches * pack.batches.batch_size)
    of_training = min(TRAINING_EXAMPLES, round(TRAINING_PART * examples))
    return _points(
        pack, sample(splits["validation"], examples - of_training), sample(splits["train"], of_training)
    )


def _points(pack: Pack, validation: Split, train: Split) -> list[CurvePoint]:
    """The members' points, on these examples."""
    found = [metric_values(pack.task.metric, *answers(pack, split), split) for split in (validation, train)]
    # Added one by one: a reduction over a stack would round differently with the number of members.
    losses = functools.reduce(torch.add, pack.recent_losses) / max(1, len(pack.recent_losses))
    columns = [column.double().cpu().tolist() for column in (*found, losses)]
    return [CurvePoint(pack.step, *map(_finite, values)) for values in zip(*columns, strict=True)]


def sample(split: Split, examples: int) -> Split:
    """Return so many of a split's examples, the same ones every time; all if it has no more."""
    if (wanted := max(FEWEST, examples)) >= len(split):
        return split
    rows = np.linspace(0, len(split) - 1, wanted).astype(int)
    return replace(split, inputs=split.inputs[rows], targets=split.targets[rows])


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
