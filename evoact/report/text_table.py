"""Tables of texts, before they are HTML, Markdown, or lines of a terminal."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class TextTable:
    """Texts by row; `left` names the columns that hold words, the others hold numbers."""

    caption: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: frozenset[str]


def aligned(headers: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool]) -> str:
    """Return a table as lines of equal columns; `right` says which of them end at the same place.

    >>> print(aligned(["name", "n"], [["relu", "9"], ["tanh", "10"]], [False, True]))
    name   n
    relu   9
    tanh  10
    """
    widths = [max(map(len, column)) for column in zip(headers, *rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in (headers, *rows)
    )
