"""Losses given as functions and by name, and metrics of what a network gives."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from evoact.errors import UserError
from evoact.tasks.digits import digits
from evoact.tasks.faulty import faulty
from evoact.tasks.metrics import example_scores, given_metric, metric_values
from evoact.tasks.objective import given_loss, with_loss
from evoact.tasks.task import ArrayTask


def regression():
    return ArrayTask((2,), 3, False, dict)


def test_losses_by_name_are_pytorchs():
    outputs, targets = torch.randn(2, 5, 3), torch.randn(1, 5, 3)
    for name, plain in (("mse", F.mse_loss), ("mae", F.l1_loss), ("huber", F.huber_loss)):
        found = with_loss(regression(), name).losses(outputs, targets, ["a", "b"])
        torch.testing.assert_close(found, torch.stack([plain(o, targets[0]) for o in outputs]))
    classes = torch.randint(0, 10, (2, 5))
    logits = torch.randn(2, 5, 10)
    found = with_loss(digits(), "cross_entropy").losses(logits, classes, ["a", "b"])
    torch.testing.assert_close(
        found, torch.stack([F.cross_entropy(o, t) for o, t in zip(logits, classes, strict=True)])
    )


def test_derivatives_by_hand_are_of_plain_cross_entropy_alone():
    assert digits().is_cross_entropy
    assert not regression().is_cross_entropy
    assert not with_loss(digits(), given_loss(F.cross_entropy, "text")).is_cross_entropy
    assert not replace(digits(), class_weights=(1.0,) * 10).is_cross_entropy


def first(outputs, targets):
    return (outputs[0] - targets).abs().mean(1)


def test_functions_are_of_one_networks_outputs_whatever_their_structure():
    outputs, targets = (torch.randn(2, 5, 3), torch.randn(2, 5)), torch.randn(1, 5, 3)
    task = replace(with_loss(regression(), given_loss(first, "text")), measure=given_metric(first))
    expected = (outputs[0] - targets).abs().mean(2)
    torch.testing.assert_close(task.losses(outputs, targets, ["a", "b"]), expected.mean(1))
    assert task.metric.startswith("first@")
    assert task.direction == "maximize"
    torch.testing.assert_close(metric_values(task.metric, outputs, targets[0]), expected.double().mean(1))
    torch.testing.assert_close(example_scores(task.metric, outputs, targets[0]), expected)


def test_mistakes_are_named():
    with pytest.raises(UserError, match="expected metric beside a loss, got 'mae' alone"):
        with_loss(regression(), None, "mae")
    with pytest.raises(UserError, match="unknown loss 'mea'"):
        with_loss(regression(), "mea")
    with pytest.raises(
        UserError, match=r"task.balanced, which weighs cross-entropy, or a loss, got both, 'mae'"
    ):
        with_loss(replace(digits(), class_weights=(1.0,) * 10), "mae")
    with pytest.raises(UserError, match="a task of arrays with a loss by name"):
        with_loss(faulty(), "mse")
    with pytest.raises(UserError, match="expected a function of outputs and targets, got 3"):
        given_loss(3, "")
    task = with_loss(regression(), given_loss(lambda y, t: (y - t).mean(), "mean"))
    with pytest.raises(
        UserError, match=r"to give a number for each of 5 examples, got \[\]; leave out the mean"
    ):
        task.losses(torch.randn(1, 5, 3), torch.randn(1, 5, 3), ["a"])
