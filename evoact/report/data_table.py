"""A table that readers ask: columns of numbers and words before they are text."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from evoact.report.number_format import NOTHING, Unit
from evoact.report.text_table import TextTable


@dataclass(frozen=True)
class Column:
    """`values` are texts, or numbers; None, NaN and infinite ones are not known.

    Numbers are written in their `unit`, else with `decimals` or four significant digits; they are `measured` if means
    over rows say something. Columns that are not `shown` can be chosen.
    """

    name: str
    values: Sequence[Any]
    unit: Unit | None = None
    decimals: int | None = None
    words: bool = False
    measured: bool = False
    shown: bool = True

    def text(self, row: int) -> str:
        """Return a cell as the page writes it, too (`written` in table.js)."""
        value = self.values[row]
        if self.words:
            return str(value)
        if _unknown(value):
            return NOTHING
        if self.unit is not None:
            return self.unit.value(value)
        return f"{value:.4g}" if self.decimals is None else f"{value:.{self.decimals}f}"

    def plain(self) -> dict[str, Any]:
        """Return what the page's script reads: words once each, and for every row the number of its word."""
        made: dict[str, Any] = {"name": self.name, "shown": self.shown}
        if self.words:
            levels = list(dict.fromkeys(map(str, self.values)))
            number = {level: i for i, level in enumerate(levels)}
            return made | {"words": levels, "values": [number[str(value)] for value in self.values]}
        values = [None if _unknown(value) else float(f"{value:.7g}") for value in self.values]
        unit = self.unit or Unit("", 1, "", "", self.decimals)
        style = {"scale": unit.scale, "sign": unit.sign, "decimals": unit.decimals, "measured": self.measured}
        return made | style | {"values": [int(v) if v is not None and v == int(v) else v for v in values]}


@dataclass(frozen=True)
class DataTable:
    """`ids` name the rows, so that one can be linked to; `metric` is the column that a bare `> 0.9` is about."""

    caption: str
    columns: tuple[Column, ...]
    ids: tuple[str, ...]
    metric: str
    first: int = field(default=500)  # rows that a page shows without scripts

    @property
    def text(self) -> TextTable:
        """Return the first rows of the shown columns as texts."""
        shown = [column for column in self.columns if column.shown]
        rows = range(min(self.first, len(self.ids)))
        return TextTable(
            self.caption,
            tuple(column.name for column in shown),
            tuple(tuple(column.text(row) for column in shown) for row in rows),
            frozenset(column.name for column in shown if column.words),
        )

    @property
    def json(self) -> str:
        """Return everything as JSON that may stand inside a script element."""
        whole = {
            "metric": self.metric,
            "ids": self.ids,
            "columns": [column.plain() for column in self.columns],
        }
        return json.dumps(whole, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")


def _unknown(value: Any) -> bool:
    return value is None or not math.isfinite(value)
