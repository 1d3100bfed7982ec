"""A report as one HTML page that needs nothing but itself: no network, no font, no library."""

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from evoact.report.run import RunData
from evoact.report.sections import sections
from evoact.report.sections.section import Section
from evoact.svg import mark

HERE = Path(__file__).parent
SCRIPTS = ("questions.js", "table.js")
FEW = 25  # rows of a table that is not cut


def page(run: RunData) -> str:
    """Return the whole page: the template `page.html` with all texts escaped."""
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True
    )
    environment.filters["kept_together"] = kept_together
    return environment.get_template("page.html").render(
        name=run.plan.name or "evoact",
        description=run.plan.description or run.plan.config.description,
        rows=rows_of(sections(run)),
        style=(HERE / "style.css").read_text("utf-8"),
        script="\n".join((HERE / name).read_text("utf-8") for name in SCRIPTS),
        few=FEW,
        mark=mark,
        zip=zip,
    )


def rows_of(sections: Sequence[Section]) -> list[list[Section]]:
    """Return the sections by row of a wide screen: two narrow neighbours share one."""
    rows: list[list[Section]] = []
    for section in sections:
        if rows and len(rows[-1]) == 1 and rows[-1][0].narrow and section.narrow:
            rows[-1].append(section)
        else:
            rows.append([section])
    return rows


def kept_together(text: str) -> Markup:
    """Return the text escaped, with numbers that stay beside their signs.

    >>> kept_together("< 5 %")
    Markup('&lt; 5&nbsp;%')
    """
    kept = escape(text).replace(" %", Markup("&nbsp;%"))
    return kept.replace(" ± ", Markup("&nbsp;±&nbsp;"))
