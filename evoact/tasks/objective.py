"""Losses by name, or given as functions, in the place of a task's own.

A function is of one network's outputs, whatever its module gives, and the targets as networks learn them, and returns
a number for each example.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils._pytree import tree_leaves

from evoact.errors import UserError, short
from evoact.registry import given, lookup, remember_by_content
from evoact.tasks.metrics import member_of
from evoact.tasks.task import ArrayTask, Task

OfExamples = Callable[[Any, Tensor], Tensor]


def _mean(errors: Tensor) -> Tensor:
    return errors.flatten(1).mean(dim=1)


# Of one network: outputs [B, ...], targets [B, ...] -> [B].
LOSSES: Mapping[str, OfExamples] = {
    "cross_entropy": lambda y, t: F.cross_entropy(y, t, reduction="none"),
    "mse": lambda y, t: _mean(F.mse_loss(y, t, reduction="none")),
    "mae": lambda y, t: _mean(F.l1_loss(y, t, reduction="none")),
    "huber": lambda y, t: _mean(F.huber_loss(y, t, reduction="none")),
}


def given_loss(loss: Any, text: str) -> str:
    """Return the name of a loss: one of the table's, or that of a function, which this process remembers from here on,
    by the digest of its text.

    Raises:
        UserError: if it is neither a name nor a function.
    """
    if isinstance(loss, str):
        return loss
    if not callable(loss):
        raise UserError(f"expected a function of outputs and targets, got {short(loss)}")
    return remember_by_content(loss, text.encode("utf-8", "surrogatepass"))


def with_loss(task: Task, loss: str | None, metric: str | None = None) -> Task:
    """Return the task with another loss, by name, and another metric.

    Raises:
        UserError: for an unknown name, or a task whose loss is its own.
    """
    if loss is None and metric is None:
        return task
    if loss is None:
        raise UserError(
            f"expected metric beside a loss, got {metric!r} alone; a task's own metric is task.metric"
        )
    if not isinstance(task, ArrayTask):
        raise UserError(f"expected a task of arrays with a loss by name, got a {type(task).__name__}")
    if task.class_weights is not None:
        raise UserError(
            f"expected task.balanced, which weighs cross-entropy, or a loss, got both, {loss!r}; leave one out"
        )
    function = given("loss", loss) if "@" in loss else lookup(LOSSES, "loss", loss)
    return replace(task, objective=_Scores(loss, function), measure=metric or task.measure)


class _Scores:
    """A function of one network's outputs as one of all members': [K, n, ...], [1 or K, n, ...] -> [K, n]."""

    def __init__(self, name: str, function: OfExamples):
        self.name, self.function = name, function

    def __call__(self, outputs: Any, targets: Tensor) -> Tensor:
        members = len(tree_leaves(outputs)[0])
        each = targets.expand(members, *targets.shape[1:])
        return torch.stack([self._of(outputs, each[k], k) for k in range(members)])

    def _of(self, outputs: Any, targets: Tensor, k: int) -> Tensor:
        found = self.function(member_of(outputs, k), targets)
        if not isinstance(found, Tensor) or found.shape != targets.shape[:1]:
            got = list(found.shape) if isinstance(found, Tensor) else short(found)
            raise UserError(
                f"expected {self.name} to give a number for each of {len(targets)} examples, got {got}; leave out the "
                "mean"
            )
        return found
