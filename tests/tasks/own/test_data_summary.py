"""The line that says what was understood, and the trivial predictor."""

import json

import numpy as np
import pytest

from evoact.tasks.own.data_summary import data_record, notes_of, trivial_metrics, understood
from evoact.tasks.own.own_data import Given, Reading, own_task
from tests.tasks.test_tasks import NAMED, made

RNG = np.random.default_rng(0)
X = RNG.normal(size=(100, 2))


def task(y, **arguments):
    thirds = {"train": slice(60), "validation": slice(60, 80), "test": slice(80, 100)}
    given = {name: Given(X[rows], y[rows], name, name) for name, rows in thirds.items()}
    return own_task(given, Reading(**arguments))


def test_the_most_frequent_class_of_the_training_split():
    y = np.array([1] * 40 + [0] * 20 + [1] * 5 + [0] * 15 + [1] * 8 + [0] * 12)
    assert trivial_metrics(task(y)) == {"validation": 0.25, "test": 0.4}


@pytest.mark.parametrize("standardise", [False, True])
def test_the_mean_of_the_training_split(standardise):
    y = 1e3 * RNG.normal(size=(100, 2)) + [5e3, 0]
    expected = np.square(y[80:] - y[:60].mean(axis=0)).mean()
    assert trivial_metrics(task(y, standardise=standardise))["test"] == pytest.approx(expected, rel=1e-5)


def test_classes_and_values_are_told():
    assert understood(task(np.where(np.arange(100) % 3 == 0, "no", "yes"))).endswith(
        "2 classes: no (20), yes (40)"
    )
    line = understood(task(1e5 * np.arange(100.0), standardise=True))
    assert line.startswith(
        "60 / 20 / 20 examples (train / validation / test) of 2 features, standard deviations "
    )
    assert ", standardised from standard deviations of " in line
    assert line.endswith(", regression of 1 target, standard deviation 1.73e+06, standardised to train on")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMED)
def test_every_task_can_be_told(name, small):
    record = data_record(made(name))
    assert "\n" not in record["understood"]
    assert json.loads(json.dumps(record)) == record
    assert {"validation", "test"} <= set(record["trivial"])
    assert notes_of(made(name)) == ()
