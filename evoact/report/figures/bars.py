"""Shares in per cent as bars."""

from collections.abc import Sequence

from evoact.report.figures.figure import ACCENT, WIDTH, Figure, shortened
from evoact.svg import Scale, figure, rectangle, text, x_axis


def bars(shares: Sequence[tuple[str, float]], title: str, of: str, name: str) -> Figure:
    """Return a bar for each name, its share of 1; they are drawn to one scale, the whole width for 100 %.

    Args:
        shares: names with their shares
        title: of the figure
        of: what the axis shows
        name: of the figure in the page
    """
    step, left, right = 22, 150, WIDTH - 48
    bottom = 4 + step * len(shares)
    x = Scale(0.0, 100.0, left, right)
    parts = x_axis(x, bottom, 2, f"{of} (%)")
    for i, (label, share) in enumerate(shares):
        y = 4 + step * i
        parts += [
            text(left - 8, y + 13, shortened(label, 24), "tick", "end"),
            rectangle(left, y + 2, x(100 * share) - left, step - 8, f"share {ACCENT}", label),
            text(right + 8, y + 13, f"{100 * share:.0f} %", "tick"),
        ]
    described = ", ".join(f"{label} {100 * share:.0f} %" for label, share in shares)
    return Figure(figure(WIDTH, bottom + 40, parts, title, described, name))
