"""The figures of a report. Each is a `Figure`: SVG, what it shows in words, and what to beware of."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evoact.analysis.activation_curves import TypeCurves
from evoact.analysis.best_so_far import BestSoFar
from evoact.analysis.lineage import Ancestor
from evoact.analysis.proposed_types import OTHER, ProposedTypes
from evoact.report.number_format import Unit
from evoact.svg import (
    COLOURS,
    Scale,
    band,
    colour,
    figure,
    line,
    mark,
    path,
    quartiles,
    rectangle,
    room_for,
    scale,
    shape,
    short,
    text,
    x_axis,
    y_axis,
)

WIDTH = 460.0
EARLY = 0.1  # of the budget
ENOUGH_FOR_A_BOX = 5  # quartiles of fewer values are interpolated from one or two


@dataclass(frozen=True)
class Figure:
    """`note` stands below the figure; `legend` names series by (class, shape, name)."""

    svg: str
    note: str = ""
    legend: tuple[tuple[str, int, str], ...] = ()


@dataclass(frozen=True)
class Box:
    """The values of one arm, or of one confirmed candidate."""

    name: str
    values: tuple[float, ...]
    emphasised: bool = False


def box_plots(boxes: Sequence[Box], unit: Unit, of: str) -> Figure:
    """Return one box for each arm, its name above it; every value is a dot."""
    step, top = 44, 8
    height = top + step * len(boxes) + 40
    x = scale((unit.scale * v for box in boxes for v in box.values), 8, WIDTH - 8)
    bottom = top + step * len(boxes)
    parts = x_axis(x, bottom, top, of)
    for i, box in enumerate(boxes):
        middle = top + step * i + 30
        values = [unit.scale * v for v in box.values]
        css = colour(i) if not box.emphasised else "reference"
        parts.append(text(8, middle - 13, box.name, "label"))
        if len(values) >= ENOUGH_FOR_A_BOX:
            low, q1, median, q3, high = (x(v) for v in quartiles(values))
            parts += [
                line(low, middle, high, middle, f"whisker {css}"),
                rectangle(q1, middle - 7, q3 - q1, 14, f"box {css}"),
                line(median, middle - 7, median, middle + 7, f"median {css}"),
            ]
        parts += [mark(x(v), middle, 0, f"dot {css}", f"{box.name}: {short(v)}", 2.5) for v in values]
        if len(values) > 1:
            mean = float(np.mean(values))
            parts.append(mark(x(mean), middle, 3, f"mean {css}", f"{box.name}, mean: {short(mean)}", 4.5))
    described = "; ".join(f"{b.name}: mean {unit.value(float(np.mean(b.values)))}" for b in boxes if b.values)
    return Figure(
        figure(WIDTH, height, parts, "Box plots", described, "boxes"),
        "A dot is one value, the open diamond their mean. A box, if there are enough values, holds the middle half of "
        "them, its line is the median, and the whiskers reach the last value within 1.5 box lengths.",
    )


def best_so_far_figure(curves: Sequence[BestSoFar], unit: Unit, reference: str) -> Figure:
    """Return a small panel for each arm, with the reference's curve behind it, all on the same axes."""
    columns, width, height = (2, 218.0, 132.0) if len(curves) > 1 else (1, WIDTH, 220.0)
    gap, top = 12.0, 22.0
    rows = math.ceil(len(curves) / columns)
    values = _shown_values(curves, unit)
    left = max(40.0, room_for(scale(values, height - 22, top)))
    known = {curve.arm: curve for curve in curves}
    parts: list[str] = []
    for i, curve in enumerate(curves):
        x0, y0 = (i % columns) * (width + gap), (i // columns) * (height + 18)
        x = scale([0.0, *(c.budget[-1] for c in curves)], x0 + left, x0 + width - 4)
        x = Scale(0.0, x.high, x.start, x.end)
        y = scale(values, y0 + height - 22, y0 + top)
        parts += [text(x0 + left, y0 + 14, shortened(curve.arm or "search", 26), "label")]
        parts += x_axis(x, y0 + height - 22, y0 + top, "")
        parts += y_axis(y, x0 + left, x0 + width - 4, "")
        behind = known.get(reference)
        if behind is not None and behind is not curve:
            parts.append(_curve(behind, x, y, unit, "reference line", behind.arm))
        css = "reference" if curve.arm == reference else colour(i)
        spent = [x(b) for b in curve.budget]
        if curve.repeats > 1:
            low, high = (_within(y, side, unit) for side in (curve.low, curve.high))
            parts.append(band(spent, low, high, f"band {css}"))
        parts.append(_curve(curve, x, y, unit, f"line {css}", curve.arm))
    many = any(c.repeats > 1 for c in curves)
    ends = "; ".join(f"{c.arm or 'search'} ends at {unit.value(float(c.mean[-1]))}" for c in curves)
    note = (
        f"Best validation {unit.name} so far against gradient-examples"
        f"{'; the line is the mean, the band holds the middle 80 % of the repeats' if many else ''}"
        f"{f', the grey line is {reference}' if len(curves) > 1 and reference else ''}. The first tenth of the budget "
        "may lie beyond the axis and is then drawn at its edge. The best of many noisy values is too good: this shows "
        "progress, not what the winners are worth."
    )
    return Figure(figure(WIDTH, rows * (height + 18), parts, "Best so far", ends, "best"), note)


def _shown_values(curves: Sequence[BestSoFar], unit: Unit) -> list[float]:
    """The values that the axis must hold: the first networks are so much worse that all else would look flat."""
    early = EARLY * max(c.budget[-1] for c in curves)
    return [
        unit.scale * v
        for c in curves
        for side in (c.low, c.high)
        for b, v in zip(c.budget, side, strict=True)
        if math.isfinite(v) and (b >= early or b == c.budget[-1])
    ]


def _within(y: Scale, values: Iterable[float], unit: Unit) -> list[float]:
    return [y(min(max(unit.scale * v, y.low), y.high)) for v in values]


def _curve(c: BestSoFar, x: Scale, y: Scale, unit: Unit, css: str, title: str) -> str:
    return path([x(b) for b in c.budget], _within(y, c.mean, unit), css, title)


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
    reference: str = "",
    log: bool = False,
    front: bool = False,
    maximize: bool = True,
) -> Figure:
    """Draw winners by series; `front` marks the ones that none beats in both, smaller x being better."""
    series = list(dict.fromkeys(p.series for p in points))
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
        i = series.index(p.series)
        css = "reference" if p.series == reference else colour(i)
        parts.append(mark(x(p.x), y(unit.scale * p.y), shape(i), f"dot {css}", p.title, 4))
    described = f"{len(points)} winners of {len(series)} series"
    if best:
        described += "; on the Pareto front: " + ", ".join(points[i].title for i in best)
    legend = tuple(("reference" if s == reference else colour(i), shape(i), s) for i, s in enumerate(series))
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


def types_figure(arms: Sequence[ProposedTypes]) -> Figure:
    """Draw stacked shares of the neurons' activations from the beginning of each search to its end."""
    columns, width, height, gap = 2, 218.0, 112.0, 24.0
    if len(arms) == 1:
        columns, width, height = 1, WIDTH, 180.0
    arms, kinds = _few_kinds(arms)
    rows = math.ceil(len(arms) / columns)
    parts: list[str] = []
    said = []
    for i, arm in enumerate(arms):
        x0, y0 = (i % columns) * (width + gap), (i // columns) * (height + 14)
        parts.append(text(x0, y0 + 13, shortened(arm.arm or "search", 30), "label"))
        spans = arm.shares.shape[1]
        each, full = width / spans, height - 22
        for span in range(spans):
            top = y0 + 20
            for kind, share in zip(arm.kinds, arm.shares[:, span], strict=True):
                title = f"{kind}: {100 * share:.0f} %"
                css = f"share {colour(kinds.index(kind))}"
                parts.append(rectangle(x0 + span * each, top, each - 1, share * full, css, title))
                top += share * full
        last = sorted(zip(arm.kinds, arm.shares[:, -1], strict=True), key=lambda pair: -pair[1])[:3]
        said.append(f"{arm.arm or 'search'} ends with " + ", ".join(f"{100 * s:.0f} % {k}" for k, s in last))
    legend = tuple((colour(i), 1, kind) for i, kind in enumerate(kinds))
    svg = figure(WIDTH, rows * (height + 14), parts, "Activations proposed", "; ".join(said), "types")
    note = "Shares of activations among the neurons that each search proposed, from its beginning (left) to its end."
    return Figure(svg, note, legend)


def _few_kinds(arms: Sequence[ProposedTypes]) -> tuple[list[ProposedTypes], list[str]]:
    """The arms with no more kinds than there are colours: the least proposed ones join the others."""
    total: dict[str, float] = {}
    for arm in arms:
        for kind, share in zip(arm.kinds, arm.shares.mean(axis=1).tolist(), strict=True):
            total[kind] = total.get(kind, 0.0) + share
    kinds = sorted((kind for kind in total if kind != OTHER), key=lambda kind: -total[kind])
    if len(kinds) < COLOURS and OTHER not in total:
        return list(arms), kinds
    kinds = kinds[: COLOURS - 1]
    merged = []
    for arm in arms:
        own = [i for i, kind in enumerate(arm.kinds) if kind in kinds]
        rest = [i for i in range(len(arm.kinds)) if i not in own]
        shares = np.vstack([arm.shares[own], arm.shares[rest].sum(axis=0)])
        merged.append(ProposedTypes(arm.arm, (*(arm.kinds[i] for i in own), OTHER), shares))
    return merged, [*kinds, OTHER]


def bars_figure(bars: Sequence[tuple[str, float]], title: str, name: str) -> Figure:
    """Return a bar for each name, its share in per cent; they are drawn to one scale, the whole width for 100 %."""
    step, left, right = 22, 150, WIDTH - 48
    parts = []
    for i, (label, share) in enumerate(bars):
        y = 4 + step * i
        parts += [
            text(left - 8, y + 13, shortened(label, 24), "tick", "end"),
            rectangle(left, y + 2, right - left, step - 8, "empty"),
            rectangle(left, y + 2, share * (right - left), step - 8, f"share {colour(0)}", label),
            text(right + 8, y + 13, f"{100 * share:.0f} %", "tick"),
        ]
    described = ", ".join(f"{label} {100 * share:.0f} %" for label, share in bars)
    return Figure(figure(WIDTH, step * len(bars) + 8, parts, title, described, name))


def curves_figure(curves: Sequence[TypeCurves], name: str, title: str) -> Figure:
    """Return a small panel for each type of each layer, with its number of neurons."""
    columns, width, height, gap = 3, 146.0, 118.0, 11.0
    drawn = [c for c in curves if len(c.y)]
    shown = [[max(float(np.nanmin(c.y)), -10), min(float(np.nanmax(c.y)), 10)] for c in drawn]
    left = max(30.0, room_for(*(scale(ends, height - 8, 34) for ends in shown)))
    parts: list[str] = []
    for i, (c, ends) in enumerate(zip(drawn, shown, strict=True)):
        x0, y0 = (i % columns) * (width + gap), (i // columns) * (height + 20)
        x = Scale(float(c.x[0]), float(c.x[-1]), x0 + left, x0 + width)
        y = scale(ends, y0 + height - 8, y0 + 34)
        parts.append(text(x0, y0 + 12, f"{c.site}: {c.count} ×", "tick"))
        parts.append(text(x0, y0 + 25, shortened(c.label, 20), "label"))
        parts += y_axis(y, x0 + left, x0 + width, "")
        parts += [line(x(0), y0 + 34, x(0), y0 + height - 8, "grid")]
        css = "line" if len(c.y) == 1 else "line thin"
        for row in c.y:
            inside = [y(v) if abs(v) <= 10 else math.nan for v in row]
            parts.append(path([x(v) for v in c.x], inside, f"{css} {colour(i)}", c.label))
    described = "; ".join(f"{c.count} neurons of {c.label} at {c.site}" for c in curves)
    notes = [f"{c.count} {c.label} at {c.site}: {c.why_not}" for c in curves if not len(c.y)]
    notes += [
        f"{c.label} at {c.site}: {len(c.y)} of {c.sets} curves are drawn" for c in drawn if c.sets > len(c.y)
    ]
    rows = math.ceil(len(drawn) / columns)
    wide = columns * (width + gap)  # however few there are: letters are then of one size in all figures
    svg = figure(wide, rows * (height + 20), parts, title, described, name) if drawn else ""
    return Figure(svg, "; ".join(notes))


def shortened(label: str, most: int) -> str:
    """
    >>> shortened("44 convex(abs,elu) + 20 sin", 12), shortened("sin", 12)
    ('44 convex(a…', 'sin')
    """
    return label if len(label) <= most else label[: most - 1] + "…"


def lineage_figure(ancestors: Sequence[Ancestor], unit: Unit) -> Figure:
    """Draw ancestors by generation from the left, better ones higher; the first is the one they lead to."""
    known: Mapping[int, Ancestor] = {a.candidate: a for a in ancestors if a.validation is not None}
    y = scale([unit.scale * a.validation for a in known.values() if a.validation is not None], 210, 26)
    left = max(46.0, room_for(y))
    x = scale([float(a.generation) for a in ancestors], left, WIDTH - 12)
    parts = y_axis(y, left, WIDTH - 8, f"validation {unit.name}")
    generations = sorted({a.generation for a in ancestors})
    every = math.ceil(len(generations) / 8)
    parts += [text(x(g), 226, str(g), "tick", "middle") for g in generations[::every]]
    parts.append(text((left + WIDTH) / 2, 244, "generation", "axis", "middle"))

    def place(a: Ancestor) -> tuple[float, float]:
        assert a.validation is not None
        return x(a.generation), y(unit.scale * a.validation)

    for a in known.values():
        for parent in (known[p] for p in a.parents if p in known):
            parts.append(line(*place(parent), *place(a), "edge"))
    for a in known.values():
        css = "dot c1" if a is ancestors[0] else "dot c0"
        parts.append(mark(*place(a), 3 if a is ancestors[0] else 0, css, f"{a.candidate}: {a.label}", 5))
    described = f"Candidate {ancestors[0].candidate} and {len(ancestors) - 1} ancestors"
    return Figure(figure(WIDTH, 250, parts, "Lineage", described, "lineage"), "")
