"""A report as Markdown: the sentences and tables, and of each figure what it shows in words."""

import re

from evoact.report.run import RunData
from evoact.report.sections import sections
from evoact.report.sections.section import Section
from evoact.report.text_table import TextTable

MOST_LINES = 50  # of the leaderboard


def markdown(run: RunData) -> str:
    """Return the whole report."""
    return f"# {_plain(run.plan.name or 'evoact')}\n\n" + "\n".join(_section(s) for s in sections(run))


def _section(section: Section) -> str:
    parts = [f"## {section.title}", *map(_plain, section.paragraphs)]
    parts += [_table(table) for table in section.tables]
    if section.sortable is not None:
        parts.append(_table(section.sortable.text, MOST_LINES))
    for heading, figure in section.figures:
        parts += [f"### {_plain(heading)}"] if heading else []
        described = re.search(r"<desc[^>]*>(.*?)</desc>", figure.svg, re.S)
        parts += [described.group(1)] if described else []
        parts += [_plain(figure.note)] if figure.note else []
    for heading, code in section.code:
        parts += [f"### {heading}", f"```\n{code.rstrip()}\n```"]
    return "\n\n".join(parts) + "\n"


def _table(table: TextTable, most: int | None = None) -> str:
    lines = [_row(table.headers), _row(["---" if h in table.left else "---:" for h in table.headers])]
    lines += [_row(row) for row in table.rows[:most]]
    cut = "" if most is None or len(table.rows) <= most else f" (the first {most} here)"
    return "\n".join([f"{_plain(table.caption)}{cut}:", "", *lines])


def _row(cells: list[str] | tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _plain(text: str) -> str:
    return text.replace("<", "&lt;")
