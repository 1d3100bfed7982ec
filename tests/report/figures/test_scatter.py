"""Scatter plots of values that are not all numbers."""

import math

from evoact.report.figures.scatter import Point, scatter
from evoact.report.number_format import unit_of


def test_points_that_are_not_finite_are_left_out():
    points = [
        Point("one", 1.0, math.nan, "lost"),
        Point("one", 2.0, 0.3, "kept"),
        Point("two", math.inf, 0.2, "lost"),
    ]
    for some in (points, points[:1]):
        svg = scatter(some, unit_of("roc_auc"), "x", "name", front=True).svg
        assert "lost" not in svg
        assert ("kept" in svg) == (len(some) > 1)
