"""A part of a report: what it says, before it is HTML or Markdown."""

from dataclasses import dataclass, field

from evoact.report.data_table import DataTable
from evoact.report.figures.figure import Figure
from evoact.report.text_table import TextTable


@dataclass(frozen=True)
class Section:
    """Paragraphs, tables, and figures, each with a heading of its own if it has one.

    `sortable` is the one table that readers filter, group and sort; `code` is shown as it is.
    """

    id: str
    title: str
    paragraphs: tuple[str, ...] = ()
    tables: tuple[TextTable, ...] = ()
    figures: tuple[tuple[str, Figure], ...] = ()
    sortable: DataTable | None = None
    code: tuple[tuple[str, str], ...] = field(default=())

    @property
    def narrow(self) -> bool:
        """Whether it has room beside another on a wide screen: one figure and a few words."""
        return len(self.figures) == 1 and not (self.tables or self.code or self.sortable)
