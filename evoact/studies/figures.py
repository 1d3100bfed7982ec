"""The figures of studies: a row of panels as an SVG file of its own, the same from the same numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from evoact.leaderboard.location import Location
from evoact.svg import Scale, clipped, document, figure, room_for, text, x_axis, y_axis

MOMENTS = 12  # colours of time, from violet to red: classes t0 to t11
SIDE, TOP, BOTTOM, GAP = 210.0, 24.0, 40.0, 14.0
STYLE = (
    "svg{--ground:#fdfdfc;--ink:#1c1e21;--soft:#5c636b;--rule:#d8dbde;--light:45%;background:var(--ground)}"
    "@media (prefers-color-scheme:dark){svg{--ground:#15181b;--ink:#e6e8ea;--soft:#a4abb2;--rule:#363c42;--light:62%}}"
    'text{fill:var(--ink);font:12px system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}'
    "text.tick,text.axis{fill:var(--soft);font-size:11px}"
    ".grid{stroke:var(--rule)}.outline{fill:none;stroke:var(--soft);opacity:.6}"
    ".line{fill:none;stroke:currentColor;stroke-width:1.2;stroke-linejoin:round}.dot{fill:var(--ink)}"
    + "".join(
        f".t{i}{{color:hsl({270 - 270 * i / (MOMENTS - 1):.0f} 75% var(--light))}}" for i in range(MOMENTS)
    )
)


@dataclass(frozen=True)
class Panel:
    """A square with its title above; `draw` gives the marks for its horizontal and vertical scale."""

    title: str
    x: tuple[float, float]
    y: tuple[float, float]
    draw: Callable[[Scale, Scale], Sequence[str]]


def save(
    panels: Sequence[Panel], path: str | Path, title: str, description: str, x: str = "", y: str = ""
) -> None:
    """Write panels side by side; `x` names the horizontal axis below each, `y` the vertical one above the first."""
    bottom = TOP + SIDE
    left = max(room_for(Scale(*panel.y, bottom, TOP)) for panel in panels)
    parts: list[str] = []
    for i, panel in enumerate(panels):
        start = left + i * (SIDE + left + GAP)
        across, up = Scale(*panel.x, start, start + SIDE), Scale(*panel.y, bottom, TOP)
        parts += [
            *x_axis(across, bottom, TOP, x),
            *y_axis(up, start, start + SIDE, ""),
            clipped(start, TOP, SIDE, SIDE, panel.draw(across, up)),
            text(start, TOP - 9, panel.title),
        ]
    if y:
        parts.append(text(2, TOP - 9, y, "axis"))
    width = len(panels) * (SIDE + left + GAP)
    svg = figure(width, bottom + BOTTOM, parts, title, description, "study")
    Location.of(path).write_output(document(svg, STYLE).encode())


def moment(i: int, of: int) -> str:
    """Return the class of the colour of one of so many moments.

    >>> moment(0, 300), moment(299, 300), moment(0, 1)
    ('t0', 't11', 't0')
    """
    return f"t{round((MOMENTS - 1) * i / max(1, of - 1))}"
