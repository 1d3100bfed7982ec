"""Small figures of analyses: SVG, a row of panels, the same file from the same numbers."""

from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

RAINBOW = matplotlib.colormaps["rainbow"]  # violet to red
TITLE = 9  # points
PANEL = 3.4, 2.7  # inches


def figure(panels: int) -> tuple[Figure, list[Any]]:
    """Return an empty figure and its axes, side by side."""
    made = Figure(figsize=(PANEL[0] * panels, PANEL[1]), layout="constrained")
    axes = list(made.subplots(1, panels, squeeze=False)[0])
    for axis in axes:
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    return made, axes


def save(made: Figure, path: str | Path) -> None:
    """Write the figure as SVG, without the date and with names that do not vary."""
    with matplotlib.rc_context({"svg.hashsalt": "evoact", "svg.fonttype": "none"}):
        FigureCanvasSVG(made).print_svg(str(path), metadata={"Date": None, "Creator": None})
