"""Checks of people's own data: that inputs fit, that training sees each class, that the metric has a value."""

from collections.abc import Mapping

import numpy as np
import torch

from evoact.errors import UserError
from evoact.tasks.metrics import METRICS, Metric, metric_named
from evoact.tasks.own.targets import Targets, first_of

MORE = "give it more examples, or set another task.seed"


def check_inputs(x: np.ndarray, name: str) -> None:
    """Check, before casting, that inputs are numbers that fit single precision, an example in each row.

    Raises:
        UserError: naming the array and the value.
    """
    if x.ndim < 2:
        raise UserError(
            f"expected {name} [n, ...], an example in each row, got shape {x.shape}; save {name}[:, None] if it is "
            "one feature"
        )
    if x.dtype.kind not in "biuf":
        raise UserError(f"expected real numbers in {name}, got {x.dtype}; save the features as floats")
    if 0 in x.shape[1:]:
        raise UserError(f"expected at least one feature in {name}, got shape {x.shape}")
    wrong = ~(np.abs(x) <= np.finfo(np.float32).max) if x.dtype.kind == "f" else np.zeros(1, bool)
    if wrong.any():
        raise UserError(
            f"expected finite numbers that fit single precision in {name}, got {first_of(x, wrong, name)}; "
            "fill in or drop such values"
        )


def checked_metric(
    metric: str | None, balanced: bool, read: Targets, indices: Mapping[str, np.ndarray]
) -> str | None:
    """Return the metric's name, if it fits the targets of every split.

    Raises:
        UserError: if it is for others, or has no value on a split.
    """
    if balanced and not read.classes:
        raise UserError("expected classes with task.balanced: true, got values to predict; leave it out")
    if metric is None:
        return None
    fitting = [name for name, known in METRICS.items() if known.classification == bool(read.classes)]
    own = metric_named(metric)
    if own.classification is None:
        _check_function(own, read)
    elif metric not in fitting:
        problem = "classification" if read.classes else "regression"
        raise UserError(
            f"expected a metric for {problem} in task.metric, one of {', '.join(fitting)}, got {metric}"
        )
    for name, rows in indices.items():
        y = read.values[rows]
        if metric == "roc_auc" and len(np.unique(y)) < len(read.classes):
            raise UserError(
                f"expected every class in the {name} split for roc_auc, got some without examples; {MORE}"
            )
        if metric == "r2" and (y == y[0]).all(axis=0).any():
            raise UserError(
                f"expected values that vary in the {name} split for r2, got the same everywhere; {MORE}"
            )
    return metric


def _check_function(metric: Metric, read: Targets) -> None:
    """Whether somebody's own metric gives a score for each example."""
    y = torch.as_tensor(read.values[:2])
    outputs = torch.zeros(1, len(y), len(read.classes) or y.shape[1], dtype=torch.float64)
    name = metric.name.partition("@")[0]
    try:
        assert metric.scores is not None
        shape = list(metric.scores(outputs, y, None).shape)[1:]
    except Exception as error:  # whatever anybody's code raises
        raise UserError(
            f"expected the metric {name} to score outputs and targets, got {type(error).__name__}: {error}"
        ) from None
    if shape != [len(y)]:
        raise UserError(
            f"expected the metric {name} to return a score for each example, [{len(y)}], got {shape}"
        )


def check_classes(read: Targets, indices: Mapping[str, np.ndarray], drawn: bool) -> None:
    """Check that training sees every class; `drawn` says whether the splits are.

    Raises:
        UserError: naming a class that it does not see.
    """
    missing = set(range(len(read.classes))) - set(read.values[indices["train"]].tolist())
    if not missing:
        return
    label = min(missing)
    where = [name for name, rows in indices.items() if (read.values[rows] == label).any()]
    remedy = (
        "drop these examples, or set another task.seed" if drawn else "split again, or drop these examples"
    )
    raise UserError(
        f"expected every class among the training examples, got class {read.classes[label]!r} only in "
        f"{' and '.join(where)} ({int((read.values == label).sum())} examples), which no network could learn; {remedy}"
    )
