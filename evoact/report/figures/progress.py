"""The course of searches: the best so far, the median of what is being tried, and failures."""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from evoact.analysis.progress import Progress
from evoact.errors import counted
from evoact.report.figures.figure import REFERENCE, WIDTH, Figure, ink, shortened
from evoact.report.number_format import Unit
from evoact.svg import Scale, band, figure, line, path, rectangle, room_for, scale, text, x_axis, y_axis

EARLY = 0.1  # of the budget
WIDE = 20.0  # times the least value: the axis is then logarithmic
FAILURES = 24.0  # pixels of the strip that shows them
_NOTE = (
    "The line is the best validation metric so far{mean}, the dashed line the median of the networks that were being "
    "tried{failures}{reference}. The first tenth of the budget may lie beyond the "
    "axis and is then drawn at its edge. The best of many noisy values is too good: this shows progress, not what the "
    "winners are worth."
)


def progress_figure(curves: Sequence[Progress], unit: Unit, reference: str) -> Figure:
    """Return a small panel for each arm, with the best of the reference behind it, all on the same axes."""
    columns, width, height = (2, 224.0, 126.0) if len(curves) > 1 else (1, WIDTH, 220.0)
    gap, top = WIDTH - 2 * width, 40.0
    failing = any(c.failed.any() for c in curves)
    each = height + (FAILURES + 10 if failing else 0) + 44
    rows = math.ceil(len(curves) / columns)
    values = _shown_values(curves, unit)
    log = min(values, default=0) > 0 and max(values) > WIDE * min(values)  # errors that fall by orders
    left = max(40.0, room_for(scale(values, height, 0, log)))
    known = {curve.arm: curve for curve in curves}
    most = max((c.failed[c.tried > 0] / c.tried[c.tried > 0]).max() for c in curves)
    parts = [text(2, 11, f"validation {unit.name}", "axis")]
    for i, curve in enumerate(curves):
        x0, y0 = (i % columns) * (width + gap), top + (i // columns) * each
        x = Scale(0.0, 1.02 * max(c.edges[-1] for c in curves) or 1.0, x0 + left, x0 + width - 10)
        y = scale(values, y0 + height, y0, log)
        parts.append(text(x0 + left, y0 - 8, shortened(curve.arm or "search", 26), "label"))
        parts += [*x_axis(x, y.start + (FAILURES + 10 if failing else 0), y.end, "")]
        parts += y_axis(y, x.start, x.end, "")
        behind = known.get(reference) if curve.arm != reference else None
        parts += _lines(curve, behind, x, y, unit, ink(len(curves) > 1 and curve.arm == reference))
        if failing:
            parts += _failures(curve, x, y.start + 10 + FAILURES, most)
    bottom = top + rows * each
    parts.append(text(WIDTH / 2, bottom - 4, "gradient-examples", "axis", "middle"))
    svg = figure(WIDTH, bottom + 4, parts, "Progress", "; ".join(_said(c, unit) for c in curves), "best")
    return Figure(svg, _note(curves, reference))


def _note(curves: Sequence[Progress], reference: str) -> str:
    mean = ", the mean over repeats with a band that holds the middle 80 % of them"
    return _NOTE.format(
        mean=mean if any(c.repeats > 1 for c in curves) else "",
        failures=", and bars are the share that failed"
        if any(c.failed.any() for c in curves)
        else "; none failed",
        reference=f"; the grey line is the best of {reference}" if len(curves) > 1 and reference else "",
    )


def _said(c: Progress, unit: Unit) -> str:
    medians = c.median[np.isfinite(c.median)]
    ends = f"{c.arm or 'search'} ends at {unit.value(float(c.best[-1]))}"
    tried = f", the median at {unit.value(float(medians[-1]))}" if len(medians) else ""
    return f"{ends}{tried}; {int(c.failed.sum()):,} of {counted(int(c.tried.sum()), 'network')} failed"


def _lines(curve: Progress, behind: Progress | None, x: Scale, y: Scale, unit: Unit, css: str) -> list[str]:
    parts = (
        []
        if behind is None
        else [_curve(behind.budget, behind.best, x, y, unit, f"line {REFERENCE}", behind.arm)]
    )
    if curve.repeats > 1:
        low, high = (_within(y, side, unit) for side in (curve.low, curve.high))
        parts.append(band([x(b) for b in curve.budget], low, high, f"band {css}"))
    middles = (curve.edges[:-1] + curve.edges[1:]) / 2
    parts.append(_curve(middles, curve.median, x, y, unit, f"line dashed {css}", f"{curve.arm} median"))
    parts.append(_curve(curve.budget, curve.best, x, y, unit, f"line {css}", f"{curve.arm} best"))
    return parts


def _failures(c: Progress, x: Scale, bottom: float, most: float) -> list[str]:
    """Bars of the shares that failed, up to the largest share of all panels."""
    share = np.divide(c.failed, c.tried, out=np.zeros(len(c.tried)), where=c.tried > 0)
    parts = [
        line(x.start, bottom, x.end, bottom, "grid"),
        line(x.start, bottom - FAILURES, x.end, bottom - FAILURES, "grid"),
    ]
    parts.append(text(x.start - 5, bottom - FAILURES + 8, f"{100 * most:.2g} %", "tick", "end"))
    parts.append(text(x.start - 5, bottom, "failed", "tick", "end"))
    for i in np.flatnonzero(share):
        start, end = x(c.edges[i]), x(c.edges[i + 1])
        tall = FAILURES * share[i] / most
        title = f"{c.failed[i]} of {c.tried[i]} failed"
        parts.append(rectangle(start + 0.5, bottom - tall, end - start - 1, tall, "share failed", title))
    return parts


def _shown_values(curves: Sequence[Progress], unit: Unit) -> list[float]:
    """The values that the axis must hold: the first networks are so much worse that all else would look flat."""
    early = EARLY * max(c.budget[-1] for c in curves)
    shown = [
        *((b, v) for c in curves for side in (c.low, c.high) for b, v in zip(c.budget, side, strict=True)),
        *((b, v) for c in curves for b, v in zip(c.edges[1:], c.median, strict=True)),
    ]
    last = {float(c.budget[-1]) for c in curves}
    return [unit.scale * v for b, v in shown if math.isfinite(v) and (b >= early or b in last)]


def _within(y: Scale, values: Iterable[float], unit: Unit) -> list[float]:
    """Pixels, at the edge for what is beyond; what is unknown stays so."""
    return [y(min(max(unit.scale * v, y.low), y.high)) if math.isfinite(v) else math.nan for v in values]


def _curve(
    budget: np.ndarray, values: np.ndarray, x: Scale, y: Scale, unit: Unit, css: str, title: str
) -> str:
    return path([x(b) for b in budget], _within(y, values, unit), css, title)
