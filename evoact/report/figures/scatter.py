"""Winners by two of their properties."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from evoact.report.figures.figure import REFERENCE, WIDTH, Figure
from evoact.report.number_format import Unit
from evoact.svg import colour, figure, mark, path, room_for, scale, shape, x_axis, y_axis


@dataclass(frozen=True)
class Point:
    """A winner in a scatter plot."""

    series: str
    x: float
    y: float
    title: str


def scatter(
    points: Sequence[Point],
    unit: Unit,
    x_label: str,
    name: str,
    *,
    grey: Collection[str] = (),
    log: bool = False,
    front: bool = False,
    maximize: bool = True,
) -> Figure:
    """Draw winners by series, those of `grey` in grey; `front` marks the ones that none beats in both, smaller x being
    better.
    """
    series = list(dict.fromkeys(p.series for p in points))
    css = {s: REFERENCE if s in grey else colour(i) for i, s in enumerate(series)}
    y = scale([unit.scale * p.y for p in points], 250, 26)
    left = max(46.0, room_for(y))
    x = scale([p.x for p in points], left, WIDTH - 8, log)
    parts = x_axis(x, 250, 26, x_label)
    parts += y_axis(y, left, WIDTH - 8, f"test {unit.name}")
    best = pareto_front([(p.x, p.y) for p in points], maximize) if front else []
    if best:
        chosen = [points[i] for i in best]
        parts.append(
            path([x(p.x) for p in chosen], [y(unit.scale * p.y) for p in chosen], "front", "Pareto front")
        )
    for p in points:
        form = shape(series.index(p.series))
        parts.append(mark(x(p.x), y(unit.scale * p.y), form, f"dot {css[p.series]}", p.title, 4))
    described = f"{len(points)} winners of {len(series)} series"
    if best:
        described += "; on the Pareto front: " + ", ".join(points[i].title for i in best)
    legend = tuple((css[s], shape(i), s) for i, s in enumerate(series))
    return Figure(figure(WIDTH, 290, parts, x_label, described, name), "", legend)


def pareto_front(points: Sequence[tuple[float, float]], maximize: bool) -> list[int]:
    """Return the indices of the points that no other beats in both, in ascending x; smaller x is better.

    >>> pareto_front([(1, 5), (2, 7), (2, 6), (3, 7), (0.5, 1)], True)
    [4, 0, 1]
    """
    sign = 1 if maximize else -1
    order = sorted(range(len(points)), key=lambda i: (points[i][0], -sign * points[i][1]))
    best, found = -math.inf, []
    for i in order:
        if sign * points[i][1] > best:
            best = sign * points[i][1]
            found.append(i)
    return found
