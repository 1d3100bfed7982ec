"""Splits that do not leak: by classes, by groups, by time."""

import numpy as np
import pytest

from evoact.errors import UserError
from evoact.tasks.own.splitting import by_classes, by_groups, by_time

RNG = np.random.default_rng(0)


def check_partition(found, n):
    assert np.array_equal(np.sort(np.concatenate(list(found.values()))), np.arange(n))


@pytest.mark.parametrize("sizes", [(70, 20, 10), (2, 2, 96), (3, 4, 5)])
def test_each_class_has_its_share_of_each_split(sizes):
    classes = RNG.permutation(np.repeat(np.arange(len(sizes)), sizes))
    for seed in range(20):
        found = by_classes(classes, seed)
        check_partition(found, len(classes))
        counts = {name: np.bincount(classes[rows], minlength=len(sizes)) for name, rows in found.items()}
        assert (counts["train"] > 0).all()
        assert np.abs(counts["train"] - 0.6 * np.array(sizes)).max() <= 1.5


@pytest.mark.parametrize("sizes", [(1, 1, 1), (50, 1, 1), (30, 30, 30, 5, 5), (4,) * 25])
def test_groups_stay_whole_and_no_split_is_empty(sizes):
    groups = RNG.permutation(np.repeat(np.arange(len(sizes)), sizes)).astype(str)
    for seed in range(10):
        found = by_groups(groups, seed)
        check_partition(found, len(groups))
        held = [set(groups[rows]) for rows in found.values()]
        assert all(held)
        assert sum(map(len, held)) == len(set.union(*held))
    if len(sizes) == 25:
        assert [len(rows) for rows in found.values()] == [60, 20, 20]


def test_the_test_has_the_latest_rows():
    time = RNG.permutation(100).astype(float)
    found = by_time(time)
    check_partition(found, 100)
    ends = [(time[rows].min(), time[rows].max()) for rows in found.values()]
    assert ends == [(0, 59), (60, 79), (80, 99)]
    tied = by_time(np.arange(100) // 30 * 1.0)
    assert [set(np.arange(100)[rows] // 30) for rows in tied.values()] == [{0, 1}, {2}, {3}]


@pytest.mark.parametrize(
    ("split", "message"),
    [
        (lambda: by_groups(np.array(["a", "b"] * 9), 0), "at least 3 groups, one for each split, got 2"),
        (lambda: by_time(np.zeros(9)), "at least 3 different times, got 1"),
        (
            lambda: by_time(np.arange(9.0), np.array(list("aaabbbccc"))),
            "whole in a split by time, got 'b' in train and validation",
        ),
    ],
)
def test_refused(split, message):
    with pytest.raises(UserError, match=message):
        split()
