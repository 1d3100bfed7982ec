"""Metrics by name against scikit-learn, and the best constant prediction."""

import warnings

import numpy as np
import pytest
import sklearn.metrics as reference
import torch

from evoact.errors import UserError
from evoact.tasks.metrics import (
    METRICS,
    constant_values,
    example_scores,
    given_metric,
    metric_named,
    metric_values,
)
from evoact.tasks.own.own_data import Given, Reading, own_task
from evoact.tasks.task import Split

RNG = np.random.default_rng(0)
MEMBERS, N = 3, 200
TARGETS = RNG.normal(size=(N, 2))


def softmax(outputs):
    return torch.softmax(torch.as_tensor(outputs), dim=-1).numpy()


CLASSIFICATION = {
    "accuracy": lambda y, o: reference.accuracy_score(y, o.argmax(1)),
    "balanced_accuracy": lambda y, o: reference.balanced_accuracy_score(y, o.argmax(1)),
    "f1_macro": lambda y, o: reference.f1_score(y, o.argmax(1), average="macro"),
    "log_loss": lambda y, o: reference.log_loss(y, softmax(o)),
    "roc_auc": lambda y, o: reference.roc_auc_score(
        y, o[:, 1] - o[:, 0] if o.shape[1] == 2 else softmax(o), multi_class="ovr"
    ),
}
REGRESSION = {
    "mse": reference.mean_squared_error,
    "mae": reference.mean_absolute_error,
    "r2": reference.r2_score,
}


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("name", CLASSIFICATION)
def test_classification(name, classes):
    y = RNG.integers(0, classes, N)
    outputs = np.round(8 * RNG.normal(size=(MEMBERS, N, classes))) / 8  # with ties
    found = metric_values(name, torch.as_tensor(outputs), torch.as_tensor(y))
    assert found.numpy() == pytest.approx([CLASSIFICATION[name](y, o) for o in outputs], rel=1e-12)


@pytest.mark.parametrize("name", ["balanced_accuracy", "f1_macro"])
def test_classes_that_nobody_says_or_has_do_not_count(name):
    y, outputs = np.array([0, 0, 1, 1]), np.eye(4)[[[0, 2, 1, 1]]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that they are not in y
        expected = CLASSIFICATION[name](y, outputs[0])
    assert metric_values(name, torch.as_tensor(outputs), torch.as_tensor(y)).item() == pytest.approx(expected)


@pytest.mark.parametrize("name", REGRESSION)
def test_regression_in_the_targets_units(name):
    scale = np.array([5.0, 0.1])
    outputs = RNG.normal(size=(MEMBERS, N, 2))
    found = metric_values(
        name, torch.as_tensor(outputs), torch.as_tensor(TARGETS), Split(TARGETS, TARGETS, scale)
    )
    expected = [REGRESSION[name](TARGETS * scale, o * scale) for o in outputs]
    assert found.numpy() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_is_the_mean_of_its_examples_or_has_none(name):
    classification = METRICS[name].classification
    y = torch.as_tensor(RNG.integers(0, 2, N) if classification else TARGETS)
    outputs = torch.as_tensor(RNG.normal(size=(MEMBERS, N, 2)))
    scores = example_scores(name, outputs, y)
    assert (scores is None) == (name in ("balanced_accuracy", "roc_auc", "f1_macro", "r2"))
    if scores is not None:
        assert scores.double().mean(dim=1).numpy() == pytest.approx(
            metric_values(name, outputs, y).numpy(), rel=1e-6
        )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("accuracy", 0.7),
        ("balanced_accuracy", 0.5),
        ("roc_auc", 0.5),
        ("f1_macro", 0.7 / 1.7),
        ("log_loss", reference.log_loss([0] * 7 + [1] * 3, [[0.7, 0.3]] * 10)),
        ("mse", 0.21),
        ("mae", 0.3),
        ("r2", 0.0),
    ],
)
def test_the_best_constant(name, expected):
    y = np.array([0] * 7 + [1] * 3)
    y = y if METRICS[name].classification else y[:, None].astype(np.float32)
    found = constant_values(name, y, y, 2 if METRICS[name].classification else 1)
    assert found == pytest.approx(expected)


def test_an_unknown_metric_is_named_with_the_nearest():
    with pytest.raises(UserError, match="unknown metric 'rocauc'; did you mean 'roc_auc'"):
        metric_named("rocauc")


def gains(outputs, targets):
    """Minus the relative error: it needs values in their own units."""
    return -((outputs - targets) / targets).abs().mean(dim=1)


def test_a_function_is_given_values_in_their_own_units():
    y = RNG.uniform(1, 2, (N, 2))
    scale, mean = np.array([5.0, 0.1]), np.array([20.0, -3.0])
    split = Split(y, y, scale, mean)
    outputs = torch.as_tensor(y + RNG.normal(size=(MEMBERS, N, 2)))
    name = given_metric(gains)
    found = metric_values(name, outputs, torch.as_tensor(y), split)
    said = [torch.as_tensor(o.numpy() * scale + mean) for o in outputs]
    own = [gains(o, torch.as_tensor(y * scale + mean)).mean().item() for o in said]
    assert found.tolist() == pytest.approx(own)
    assert example_scores(name, outputs, torch.as_tensor(y), split).shape == (MEMBERS, N)
    assert np.isfinite(constant_values(name, y, y, 2, split))


def test_another_function_is_refused_by_its_digest():
    name = given_metric(gains)
    with pytest.raises(
        UserError, match=f"expected the metric gains@0000 .*, got another, {name}; give it with metric="
    ):
        metric_named("gains@0000")


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda outputs, targets: outputs.mean(), r"return a score for each example, \[2\], got \[\]"),
        (lambda outputs, targets: outputs.nothing(), "to score outputs and targets, got AttributeError"),
    ],
)
def test_functions_that_score_no_examples(function, message):
    with pytest.raises(UserError, match=message):
        own_task(Given(RNG.normal(size=(20, 2)), np.arange(20) % 2), Reading(metric=given_metric(function)))
