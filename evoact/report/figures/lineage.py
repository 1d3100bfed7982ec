"""The ancestors of a candidate."""

import math
from collections.abc import Mapping, Sequence

from evoact.analysis.lineage import Ancestor
from evoact.report.figures.figure import ACCENT, REFERENCE, WIDTH, Figure
from evoact.report.number_format import Unit
from evoact.svg import figure, line, mark, room_for, scale, text, y_axis


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
        first = a is ancestors[0]
        css = f"dot {ACCENT if first else REFERENCE}"
        parts.append(mark(*place(a), 3 if first else 0, css, f"{a.candidate}: {a.label}", 5))
    described = f"Candidate {ancestors[0].candidate} and {len(ancestors) - 1} ancestors"
    return Figure(figure(WIDTH, 250, parts, "Lineage", described, "lineage"), "")
