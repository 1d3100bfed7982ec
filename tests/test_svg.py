"""Scales, ticks and words of figures."""

import math

import numpy as np
import pytest

from evoact.svg import nice_ticks, quartiles, scale, short


@pytest.mark.parametrize("seed", range(5))
def test_ticks_are_few_and_inside(seed):
    rng = np.random.default_rng(seed)
    for _ in range(200):
        low = rng.normal() * 10 ** rng.uniform(-6, 6)
        high = low + abs(low) * 10 ** rng.uniform(-4, 4)
        ticks = nice_ticks(low, high)
        assert 1 <= len(ticks) <= 6
        assert all(low - 1e-6 * (high - low) <= t <= high + 1e-6 * (high - low) for t in ticks)
        assert ticks == sorted(set(ticks))


def test_scales_hold_all_there_is_and_nothing_at_all():
    for values in ([], [3.0], [float("nan"), 1.0], [0.0, 0.0], [-1e9, 1e9]):
        made = scale(values, 10, 90)
        known = [v for v in values if v == v]
        assert made.low < made.high
        assert all(10 <= made(v) <= 90 for v in known)
        assert made.ticks
    assert scale([0.0, -1.0], 0, 100, log=True).ticks == [1.0, 2.0, 5.0, 10.0]
    assert scale([0.001, 1000.0], 0, 100, log=True).ticks == [0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0]


def test_boxes_are_tukeys():
    assert quartiles([1, 2, 3, 4, 5]) == (1, 2, 3, 4, 5)
    assert quartiles([1, 2, 3, 4, 50])[4] == 4
    assert quartiles([2.0]) == (2, 2, 2, 2, 2)


def test_differences_of_rounding_are_none():
    """Else an axis would show nothing but the last bit of numbers."""
    for value in (0.9, 1e10, -3.0):
        made = scale([value, math.nextafter(value, math.inf)], 0, 100)
        assert made.high - made.low > 0.05 * abs(value)
        assert len(set(made.ticks)) == len(made.ticks) >= 2


def test_what_is_no_number_has_a_word():
    assert [short(v) for v in (math.nan, math.inf, -math.inf)] == ["nan", "inf", "-inf"]
    assert [short(v) for v in (999_999.9, 9_999.96, -1e-5)] == ["1e6", "9999.96", "-1e-5"]
