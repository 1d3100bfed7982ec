"""From arrays to a task: splits, checks before casts, standardisation, and what is said of data that trains badly."""

import numpy as np
import pytest
import scipy.sparse

from evoact.errors import UserError
from evoact.tasks.own.own_data import Given, Reading, own_task

RNG = np.random.default_rng(0)
N = 200
SEED = 1  # of a split that has the first example outside of training
X, Y = RNG.normal(size=(N, 3)), np.arange(N) % 2
VALUES = RNG.normal(size=N)
HUGE, NAN = X.copy(), X.copy()
HUGE[3, 1], NAN[5, 2] = 1e300, np.nan


def splits(**targets):
    return {name: Given(X[: len(y)], y, f"x_{name}", f"y_{name}") for name, y in targets.items()}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (Given(X, Y[:5]), "same n > 0"),
        (Given(X, np.array(3)), r"got \(200, 3\) and \(\)"),
        (Given(X[:0], Y[:0]), "n > 0"),
        (
            Given(X[:, 0], Y),
            r"expected x \[n, ...\], an example in each row, got shape \(200,\); save x\[:, None\]",
        ),
        (Given(X[:, :0], Y), "at least one feature"),
        (Given(X + 0j, Y), "real numbers in x, got complex128"),
        (Given(X.astype(str), Y), "real numbers in x, got <U"),
        (Given(HUGE, Y), r"single precision in x, got 1e\+300 at x\[3, 1\]; fill in or drop"),
        (Given(NAN, Y), r"got nan at x\[5, 2\]"),
        (Given(X, VALUES * 1e300), r"up to 1e\+18 in y"),
        (Given(X[:6], Y[:6]), "at least 10 examples to split, got 6"),
        (splits(train=Y, validation=Y[:1], test=Y), "at least 2 examples in x_validation, got 1"),
        (splits(train=Y, validation=Y, test=Y + 4), "got class 4 only in test .100 examples."),
        (
            splits(train=Y, validation=Y, test=VALUES),
            "splits of the same form, got x_test, y_test of .* with floats but x_train",
        ),
        (
            Given(X, np.where(np.arange(N) == 0, 7, Y)),
            "class 7 only in .*; drop these examples, or set another task.seed",
        ),
    ],
)
def test_refused(given, message):
    with pytest.raises(UserError, match=message):
        own_task(given, Reading(seed=SEED))


def test_classes_have_one_number_in_all_splits():
    task = own_task(splits(train=Y.astype(np.uint8) + 5, validation=Y[1:20] + 5, test=np.full(9, 6)))
    assert task.n_outputs == 2
    assert set(task.splits()["test"].targets) == {1}


def test_what_was_read_before_is_read_so_still():
    """Splits and values of plain arrays are those of all versions."""
    split = own_task(Given(X.astype(np.float32), Y)).splits()["validation"]
    from evoact.seeding import generator

    rows = generator("arrays", 0).permutation(N)[120:160]
    assert np.array_equal(split.inputs, X.astype(np.float32)[rows])
    assert np.array_equal(split.targets, Y[rows])


def test_standardised_over_the_training_split_alone():
    scales = np.array([1e-4, 1.0, 1e6])
    x = X * scales + 3 * scales
    task = own_task(Given(x, Y), Reading(standardise=True))
    train, test = task.splits()["train"].inputs, task.splits()["test"].inputs
    assert train.dtype == np.float32
    assert np.allclose(train.mean(axis=0), 0, atol=1e-6)
    assert np.allclose(train.std(axis=0), 1, atol=1e-6)
    assert not np.allclose(test.mean(axis=0), 0, atol=1e-3)
    assert task.preprocessing.features.mean == pytest.approx(3 * scales, rel=0.2)
    assert task.notes == ()


def test_what_single_precision_would_lose_is_standardised_before_it():
    times = 1.7e9 + np.arange(N)[:, None]
    task = own_task(Given(times, Y), Reading(standardise=True))
    assert len(np.unique(task.splits()["train"].inputs)) == 120


def test_constant_features_become_zero():
    x = np.hstack([X, np.full((N, 1), 0.1)])
    assert set(own_task(Given(x, Y), Reading(standardise=True)).splits()["test"].inputs[:, 3]) == {0}


@pytest.mark.parametrize(
    ("shape", "groups"),
    [((5, 4), 1), ((2, 5, 4), 2)],
    ids=["one pair for a signal", "a pair for each channel"],
)
def test_images_are_standardised_by_channel(shape, groups):
    x = RNG.integers(0, 256, (N, *shape)).astype(np.uint8)
    task = own_task(Given(x, Y), Reading(standardise=True))
    assert task.preprocessing.features.mean.size == groups
    assert task.splits()["train"].inputs.std() == pytest.approx(1, abs=1e-3)


def test_targets_are_standardised_and_errors_are_in_their_units():
    y = 1e5 + 2e5 * np.stack([VALUES, VALUES[::-1]], axis=1)
    task = own_task(Given(X, y), Reading(standardise=True))
    train = task.splits()["train"]
    assert np.allclose(train.targets.std(axis=0), 1, atol=1e-5)
    assert train.target_scale == pytest.approx([2e5, 2e5], rel=0.2)
    assert task.preprocessing.to_json()["targets"]["scale"] == train.target_scale.tolist()


@pytest.mark.parametrize(
    "raw", [np.zeros((5, 2)), np.zeros((5, 1)), np.zeros(3), np.array([["a", "b", "c"]])]
)
def test_arrays_of_another_shape_are_refused_at_prediction(raw):
    known = own_task(Given(X, Y), Reading(standardise=True)).preprocessing
    assert known.apply(X[:2]).shape == known.apply(scipy.sparse.csr_matrix(X[:2])).shape == (2, 3)
    with pytest.raises(UserError, match=r"expected numbers \[n, 3\], as the network was trained on, got"):
        known.apply(raw)


def test_classes_are_never_standardised():
    task = own_task(Given(X, Y), Reading(standardise=True))
    assert task.splits()["train"].target_scale is None
    assert task.preprocessing.to_json()["classes"] == [0, 1]


@pytest.mark.parametrize(
    ("x", "y", "note"),
    [
        (X, Y, ""),
        (np.hstack([X, (VALUES > 2.5)[:, None]]), Y, ""),  # a rare indicator
        (X * [1, 1, 300], Y, "1 of 3 features have a scale outside 0.1 to 10 (feature 2: mean"),
        (X * 1e-3, Y, "3 of 3 features"),
        (X + np.array([0, 50, 0]), Y, "1 of 3 features have a scale outside 0.1 to 10 (feature 1: mean 50"),
        (RNG.integers(0, 256, (N, 4, 4)), Y, "values have a scale outside 0.1 to 10 (mean 12"),
        (X, VALUES * 1e5, "targets have means of"),
        (X, VALUES * 1e-4, "targets have means of"),
        (X, np.arange(N) % 25 == 0, "class True has"),
    ],
)
def test_what_trains_badly_is_said_with_the_remedy(x, y, note):
    found = [n for n in own_task(Given(x, y)).notes if "split has no example" not in n]
    assert len(found) == bool(note)
    for sentence in found:
        assert note in sentence
        assert "task.standardise: true" in sentence or "trivial predictor" in sentence


def test_ten_equal_classes_are_not_rare():
    ten = np.arange(N) % 10
    assert own_task(splits(train=ten, validation=ten, test=ten)).notes == ()


def test_a_class_that_validation_lacks_is_said():
    (note,) = own_task(splits(train=Y, validation=Y[1::2], test=Y)).notes
    assert note.startswith(
        "the validation split has no example of class 0, so its metric says nothing about them"
    )
