"""Gains in a figure: where their marks stand, and what lies beyond the axis."""

import math
import re

from evoact.report.figures.forest import RIGHT, Effect, forest
from evoact.report.number_format import unit_of

POINTS = unit_of("accuracy")


def drawn(effects, **more):
    """The figure and, for each effect, the horizontal places of its interval."""
    figure = forest(effects, POINTS, "reference", **more)
    lines = re.findall(
        r'<line x1="([\d.]+)" y1="([\d.]+)" x2="([\d.]+)" y2="([\d.]+)" class="whisker accent"', figure.svg
    )
    level = [tuple(map(float, ends)) for ends in lines if ends[1] == ends[3]]
    return figure, [(x1, x2) for x1, _, x2, _ in level]


def zero(figure):
    return float(re.search(r'<line x1="([\d.]+)" [^>]*class="zero"', figure.svg).group(1))


def test_better_is_right_of_the_line():
    figure, places = drawn(
        [
            Effect("up", 0.02, 0.01, 0.03),
            Effect("both", 0.0, -0.01, 0.01),
            Effect("down", -0.02, -0.03, -0.01),
        ]
    )
    up, both, down = places
    assert down[1] < zero(figure) < up[0]
    assert both[0] < zero(figure) < both[1]
    assert "up +2.00 (+1.00 to +3.00)" in figure.svg


def test_what_lies_far_beyond_does_not_squeeze_the_others():
    near = [Effect(f"arm {i}", 0.01, 0.0, 0.02) for i in range(5)]
    figure, places = drawn([*near, Effect("lost", -0.5, -0.6, -0.4)])
    assert all(x2 - x1 > 20 for x1, x2 in places[:5])
    assert all(0 <= x <= RIGHT for ends in places for x in ends)
    assert "lost −50.00 (−60.00 to −40.00)" in figure.svg.replace(", ", " ")
    arrows = re.findall(r'<line x1="8.0" [^>]*class="whisker accent"', figure.svg)
    assert len(arrows) >= 2


def test_without_an_interval_only_the_gain_is_drawn():
    effect = Effect("one", 0.01, -math.inf, math.inf, "too few seeds", hollow=True)
    figure, places = drawn([effect])
    assert places == []
    assert "one +1.00, too few seeds" in figure.svg
    assert 'class="mean accent"' in figure.svg


def test_the_region_of_no_practical_difference_is_shaded():
    effects = [Effect("one", 0.02, 0.01, 0.03)]
    assert "no practical difference" not in drawn(effects)[0].svg
    figure, _ = drawn(effects, equivalence=0.005)
    x, width = map(
        float,
        re.search(r'<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)"[^>]*class="empty"', figure.svg).groups(),
    )
    assert abs(x + width / 2 - zero(figure)) < 0.2


def test_a_gain_that_is_no_number_has_no_mark():
    figure, places = drawn([Effect("lost", math.nan, -math.inf, math.inf), Effect("up", 0.02, 0.01, 0.03)])
    assert len(places) == 1
    assert "lost –" in figure.svg
    assert "nan" not in figure.svg
    figure, places = drawn([Effect("lost", math.nan, math.nan, math.nan)])
    assert not places
