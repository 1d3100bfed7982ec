"""How networks learned: their metrics, step by step."""

import math
from collections.abc import Sequence

import numpy as np

from evoact.analysis.learning_curves import LearningCurve
from evoact.report.figures.figure import REFERENCE, WIDTH, Figure, ink, shortened
from evoact.report.number_format import Unit
from evoact.svg import Scale, figure, path, room_for, scale, text, x_axis, y_axis

EARLY = 0.1  # of the steps, before which all networks are so much worse that all else would look flat


def learning_figure(curves: Sequence[tuple[str, LearningCurve]], unit: Unit, reference: str) -> Figure:
    """Return a small panel for each named curve, that of the reference behind it in grey, all on the same axes."""
    columns, width, height = (2, 224.0, 126.0) if len(curves) > 1 else (1, WIDTH, 220.0)
    gap, top, each = WIDTH - 2 * width, 40.0, height + 44
    values = _shown(curves, unit)
    left = max(40.0, room_for(scale(values, height, 0)))
    known, last = dict(curves), max(int(c.steps[-1]) for _, c in curves)
    parts = [text(2, 11, unit.name, "axis")]
    for i, (name, curve) in enumerate(curves):
        x0, y0 = (i % columns) * (width + gap), top + (i // columns) * each
        x = Scale(0.0, 1.02 * last, x0 + left, x0 + width - 10)
        y = scale(values, y0 + height, y0)
        parts.append(text(x0 + left, y0 - 8, shortened(name, 26), "label"))
        parts += [*x_axis(x, y.start, y.end, ""), *y_axis(y, x.start, x.end, "")]
        if name != reference and reference in known:
            behind = known[reference]
            parts.append(_line(behind.steps, behind.validation, x, y, unit, f"line {REFERENCE}", reference))
        css = ink(name == reference)
        parts.append(
            _line(curve.steps, curve.training, x, y, unit, f"line dashed {css}", f"{name}, training")
        )
        parts.append(_line(curve.steps, curve.validation, x, y, unit, f"line {css}", f"{name}, validation"))
    bottom = top + math.ceil(len(curves) / columns) * each
    parts.append(text(WIDTH / 2, bottom - 4, "steps", "axis", "middle"))
    said = "; ".join(f"{name} ends at {unit.value(float(c.validation[-1]))}" for name, c in curves)
    beside = f", the grey line the validation of {reference}" if reference in known else ""
    note = (
        "Means over the networks on fresh seeds: the line is a sample of the validation split, the dashed line one of "
        f"the training split{beside}. The first tenth of the steps may lie beyond the axis and is then drawn at its "
        "edge."
    )
    return Figure(figure(WIDTH, bottom + 4, parts, "Learning curves", said, "learning"), note)


def _shown(curves: Sequence[tuple[str, LearningCurve]], unit: Unit) -> list[float]:
    return [
        unit.scale * value
        for _, c in curves
        for side in (c.validation, c.training)
        for step, value in zip(c.steps, side, strict=True)
        if math.isfinite(value) and (step >= EARLY * c.steps[-1])
    ]


def _line(steps: np.ndarray, values: np.ndarray, x: Scale, y: Scale, unit: Unit, css: str, title: str) -> str:
    inside = [y(min(max(unit.scale * v, y.low), y.high)) if math.isfinite(v) else math.nan for v in values]
    return path([x(step) for step in steps], inside, css, title)
