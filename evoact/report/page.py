"""A report as one HTML page that needs nothing but itself: no network, no font, no library."""

from html import escape
from pathlib import Path

from evoact.report.comparison_text import TextTable
from evoact.report.figures import Figure
from evoact.report.run import RunData
from evoact.report.sections import sections
from evoact.report.sections.section import Section
from evoact.report.svg import mark

_HERE = Path(__file__).parent
# Nothing is loaded from anywhere, even if a name in the data should look like markup.
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'"
)
_FEW = 25  # rows of a table that is not cut


def page(run: RunData) -> str:
    """Return the whole page."""
    name = escape(run.plan.name or "evoact")
    found = sections(run)
    links = "".join(f'<li><a href="#{s.id}">{escape(s.title)}</a></li>' for s in found)
    body = "".join(_section(s) for s in found)
    style, script = (_HERE / "style.css").read_text("utf-8"), (_HERE / "table.js").read_text("utf-8")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{name}: evoact report</title>
<style>{style}</style>
</head>
<body>
<a class="skip" href="#verdict">To the verdict</a>
<header><h1>{name}</h1>{_description(run)}</header>
<nav aria-label="Sections"><ul>{links}</ul></nav>
<main>{body}</main>
<script>{script}</script>
</body>
</html>
"""


def _description(run: RunData) -> str:
    text = getattr(run.plan, "description", None) or run.plan.config.description
    return f"<p>{escape(text)}</p>" if text else ""


def _section(section: Section) -> str:
    parts = [f"<h2>{escape(section.title)}</h2>"]
    for i, paragraph in enumerate(section.paragraphs):
        lead = ' class="lead"' if section.id == "verdict" and i == 0 else ""
        parts.append(f"<p{lead}>{_text(paragraph)}</p>")
    figures = [_figure(heading, f) for heading, f in section.figures]
    if len(figures) > 1:
        figures = ['<div class="panels">', *(f"<div>{f}</div>" for f in figures), "</div>"]
    tables = [_table(table) for table in section.tables]
    # A verdict's table says more than its figures; elsewhere tables are what figures show in numbers.
    parts += tables + figures if section.id == "verdict" else figures + tables
    if section.sortable is not None:
        parts.append(_sortable(section.sortable))
    for heading, code in section.code:
        inside = f"<pre><code>{escape(code)}</code></pre>"
        long = code.count("\n") > 8
        parts.append(
            f"<details><summary>{escape(heading)}</summary>{inside}</details>"
            if long
            else f"<h3>{escape(heading)}</h3>{inside}"
        )
    return f'<section id="{section.id}">{"".join(parts)}</section>'


def _figure(heading: str, f: Figure) -> str:
    title = f"<h3>{escape(heading)}</h3>" if heading else ""
    note = f"<figcaption>{escape(f.note)}</figcaption>" if f.note else ""
    if not f.svg and not note:
        return ""
    return f"{title}<figure>{f.svg}{_legend(f)}{note}</figure>"


def _legend(f: Figure) -> str:
    items = "".join(
        f'<li><svg viewBox="0 0 14 14" aria-hidden="true">{mark(7, 7, shape, f"dot {css}")}</svg>{escape(name)}</li>'
        for css, shape, name in f.legend
    )
    return f'<ul class="legend">{items}</ul>' if items else ""


def _table(table: TextTable) -> str:
    head = "".join(f'<th scope="col"{_left(h, table)}>{escape(h)}</th>' for h in table.headers)
    inside = f"<thead><tr>{head}</tr></thead><tbody>{_rows(table)}</tbody>"
    whole = f"<table><caption><span>{escape(table.caption)}</span></caption>{inside}</table>"
    if len(table.rows) > _FEW:
        return f"<details><summary>{escape(table.caption)}</summary>{_scrolled(whole, table)}</details>"
    return _scrolled(whole, table)


def _sortable(table: TextTable) -> str:
    head = "".join(
        f'<th scope="col" aria-sort="none"{_left(h, table)}><button type="button">{escape(h)}</button></th>'
        for h in table.headers
    )
    inside = f"<thead><tr>{head}</tr></thead><tbody>{_rows(table)}</tbody>"
    whole = f"<table data-sortable><caption><span>{escape(table.caption)}</span></caption>{inside}</table>"
    return (
        '<p class="filter"><label>Show rows that contain <input type="search" data-filter '
        'placeholder="several words: all of them"></label> <span role="status" data-count></span></p>'
        f"{_scrolled(whole, table)}"
        '<p class="more"><button type="button" data-more>Show more rows</button></p>'
    )


def _scrolled(whole: str, table: TextTable) -> str:
    # A box that scrolls must be reachable by keyboard.
    label = escape(table.caption, quote=True)
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{label}">{whole}</div>'


def _rows(table: TextTable) -> str:
    left = [_left(h, table) for h in table.headers]
    lines = []
    for row in table.rows:
        first = f'<th scope="row"{left[0]}>{_text(row[0])}</th>'
        rest = "".join(f"<td{css}>{_text(cell)}</td>" for css, cell in zip(left[1:], row[1:], strict=True))
        lines.append(f"<tr>{first}{rest}</tr>")
    return "".join(lines)


def _text(text: str) -> str:
    """Escaped, and with numbers that stay beside their signs."""
    return escape(text).replace(" %", "&nbsp;%").replace(" ± ", "&nbsp;±&nbsp;")


def _left(header: str, table: TextTable) -> str:
    return ' class="l"' if header in table.left else ""
