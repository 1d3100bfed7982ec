"""Columns that predict the target alone are told from those that help."""

import numpy as np
import pytest

from evoact.tasks.own.suspicions import TELLING, strength, suspicions

RNG = np.random.default_rng(0)
N = 2000
CLASSES, VALUES = RNG.integers(0, 3, N), RNG.normal(size=N)
NOISE = RNG.normal(size=N)
MISSING = np.where(CLASSES == 0, np.nan, CLASSES)


@pytest.mark.parametrize(
    ("column", "targets", "low", "high"),
    [
        (CLASSES * 7.0, CLASSES, 1, 1),
        (MISSING, CLASSES, 1, 1),
        (np.array(["u", "v", "w"], dtype=object)[CLASSES], CLASSES, 1, 1),
        (CLASSES + 0.1 * NOISE, CLASSES, TELLING, 1),
        (CLASSES + NOISE, CLASSES, 0.2, 0.7),
        (NOISE, CLASSES, 0, 0.1),
        (np.exp(VALUES), VALUES[:, None], TELLING, 1),
        (VALUES + NOISE, VALUES[:, None], 0.3, 0.7),
        (NOISE, VALUES[:, None], 0, 0.1),
        (VALUES, np.stack([VALUES, NOISE], axis=1), 0, 0.1),  # one of two targets
    ],
)
def test_strength(column, targets, low, high):
    assert low <= strength(column, targets) <= high


def test_names_of_rows_predict_nothing():
    assert strength(np.array([f"p{i}" for i in range(N)], dtype=object), CLASSES) < 0.1


def test_few_rows_say_nothing():
    assert suspicions({"a": CLASSES[:20] * 1.0}, CLASSES[:20]) == []
    assert len(suspicions({"a": CLASSES[:60] * 1.0, "b": NOISE[:60]}, CLASSES[:60])) == 1
