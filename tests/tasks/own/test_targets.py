"""What targets are read as: as people expect, said where it is a decision, refused where it may be either."""

import numpy as np
import pytest

from evoact.errors import UserError
from evoact.tasks.own.targets import check_targets, read_targets

THREE = np.arange(30) % 3
ONE_HOT = np.eye(3)[THREE]
NAMES = np.array(["dog", "cat", "eel"])
EYE_9 = np.eye(9)[np.arange(27) % 9]


@pytest.mark.parametrize(
    ("y", "classes", "note"),
    [
        (THREE, (0, 1, 2), ""),
        (THREE.astype(np.uint8)[:, None], (0, 1, 2), ""),
        (THREE + 1, (1, 2, 3), "labels 1, 2, 3 in y are read as 3 classes"),
        (THREE * 100_000, (0, 100_000, 200_000), "labels 0, 100000, 200000 in y are read as 3 classes"),
        (
            THREE.astype(float),
            (0, 1, 2),
            "whole floats in y are read as 3 classes (0, 1, 2); if they are values, set",
        ),
        (THREE.astype(float)[:, None], (0, 1, 2), "whole floats"),
        (ONE_HOT, (0, 1, 2), "one-hot rows of y are read as 3 classes"),
        (ONE_HOT.astype(int), (0, 1, 2), "one-hot rows"),
        (ONE_HOT.astype(bool), (0, 1, 2), "one-hot rows"),
        (THREE.astype(bool), (False, True), ""),
        (2 * (THREE % 2) - 1, (-1, 1), "labels -1, 1 in y are read as 2 classes"),
    ],
)
def test_classes(y, classes, note):
    check_targets(y, "y")
    read = read_targets(y, "y", "auto")
    assert read.classes == classes
    expected = THREE.astype(bool) if len(classes) == 2 and classes[0] is False else THREE
    expected = THREE % 2 if classes == (-1, 1) else expected
    assert read.values.dtype == np.int64
    assert np.array_equal(read.values, expected)
    assert (note in read.notes[0]) if note else read.notes == ()


def test_names_of_classes():
    for y in (NAMES[THREE], NAMES[THREE].astype("S3")):
        read = read_targets(y, "y", "auto")
        assert [str(np.array(c).astype(str)) for c in read.classes] == ["cat", "dog", "eel"]
        assert read.values.tolist()[:3] == [1, 0, 2]


@pytest.mark.parametrize(
    ("y", "outputs"),
    [
        (np.linspace(0, 1, 30), 1),
        (np.linspace(0, 1, 30)[:, None], 1),
        (np.round(np.linspace(0, 500, 90)), 1),  # more whole numbers than classes would have
        (np.arange(8.0), 1),  # one example of each
        (np.linspace(0, 1, 60).reshape(20, 3), 3),
    ],
)
def test_values(y, outputs):
    read = read_targets(y, "y", "auto")
    assert read.classes == () == read.notes
    assert read.values.shape == (len(y), outputs)


def test_the_problem_can_be_said():
    assert read_targets(THREE.astype(float), "y", "regression").classes == ()
    assert read_targets(ONE_HOT, "y", "regression").values.shape == (30, 3)
    assert read_targets(np.arange(30), "y", "regression").values[:3].tolist() == [[0], [1], [2]]
    assert len(read_targets(np.arange(30), "y", "classification").classes) == 30
    assert read_targets(THREE - 1, "y", "classification").classes == (-1, 0, 1)


@pytest.mark.parametrize(
    ("y", "problem", "message"),
    [
        (
            np.arange(25),
            "auto",
            "25 different integers in 25 examples; set task.problem: regression or classification",
        ),
        (
            np.arange(25).astype(str),
            "auto",
            "25 different names in 25 examples; set task.problem: classification",
        ),
        (THREE - 1, "auto", "got -1, which often means an example without a label"),
        (np.zeros(9, int), "auto", "at least two classes in y, got only 0; set task.problem: regression"),
        (np.zeros(9), "auto", "values that vary in y, got the same in each of the 9"),
        (np.ones((9, 3), int), "auto", "several ones or none"),
        (np.ones((9, 3)) * [[1, 1, 0]], "auto", "several ones or none"),
        (
            np.arange(18).reshape(9, 2),
            "auto",
            r"got int64 of shape \(9, 2\); to predict the columns as values",
        ),
        (np.linspace(0, 1, 18).reshape(9, 2), "classification", "one class for each example"),
        (np.linspace(0, 1, 9), "classification", "got fractions; set task.problem: regression"),
        (
            NAMES[THREE],
            "regression",
            "numbers in y for regression, got names such as",
        ),
        (np.zeros((9, 0)), "regression", "vary"),
    ],
)
def test_what_may_be_either_is_refused(y, problem, message):
    with pytest.raises(UserError, match=message):
        read_targets(y, "y", problem)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (
            np.array([0, 1, 2**63 + 1], np.uint64),
            r"fit 64 bits with a sign in y, got 9223372036854775809 at y\[2\]",
        ),
        (np.array([[0.0], [1e300]]), r"finite numbers up to 1e\+18 in y, got 1e\+300 at y\[1, 0\]"),
        (np.array([0.0, np.nan, np.nan]), r"got nan at y\[1\] and 1 more"),
        (np.array([1, 1j]), "got complex128"),
        (np.array(["2020-01-01"], "datetime64[D]"), "datetime64"),
        (np.zeros(3, [("a", int)]), "expected numbers, booleans or names"),
    ],
)
def test_values_that_do_not_fit(y, message):
    with pytest.raises(UserError, match=message):
        check_targets(y, "y")
