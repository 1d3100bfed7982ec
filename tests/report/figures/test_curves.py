"""A row for each site of a network, in the colours of its functions."""

import re

import numpy as np

from evoact.analysis.activation_curves import TypeCurves
from evoact.report.figures.curves import COLUMNS, curves_figure

X = np.linspace(-4, 4, 9)


def curves(site, function, count, y, sets=1):
    return TypeCurves(site, function, function, count, X, np.atleast_2d(y), sets)


def test_a_row_for_each_site():
    found = [
        curves("first", "relu", 6, np.maximum(X, 0)),
        curves("first", "sin", 2, np.sin(X)),
        curves("last", "sin", 4, np.sin(X)),
    ]
    figure = curves_figure(found, "c", "Curves")
    assert re.findall(r">(\w+), (\d+) neurons<", figure.svg) == [("first", "8"), ("last", "4")]
    widths = [float(w) for w in re.findall(r'<rect [^>]*width="([\d.]+)"', figure.svg)]
    assert abs(widths[0] / widths[1] - 3) < 0.05
    colour = {
        name: set(re.findall(rf'class="line (c\d)"><title>{name}<', figure.svg)) for name in ("relu", "sin")
    }
    shares = {
        name: set(re.findall(rf'class="share (c\d)"><title>\d+ of \d+ neurons: {name}<', figure.svg))
        for name in ("relu", "sin")
    }
    assert colour == shares == {"relu": {"c0"}, "sin": {"c1"}}


def test_many_types_go_on_below():
    few, many = ([curves("site", f"f{i}", 1, X * i) for i in range(n)] for n in (COLUMNS, COLUMNS + 1))
    heights = [
        float(re.search(r'viewBox="0 0 \d+ ([\d.]+)"', curves_figure(own, "c", "").svg).group(1))
        for own in (few, many)
    ]
    assert heights[1] > heights[0] + 90


def test_what_is_not_drawn_is_said():
    hidden = TypeCurves(
        "site", "maxout(2)", "maxout", 3, X, np.zeros((0, 9)), 0, "of several pre-activations"
    )
    figure = curves_figure([hidden, curves("site", "prelu", 40, [X, 2 * X], sets=40)], "c", "Curves")
    assert (
        figure.note
        == "3 maxout(2) at site: of several pre-activations; prelu at site: 2 of 40 curves are drawn"
    )
