"""The summary of a task's data in a line, and the metric of a constant prediction."""

import math
from typing import Any

import numpy as np

from evoact.errors import counted
from evoact.tasks.metrics import constant_values
from evoact.tasks.own.advice import span
from evoact.tasks.task import ArrayTask, Split, Task

SAMPLE = 10_000  # training examples of which the spread of features is told
CLASSES_SHOWN = 8


def understood(task: Task) -> str:
    """Return rows by split, features with their scale, classes with their numbers or the targets' scale, of the
    training split as it is stored.

    >>> from evoact.tasks.digits import digits
    >>> print(understood(digits()))  # doctest: +NORMALIZE_WHITESPACE
    1078 / 360 / 359 examples (train / validation / test) of shape 8 x 8, standard deviation 1,
    values -0.811 to 1.85, 10 classes of 96 to 122
    """
    splits = task.splits()
    train = splits["train"]
    rows = " / ".join(f"{len(split)}" for split in splits.values())
    names = " / ".join(splits)
    parts = [f"{rows} examples ({names}) {_features(train)}"]
    if isinstance(task, ArrayTask) and task.preprocessing and task.preprocessing.features:
        before = task.preprocessing.features.scale
        parts.append(f"standardised from standard deviations of {span(before)}")
    parts.append(_classes(task, train) if train.targets.dtype.kind == "i" else _values(task, train))
    return ", ".join(parts)


def notes_of(task: Task) -> tuple[str, ...]:
    """Return sentences about readings of people's own data that are a decision, or about what trains badly, and what to
    do.
    """
    return task.notes if isinstance(task, ArrayTask) else ()


def data_record(task: Task) -> dict[str, Any]:
    """Return what a run's record holds of its data, so that readers of the run need none: what was understood, the
    trivial metrics, and of people's own data what was done to it.
    """
    own = task.preprocessing if isinstance(task, ArrayTask) else None
    return {
        "understood": understood(task),
        "trivial": trivial_metrics(task),
        **({"preprocessing": own.to_json()} if own else {}),
    }


def trivial_metrics(task: Task) -> dict[str, float]:
    """Return the metric, on each split but the training split, of the best constant by the training split, such as its
    most frequent class or its mean. Who does worse has learned nothing.

    >>> from evoact.tasks.digits import digits
    >>> {name: round(value, 3) for name, value in trivial_metrics(digits()).items()}
    {'validation': 0.083, 'test': 0.086}
    """
    splits = task.splits()
    train = splits["train"].targets
    if isinstance(task, ArrayTask) and task.objective is not None:  # nobody knows what outputs are
        return {}
    return {
        name: constant_values(task.metric, train, s.targets, task.n_outputs, s)
        for name, s in splits.items()
        if name != "train"
    }


def _features(train: Split) -> str:
    shape = train.inputs.shape[1:]
    what = (
        f"of {counted(shape[0], 'feature')}" if len(shape) == 1 else f"of shape {' x '.join(map(str, shape))}"
    )
    if not isinstance(train.inputs, np.ndarray):
        return what
    some = train.inputs[:: math.ceil(len(train) / SAMPLE)]
    spread = f"values {some.min():.3g} to {some.max():.3g}"
    if len(shape) > 1:
        return f"{what}, standard deviation {some.std(dtype=np.float64):.3g}, {spread}"
    deviations = some.std(axis=0, dtype=np.float64)
    return f"{what}, standard deviations {span(deviations)}, {spread}"


def _classes(task: Task, train: Split) -> str:
    counts = np.bincount(train.targets, minlength=task.n_outputs)
    if len(counts) > CLASSES_SHOWN:
        return f"{len(counts)} classes of {counts.min()} to {counts.max()}"
    own = task.preprocessing.classes if isinstance(task, ArrayTask) and task.preprocessing else ()
    named = zip(own or range(len(counts)), counts, strict=True)
    return f"{len(counts)} classes: " + ", ".join(f"{label} ({count})" for label, count in named)


def _values(task: Task, train: Split) -> str:
    targets, scale = train.targets, 1.0 if train.target_scale is None else train.target_scale
    what = "1 target" if task.n_outputs == 1 else f"{task.n_outputs} targets"
    text = f"regression of {what}, standard deviation {span(targets.std(axis=0, dtype=np.float64) * scale)}"
    return text + (", standardised to train on" if train.target_scale is not None else "")
