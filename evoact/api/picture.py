"""A figure that shows itself in a notebook and can be saved."""

import base64
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path

from evoact.errors import UserError
from evoact.leaderboard.location import Location
from evoact.report import page
from evoact.report.figures.figure import Figure
from evoact.svg import document

FONT = 'svg{background:var(--ground);font:12px system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}'


@dataclass(frozen=True)
class Picture:
    """A figure of the report, `title` above it and its note below."""

    title: str
    figure: Figure

    def __repr__(self) -> str:
        return f"Picture({self.title!r}); save('figure.svg') writes it to a file"

    @property
    def svg(self) -> str:
        """The drawing as an SVG document of its own."""
        return document(self.figure.svg, _style())

    def save(self, path: str | Path) -> str:
        """Write the drawing to a file, and return where.

        Raises:
            UserError: if its name does not end in .svg, or it cannot be written.
        """
        place = Location.of(path)
        if Path(place.name).suffix != ".svg":
            raise UserError(
                f"expected a file that ends in .svg, got {str(path)!r}; browsers convert SVG to PDF or PNG"
            )
        place.write_output(self.svg.encode())
        return str(path)

    def _repr_html_(self) -> str:
        # As an image: a style sheet inside the notebook's page would be the page's.
        source = base64.b64encode(self.svg.encode()).decode()
        return (
            f'<figure style="margin:.5em 0;max-width:38em"><b>{escape(self.title)}</b>'
            f'<img alt="{escape(self.title)}" style="display:block;width:100%" '
            f'src="data:image/svg+xml;base64,{source}">'
            f'<figcaption style="font-size:.85em;opacity:.8">{escape(self.figure.note)}</figcaption></figure>'
        )


@cache
def _style() -> str:
    return (page.HERE / "style.css").read_text("utf-8") + FONT
