"""The activations of a network: a row of curves for each site, below the shares of its neurons."""

import math
from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np

from evoact.analysis.activation_curves import TypeCurves
from evoact.errors import counted
from evoact.report.figures.figure import WIDTH, Figure, function_colours, shortened
from evoact.svg import Scale, figure, line, path, rectangle, room_for, scale, text, x_axis, y_axis

COLUMNS = 4
HEIGHT = 92.0  # of a panel's axes
HEAD, FOOT = 32.0, 22.0  # above and below them
GAP = 16.0
FURTHEST = 10.0  # outputs beyond are not drawn


def curves_figure(
    curves: Sequence[TypeCurves], name: str, title: str, colours: Mapping[str, str] | None = None
) -> Figure:
    """Return a row for each site: a bar of its neurons by type, and a panel for each type, all on one vertical axis.

    Args:
        curves: of the network's types, in the order of its sites
        name: of the figure in the page
        title: of the figure
        colours: a class for each function, from `function_colours`; by default made of these
    """
    colours = colours or function_colours(c.function for c in curves)
    sites = [(site, list(own)) for site, own in groupby(curves, key=lambda c: c.site)]
    shown = [scale(_outputs(own), HEIGHT, 0) for _, own in sites]
    left = max(28.0, room_for(*shown))
    parts: list[str] = []
    y0 = 0.0
    for (site, own), y in zip(sites, shown, strict=True):
        parts += _neurons(site, own, y0, colours)
        y0 += 34
        drawn = [c for c in own if len(c.y)]
        for i in range(0, len(drawn), COLUMNS):
            placed = Scale(y.low, y.high, y0 + HEAD + HEIGHT, y0 + HEAD)
            parts += _row(drawn[i : i + COLUMNS], placed, left, colours)
            y0 += HEAD + HEIGHT + FOOT
        y0 += 8
    if any(len(c.y) for c in curves):
        parts.append(text(WIDTH - 2, 12, "output over pre-activation", "axis", "end"))
    described = "; ".join(f"{counted(c.count, 'neuron')} of {c.label} at {c.site}" for c in curves)
    return Figure(figure(WIDTH, y0, parts, title, described, name) if curves else "", _note(curves))


def _note(curves: Sequence[TypeCurves]) -> str:
    notes = [f"{c.count} {c.label} at {c.site}: {c.why_not}" for c in curves if not len(c.y)]
    notes += [
        f"{c.label} at {c.site}: {len(c.y)} of {c.sets} curves are drawn"
        for c in curves
        if len(c.y) and c.sets > len(c.y)
    ]
    return "; ".join(notes)


def _outputs(curves: Sequence[TypeCurves]) -> list[float]:
    ends = [end for c in curves if len(c.y) for end in (float(np.nanmin(c.y)), float(np.nanmax(c.y)))]
    return [min(max(end, -FURTHEST), FURTHEST) for end in ends]


def _neurons(site: str, curves: Sequence[TypeCurves], y0: float, colours: Mapping[str, str]) -> list[str]:
    """The site's name, and its neurons by type as parts of one bar."""
    total = sum(c.count for c in curves)
    parts = [text(2, y0 + 12, f"{shortened(site, 40)}, {counted(total, 'neuron')}", "axis")]
    x = 2.0
    for c in curves:
        width = (WIDTH - 4) * c.count / total
        title = f"{c.count} of {counted(total, 'neuron')}: {c.label}"
        parts.append(rectangle(x, y0 + 18, width - 1, 10, f"share {colours[c.function]}", title))
        x += width
    return parts


def _row(curves: Sequence[TypeCurves], y: Scale, left: float, colours: Mapping[str, str]) -> list[str]:
    """Panels of one site beside each other; the vertical axis stands left of the first."""
    width = (WIDTH - left - (COLUMNS - 1) * GAP) / COLUMNS
    parts: list[str] = []
    for i, c in enumerate(curves):
        x0 = left + i * (width + GAP)
        x = Scale(float(c.x[0]), float(c.x[-1]), x0, x0 + width)
        parts.append(text(x0, y.end - 22, f"{c.count} ×", "tick"))
        parts.append(text(x0, y.end - 8, shortened(c.label, 13), "label"))
        parts += x_axis(x, y.start, y.end, "")
        parts += y_axis(y, x.start, x.end, "", numbers=i == 0)
        parts += [line(x(0), y.end, x(0), y.start, "edge")]
        css = f"{'line' if len(c.y) == 1 else 'line thin'} {colours[c.function]}"
        for outputs in c.y:
            inside = [y(v) if abs(v) <= FURTHEST else math.nan for v in outputs]
            parts.append(path([x(v) for v in c.x], inside, css, c.label))
    return parts
