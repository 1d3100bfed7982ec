"""Gains with their intervals, one below the other, around the line of no difference."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from evoact.report.figures.figure import ACCENT, WIDTH, Figure, shortened
from evoact.report.number_format import Unit
from evoact.svg import MARGIN, Scale, figure, line, mark, rectangle, scale, text, x_axis

STEP, HEADING = 34.0, 20.0  # of a row with two lines of figures, of a question
RIGHT = 276.0  # where the axis ends and the figures begin
MOST_LETTERS = 24  # in a line of figures
FURTHEST = 4.0  # times the median reach: what lies beyond is an arrow, or all others would look the same


@dataclass(frozen=True)
class Effect:
    """A gain in units of the metric, above 0 if `name` is better; `low` and `high` are infinite without an interval.

    `said` is the verdict in words, `heading` a question that begins a new part, and `hollow` marks what is measured
    less well than the others.
    """

    name: str
    value: float
    low: float
    high: float
    said: str = ""
    heading: str = ""
    hollow: bool = False


def forest(
    effects: Sequence[Effect], unit: Unit, over: str, equivalence: float = 0.0, note: str = ""
) -> Figure:
    """Draw gains over `over`, with the region of practical equivalence shaded.

    Args:
        effects: in the order of their rows
        unit: of the metric
        over: what 0 stands for
        equivalence: half the width of the region, in units of the metric
        note: said below the figure
    """
    x = _axis(effects, unit, equivalence)
    top = 4.0
    step = STEP + 14 * (max(len(_said(e, unit)) for e in effects) > 2)
    bottom = top + sum(step + (HEADING if e.heading else 0) for e in effects) + 4
    parts = []
    if equivalence:
        low, high = (x(_within(x, sign * unit.scale * equivalence)) for sign in (-1, 1))
        parts.append(rectangle(low, top, high - low, bottom - top, "empty", "no practical difference"))
    parts += x_axis(x, bottom, top, f"gain ({unit.differences})")
    parts.append(line(x(0), top, x(0), bottom, "zero"))
    y = top
    for effect in effects:
        if effect.heading:
            parts.append(text(MARGIN, y + 15, shortened(effect.heading, 70), "tick"))
            y += HEADING
        parts += _row(effect, x, y, unit)
        y += step
    described = f"Gains over {over}: " + "; ".join(f"{e.name} {', '.join(_said(e, unit))}" for e in effects)
    return Figure(figure(WIDTH, bottom + 38, parts, "Gains with 95 % intervals", described, "gains"), note)


def _axis(effects: Sequence[Effect], unit: Unit, equivalence: float) -> Scale:
    reach = [max(map(abs, ends)) for e in effects if (ends := _ends(e))]
    limit = FURTHEST * max(statistics.median(reach or [0.0]), equivalence)
    ends = [min(max(v, -limit), limit) for e in effects for v in _ends(e)]
    ends += [0.0, equivalence, -equivalence]
    return scale([unit.scale * v for v in ends], MARGIN, RIGHT)


def _ends(effect: Effect) -> list[float]:
    return [v for v in (effect.low, effect.value, effect.high) if math.isfinite(v)]


def _within(x: Scale, value: float) -> float:
    return min(max(value, x.low), x.high)


def _row(effect: Effect, x: Scale, y: float, unit: Unit) -> list[str]:
    """The name above its interval; the figures right of them."""
    middle = y + 25
    said = _said(effect, unit)
    parts = [text(MARGIN, y + 14, shortened(effect.name, 38), "label")]
    parts += [text(RIGHT + 12, y + 14 + 14 * i, words, "tick") for i, words in enumerate(said)]
    css = f"whisker {ACCENT}"
    if math.isfinite(effect.low):
        low, high = unit.scale * effect.low, unit.scale * effect.high
        parts.append(line(x(_within(x, low)), middle, x(_within(x, high)), middle, css))
        parts += [*_end(x, low, middle, css), *_end(x, high, middle, css)]
    if math.isfinite(effect.value):
        value = x(_within(x, unit.scale * effect.value))
        shown = "mean" if effect.hollow else "dot"
        parts.append(mark(value, middle, 1, f"{shown} {ACCENT}", f"{effect.name}: {', '.join(said)}", 3.5))
    return parts


def _end(x: Scale, value: float, middle: float, css: str) -> list[str]:
    """An interval's end, or an arrow at the edge if it is beyond."""
    if x.low <= value <= x.high:
        return [line(x(value), middle - 4, x(value), middle + 4, css)]
    edge, inside = (x(x.low), 6) if value < x.low else (x(x.high), -6)
    return [line(edge, middle, edge + inside, middle + tall, css) for tall in (-4, 4)]


def _said(effect: Effect, unit: Unit) -> list[str]:
    """The gain, its interval in the same line if there is room, and the verdict."""
    value, interval = unit.difference(effect.value), ""
    if math.isfinite(effect.low):
        interval = f"({unit.difference(effect.low)} to {unit.difference(effect.high)})"
    both = f"{value} {interval}".rstrip()
    figures = [both] if len(both) <= MOST_LETTERS else [value, interval]
    return [part for part in (*figures, effect.said) if part]
