"""Figures as SVG text: scales, axes and marks, with colours left to a style sheet.

Drawn at the width of a phone, so that letters stay readable there, and enlarged elsewhere. A figure is one
image to a screen reader, with a title and a description; marks have titles, which browsers show on hover.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

SHAPES = 4
COLOURS = 8  # classes c0 to c7 of the style sheet: Okabe & Ito's palette
TICKS = 5
CHARACTER = 7.0  # pixels, a digit of a tick label at most
ROUNDING = 1e-9  # of numbers, which counts as no difference
MARGIN = 8.0  # beyond both ends of a horizontal axis
ENLARGED = 1.32  # at most, so that letters do not grow beyond those of the text


@dataclass(frozen=True)
class Scale:
    """From data to pixels along one axis; `log` for a logarithmic one."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        f = math.log10 if self.log else float
        low, high = f(self.low), f(self.high)
        return self.start + (f(value) - low) / (high - low) * (self.end - self.start)

    @property
    def ticks(self) -> list[float]:
        """Round numbers between the ends."""
        return _log_ticks(self.low, self.high) if self.log else nice_ticks(self.low, self.high)


def scale(values: Iterable[float], start: float, end: float, log: bool = False) -> Scale:
    """Return a scale that holds all finite values, with some room on either side."""
    known = [v for v in values if math.isfinite(v) and (v > 0 or not log)]
    low, high = (min(known), max(known)) if known else (1.0, 10.0) if log else (0.0, 1.0)
    if log:
        factor = max((high / low) ** 0.06, 1.05)
        return Scale(low / factor, high * factor, start, end, log=True)
    differ = high - low > ROUNDING * max(abs(low), abs(high))
    margin = 0.06 * (high - low) if differ else 0.05 * abs(high) or 0.5
    return Scale(low - margin, high + margin, start, end)


def nice_ticks(low: float, high: float, most: int = TICKS) -> list[float]:
    """Return at most about so many multiples of 1, 2 or 5 times a power of ten.

    >>> nice_ticks(0.13, 0.91)
    [0.2, 0.4, 0.6, 0.8]
    """
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [float(f"{i * step:.12g}") for i in range(first, math.floor(high / step + 1e-9) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten, over short ranges with multiples between them, over the shortest what a linear axis has.

    >>> _log_ticks(0.2, 900), _log_ticks(3, 40), _log_ticks(1.7, 2.9)
    ([1.0, 10.0, 100.0], [5.0, 10.0, 20.0], [2.0, 2.5])
    """
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    dense = high / low < 100
    ticks = [m * 10.0**p for p in powers for m in ((1, 2, 5) if dense else (1,))]
    inside = [float(f"{t:.12g}") for t in ticks if low <= t <= high]
    return inside if len(inside) > 2 else nice_ticks(low, high)


def figure(width: float, height: float, parts: Iterable[str], title: str, description: str, name: str) -> str:
    """Return a whole SVG; `name` makes the ids of its title and description unique in the page."""
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-labelledby="{name}-t {name}-d" '
        f'style="max-width:{ENLARGED * width:.0f}px"><title id="{name}-t">{escape(title)}</title>'
        f'<desc id="{name}-d">{escape(description)}</desc>{"".join(parts)}</svg>'
    )


def document(content: str, style: str) -> str:
    """Return a whole SVG as a file of its own, with a style sheet."""
    opened = content.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    return opened.replace("<title", f"<style>{escape(style, quote=False)}</style><title", 1) + "\n"


def clipped(x: float, y: float, width: float, height: float, parts: Iterable[str]) -> str:
    """Return parts without what lies beyond a rectangle."""
    size = f'width="{width:g}" height="{height:g}"'
    return f'<svg x="{x:.1f}" y="{y:.1f}" {size} viewBox="{x:.1f} {y:.1f} {width:g} {height:g}">{"".join(parts)}</svg>'


def text(x: float, y: float, content: str, css: str = "", anchor: str = "start") -> str:
    where = f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{where}{_css(css)}>{escape(content)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, css: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"{_css(css)}/>'


def path(xs: Sequence[float], ys: Sequence[float], css: str, title: str = "") -> str:
    """Return a line through points, broken if one is not finite."""
    steps, pen_down = [], False
    for x, y in zip(xs, ys, strict=True):
        if math.isfinite(x) and math.isfinite(y):
            steps.append(f"{'L' if pen_down else 'M'}{x:.1f} {y:.1f}")
        pen_down = math.isfinite(x) and math.isfinite(y)
    return f'<path d="{"".join(steps)}"{_css(css)}>{_title(title)}</path>'


def band(xs: Sequence[float], low: Sequence[float], high: Sequence[float], css: str) -> str:
    """Return the area between two lines."""
    points = [*zip(xs, high, strict=True), *reversed(list(zip(xs, low, strict=True)))]
    return f'<polygon points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"{_css(css)}/>'


def rectangle(x: float, y: float, width: float, height: float, css: str, title: str = "") -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(0.0, width):.1f}" height="{max(0.0, height):.1f}"'
        f"{_css(css)}>{_title(title)}</rect>"
    )


def ellipse(x: float, y: float, across: float, along: float, degrees: float, css: str) -> str:
    """Return an ellipse with these half axes, the first of which is turned clockwise from the right."""
    turned = f' transform="rotate({degrees:.1f} {x:.1f} {y:.1f})"'
    return f'<ellipse cx="{x:.1f}" cy="{y:.1f}" rx="{across:.1f}" ry="{along:.1f}"{turned}{_css(css)}/>'


def mark(x: float, y: float, form: int, css: str, title: str = "", size: float = 4) -> str:
    """Return a point in one of four shapes, so that colour is not all that tells points apart."""
    s = size
    if form == 0:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{s:g}"{_css(css)}>{_title(title)}</circle>'
    corners = {
        1: ((-s, -s), (s, -s), (s, s), (-s, s)),
        2: ((0, -1.3 * s), (1.2 * s, s), (-1.2 * s, s)),
        3: ((0, -1.4 * s), (1.4 * s, 0), (0, 1.4 * s), (-1.4 * s, 0)),
    }[form]
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    return f'<polygon points="{points}"{_css(css)}>{_title(title)}</polygon>'


def labels(ticks: Sequence[float]) -> list[str]:
    """Return texts for ticks, with as many digits as tell them apart.

    >>> labels([1.32e10, 1.33e10]), labels([13_200_000, 13_205_000])
    (['1.32e10', '1.33e10'], ['1.32e7', '1.3205e7'])
    """
    for digits in range(2, 12):
        texts = [short(t, digits) for t in ticks]
        if len(set(texts)) == len(texts):
            break
    return texts if ticks else []


def room_for(*scales: Scale) -> float:
    """Return the width that the tick labels of vertical axes take, in pixels."""
    return max((CHARACTER * len(content) for s in scales for content in labels(s.ticks)), default=0.0) + 8


def x_axis(x: Scale, bottom: float, top: float, label: str) -> list[str]:
    """Draw grid lines, tick labels and the axis' name below. Labels end within the figure, and those without room
    between their neighbours are left out.
    """
    parts = [line(x(t), top, x(t), bottom, "grid") for t in x.ticks]
    free = x.start - MARGIN
    for tick, content in zip(x.ticks, labels(x.ticks), strict=True):
        half = CHARACTER * len(content) / 2
        middle = min(max(x(tick), x.start - MARGIN + half), x.end + MARGIN - half)
        if middle - half >= free:
            parts.append(text(middle, bottom + 15, content, "tick", "middle"))
            free = middle + half + CHARACTER
    if label:
        parts.append(text((x.start + x.end) / 2, bottom + 32, label, "axis", "middle"))
    return parts


def y_axis(y: Scale, left: float, right: float, label: str, numbers: bool = True) -> list[str]:
    """Draw grid lines, tick labels, which need `room_for` them left of `left`, and the axis' name above; without
    `numbers` the lines alone, for a panel beside one on the same axis.
    """
    parts = [line(left, y(t), right, y(t), "grid") for t in y.ticks]
    if numbers:
        parts += [
            text(left - 5, y(t) + 4, content, "tick", "end")
            for t, content in zip(y.ticks, labels(y.ticks), strict=True)
        ]
    if label:
        parts.append(text(2, min(y.start, y.end) - 9, label, "axis"))
    return parts


def colour(index: int) -> str:
    """Return the class of a series' colour; after eight they repeat, with another `shape`."""
    return f"c{index % COLOURS}"


def shape(index: int) -> int:
    """Return a series' shape; with the colour unlike that of 31 others.

    >>> len({(colour(i), shape(i)) for i in range(32)})
    32
    """
    return (index + index // COLOURS) % SHAPES


def short(number: float, digits: int = 2) -> str:
    """Return a number in few characters, those beyond a million with so many digits behind the point.

    >>> short(0.30000000000000004), short(2000.0), short(250000.0), short(0.00012)
    ('0.3', '2,000', '250k', '1.2e-4')
    """
    if not math.isfinite(number):
        return str(number)
    rounded = float(f"{number:.{4 + digits}g}")
    if rounded and not 1e-3 <= abs(rounded) < 1e6:
        mantissa, exponent = f"{number:.{digits}e}".split("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    if abs(rounded) >= 1e4:
        return f"{rounded / 1000:.{4 + digits}g}k"
    return f"{rounded:,.0f}" if rounded == int(rounded) else f"{rounded:.{4 + digits}g}"


def quartiles(values: Sequence[float]) -> tuple[float, float, float, float, float]:
    """Return whisker, quartile, median, quartile, whisker: whiskers at the last value within 1.5 box lengths (Tukey
    1977).
    """
    array = np.asarray(values, dtype=float)
    low, middle, high = np.quantile(array, [0.25, 0.5, 0.75])
    inside = array[(array >= low - 1.5 * (high - low)) & (array <= high + 1.5 * (high - low))]
    return float(inside.min()), float(low), float(middle), float(high), float(inside.max())


def _css(css: str) -> str:
    return f' class="{css}"' if css else ""


def _title(title: str) -> str:
    return f"<title>{escape(title)}</title>" if title else ""
