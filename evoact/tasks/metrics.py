"""Metrics by name: what networks are judged by, over a whole split, in double precision.

Definitions and names are scikit-learn's (Pedregosa et al. 2011), which the tests compare with.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils._pytree import tree_leaves, tree_map_only

from evoact.registry import given, lookup, remember_by_content


class Scaled(Protocol):
    """How targets were scaled to train on, [outputs] each, None if they were not: their own units are value *
    `target_scale` + `target_mean`."""

    @property
    def target_scale(self) -> np.ndarray | None: ...

    @property
    def target_mean(self) -> np.ndarray | None: ...


# Outputs [K, n, C], targets [n] or [n, D], and how these were scaled; None if they were not.
Measure = Callable[[Tensor, Tensor, Scaled | None], Tensor]


@dataclass(frozen=True)
class Metric:
    """A metric; `scores` gives each example's contribution [K, n], whose mean it is, or None if it is no mean of
    examples: then `values` gives it [K]. `classification` is None if it is for classes and values;
    `constant` is what the best constant prediction says, in words."""

    name: str
    maximize: bool
    classification: bool | None
    scores: Measure | None
    values: Measure | None = None
    constant: str = "mean"
    percent: bool = False

    @property
    def direction(self) -> str:
        return "maximize" if self.maximize else "minimize"


def correct(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return which examples each member classifies correctly: outputs [K, B, C], targets [B] -> bool [K, B]."""
    return outputs.argmax(dim=2) == targets


def _correct(outputs: Tensor, targets: Tensor, split: Scaled | None) -> Tensor:
    return correct(outputs, targets)


def _log_losses(outputs: Tensor, targets: Tensor, split: Scaled | None) -> Tensor:
    """-ln p of each example's class, in nats."""
    log_p = F.log_softmax(outputs.double(), dim=2)
    return -log_p.gather(2, targets.expand(len(outputs), -1)[..., None])[..., 0]


def _errors(outputs: Tensor, targets: Tensor, split: Scaled | None) -> Tensor:
    errors = outputs.double() - targets.double()
    scale = None if split is None else split.target_scale
    return errors if scale is None else errors * torch.as_tensor(scale).to(errors)


def _squared(outputs: Tensor, targets: Tensor, split: Scaled | None) -> Tensor:
    return _errors(outputs, targets, split).square().flatten(2).mean(dim=2)


def _absolute(outputs: Tensor, targets: Tensor, split: Scaled | None) -> Tensor:
    return _errors(outputs, targets, split).abs().flatten(2).mean(dim=2)


def _confusion(outputs: Tensor, targets: Tensor) -> Tensor:
    """How many examples of each class were called each: [K, C, C], float64."""
    k, _, c = outputs.shape
    cells = (torch.arange(k, device=targets.device)[:, None] * c + targets) * c + outputs.argmax(dim=2)
    return torch.bincount(cells.flatten(), minlength=k * c * c).view(k, c, c).double()


def _balanced_accuracy(outputs: Tensor, targets: Tensor, split: Scaled | None) -> Tensor:
    """The mean of the recalls of the classes that have examples."""
    counts = _confusion(outputs, targets)
    there = counts[0].sum(dim=1) > 0
    recalls = counts.diagonal(dim1=1, dim2=2) / counts.sum(dim=2)
    return recalls[:, there].mean(dim=1)


def _f1_macro(outputs: Tensor, targets: Tensor, split: Scaled | None) -> Tensor:
    """The mean of 2 TP / (2 TP + FP + FN) over the classes that have examples or are said."""
    counts = _confusion(outputs, targets)
    both = counts.sum(dim=1) + counts.sum(dim=2)
    f1 = 2 * counts.diagonal(dim1=1, dim2=2) / both.clamp(min=1)
    return f1.sum(dim=1) / (both > 0).sum(dim=1)


def _roc_auc(outputs: Tensor, targets: Tensor, split: Scaled | None) -> Tensor:
    """The probability that an example of the second class has a larger score than one of the first, ties counting half
    (Hanley & McNeil 1982); of more classes the mean of each class against the rest, scored by its probability."""
    p = F.softmax(outputs.double(), dim=2)
    two = p.shape[2] == 2
    # Of two classes the difference of the outputs, which tells apart what rounds to probability 1.
    scores = (outputs[..., 1:].double() - outputs[..., :1].double()) if two else p
    labels = targets[:, None] == torch.arange(1 if two else 0, p.shape[2], device=targets.device)
    found = [
        [_area(scores[k, :, c], labels[:, c]) for c in range(scores.shape[2])] for k in range(len(scores))
    ]
    return torch.tensor(found, dtype=torch.float64).mean(dim=1)


def _area(scores: Tensor, positive: Tensor) -> float:
    ordered = scores[~positive].sort().values
    wins = torch.searchsorted(ordered, scores[positive]).double()
    wins += torch.searchsorted(ordered, scores[positive], right=True)
    return float(wins.mean() / (2 * len(ordered)))


def _r2(outputs: Tensor, targets: Tensor, split: Scaled | None) -> Tensor:
    """One minus the squared error over that of the split's own mean, averaged over the targets."""
    residual = _errors(outputs, targets, None).square().sum(dim=1)
    total = (targets.double() - targets.double().mean(dim=0)).square().sum(dim=0)
    return (1 - residual / total).mean(dim=1)


_CLASS, _SHARES = "most frequent class", "shares of the classes"
METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", True, True, _correct, constant=_CLASS, percent=True),
        Metric("balanced_accuracy", True, True, None, _balanced_accuracy, _CLASS, percent=True),
        Metric("roc_auc", True, True, None, _roc_auc, _SHARES),
        Metric("log_loss", False, True, _log_losses, constant=_SHARES),
        Metric("f1_macro", True, True, None, _f1_macro, _CLASS),
        Metric("mse", False, False, _squared),
        Metric("mae", False, False, _absolute, constant="median"),
        Metric("r2", True, False, None, _r2),
    )
}


def metric_named(name: str) -> Metric:
    """Return a metric: one of `METRICS`, or a function that this process was given.

    Raises:
        UserError: naming the nearest, if there is none of that name.
    """
    if isinstance(name, str) and "@" in name:
        return Metric(name, True, None, _scores_of(given("metric", name)))
    return lookup(METRICS, "metric", name)


def given_metric(function: Callable[[Tensor, Tensor], Tensor]) -> str:
    """Return the name of a metric of somebody's own, which this process remembers.

    Args:
        function: from outputs [n, n_outputs] (of classes before the softmax, of values in the targets' units) and
            targets [n] or [n, n_outputs] to a score for each example [n], larger is better; the metric is their mean

    >>> def hits(outputs, targets):
    ...     return (outputs.argmax(1) == targets).double()
    >>> name = given_metric(hits)
    >>> float(metric_values(name, torch.eye(2)[None], torch.tensor([0, 0]))[0])
    0.5
    """
    try:
        text = inspect.getsource(function)
    except (OSError, TypeError):  # typed at a prompt, or no function of Python
        text = repr(getattr(getattr(function, "__code__", None), "co_code", ""))
    return remember_by_content(function, text.encode("utf-8", "surrogatepass"))


def member_of(outputs: Any, k: int) -> Any:
    """Return one member's outputs [n, ...], in whatever structure of tensors they are."""
    return tree_map_only(Tensor, lambda t: t[k], outputs)


def _scores_of(function: Callable[[Tensor, Tensor], Tensor]) -> Measure:
    def scores(outputs: Any, targets: Tensor, split: Scaled | None) -> Tensor:
        if not isinstance(outputs, Tensor):  # only the function knows which of them are values
            members = range(len(tree_leaves(outputs)[0]))
            return torch.stack([function(member_of(outputs, k), targets).double() for k in members])
        outputs = outputs.double()
        if split is not None and split.target_scale is not None and split.target_mean is not None:
            scale, mean = (torch.as_tensor(v).to(outputs) for v in (split.target_scale, split.target_mean))
            outputs, targets = outputs * scale + mean, targets.double() * scale + mean
        return torch.stack([function(own, targets).double() for own in outputs])

    return scores


def in_percent(metric: str) -> bool:
    """Return whether a metric is a share that people read in per cent, its differences in points.

    >>> in_percent("accuracy"), in_percent("mse"), in_percent("one of a user's own")
    (True, False, False)
    """
    return metric in METRICS and METRICS[metric].percent


def metric_values(metric: str, outputs: Tensor, targets: Tensor, split: Scaled | None = None) -> Tensor:
    """Return the metric per member over a whole split: [K, n, C], [n, ...] -> [K], float64."""
    found = metric_named(metric)
    if found.values is not None:
        return found.values(outputs, targets, split)
    assert found.scores is not None  # a metric has one of them
    return found.scores(outputs, targets, split).double().mean(dim=1)


def example_scores(
    metric: str, outputs: Tensor, targets: Tensor, split: Scaled | None = None
) -> Tensor | None:
    """Return what each example contributes to the metric, which is their mean: bool [K, n] (classified correctly) or
    float32 [K, n]; None of a metric that is no mean of examples, such as an area under a curve."""
    scores = metric_named(metric).scores
    if scores is None:
        return None
    found = scores(outputs, targets, split)
    return found if found.dtype == torch.bool else found.float()


def constant_values(
    metric: str, train: np.ndarray, targets: np.ndarray, n_outputs: int, split: Scaled | None = None
) -> float:
    """Return the metric of the best constant prediction by the training split: its most frequent class (with the
    classes' shares as probabilities), its mean, or its median.

    >>> y = np.array([0, 0, 0, 1])
    >>> round(constant_values("accuracy", y, y, 2), 3), round(constant_values("log_loss", y, y, 2), 3)
    (0.75, 0.562)
    """
    found = metric_named(metric)
    if train.dtype.kind == "i":
        shares = np.bincount(train, minlength=n_outputs) / len(train)
        said = np.log(np.maximum(shares, np.finfo(np.float64).tiny))
    else:
        wide = train.astype(np.float64)
        said = np.median(wide, axis=0) if found.constant == "median" else wide.mean(axis=0)
    outputs = torch.as_tensor(said).expand(1, len(targets), n_outputs)
    return float(metric_values(metric, outputs, torch.as_tensor(targets), split)[0])
