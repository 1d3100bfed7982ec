"""A report as one HTML page that needs nothing but itself: no network, no font, no library; served, it asks its server
for a newer one."""

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from evoact.report.run import RunData
from evoact.report.sections import sections
from evoact.report.sections.section import Section
from evoact.svg import mark

HERE = Path(__file__).parent
STYLE, SCRIPTS, LIVE = "style.css", ("questions.js", "table.js"), "live.js"
# Nothing is loaded from anywhere, even if a name in the data should look like markup.
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'"
)
SERVED = f"{POLICY}; connect-src 'self'"
FEW = 25  # rows of a table that is not cut


def page(run: RunData, version: str | None = None) -> str:
    """Return the whole page: the template `page.html` with all texts escaped.

    Args:
        run: from `report.run.read_run`
        version: of a served page, which asks for a newer one; None for a file, which asks nobody
    """
    live = version is not None
    return (
        _environment()
        .get_template("page.html")
        .render(
            name=run.plan.name or "evoact",
            description=run.plan.description or run.plan.config.description,
            rows=rows_of(sections(run)),
            version=version,
            policy=SERVED if live else POLICY,
            style=_read(STYLE),
            script=_read(*SCRIPTS, *([LIVE] if live else [])),
            few=FEW,
            mark=mark,
            zip=zip,
        )
    )


def overview(runs: Sequence[tuple[str, str, bool]]) -> str:
    """Return the page that lists served runs: the name, the place and whether it has finished of each."""
    template = _environment().get_template("overview.html")
    return template.render(runs=runs, policy=SERVED, style=_read(STYLE), script=_read(LIVE))


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True
    )
    environment.filters["kept_together"] = kept_together
    return environment


def _read(*names: str) -> str:
    return "\n".join((HERE / name).read_text("utf-8") for name in names)


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
