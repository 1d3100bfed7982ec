"""The values of arms or candidates as box plots."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evoact.report.figures.figure import WIDTH, Figure, ink
from evoact.report.number_format import Unit
from evoact.svg import figure, line, mark, quartiles, rectangle, scale, short, text, x_axis

ENOUGH_FOR_A_BOX = 5  # quartiles of fewer values are interpolated from one or two


@dataclass(frozen=True)
class Box:
    """The values of one arm, or of one confirmed candidate."""

    name: str
    values: tuple[float, ...]
    emphasised: bool = False


def box_plots(boxes: Sequence[Box], unit: Unit, of: str) -> Figure:
    """Return one box for each arm, its name above it; every value is a dot, those of the emphasised ones grey. Values
    that are not finite, such as the area under a curve of one class alone, are left out."""
    step, top = 34, 4
    height = top + step * len(boxes) + 40
    x = scale((unit.scale * v for box in boxes for v in box.values), 8, WIDTH - 8)
    bottom = top + step * len(boxes)
    parts = x_axis(x, bottom, top, of)
    for i, box in enumerate(boxes):
        middle = top + step * i + 24
        values = [unit.scale * v for v in box.values if math.isfinite(v)]
        css = ink(box.emphasised)
        parts.append(text(8, middle - 11, box.name, "label"))
        if len(values) >= ENOUGH_FOR_A_BOX:
            low, q1, median, q3, high = (x(v) for v in quartiles(values))
            parts += [
                line(low, middle, high, middle, f"whisker {css}"),
                rectangle(q1, middle - 6, q3 - q1, 12, f"box {css}"),
                line(median, middle - 6, median, middle + 6, f"median {css}"),
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
