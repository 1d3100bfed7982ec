"""The ranking fitted to a terminal: labels over several lines, the least important columns hidden."""

import re
import textwrap
from collections.abc import Sequence
from itertools import pairwise

Columns = dict[str, list[str]]

LEAST = {"label": 24, "run": 16}  # characters; the longest word of a label may ask for more
BETWEEN = 2  # characters beside each column
# Where the terminal is too narrow they go in this order.
LEAST_INTEREST = (
    *("structure", "heterogeneous", "phase", "repeat", "arm"),
    *("test (large)", "rate", "test", "seeds"),
)
UNBROKEN = "\N{NO-BREAK SPACE}"
BREAK = "\f"  # whitespace to textwrap, and in no label
PIECES = {"label": r"[ ]|(?<=,)", "run": r"(?<=[-_])"}  # what can stand on a line of its own


def fitted(
    columns: Columns, width: int, least_interest: Sequence[str] = LEAST_INTEREST
) -> tuple[Columns, list[str]]:
    """Return the columns that fit into so many characters, with line breaks in their cells, and the names of
    those that are left out, the first of `least_interest` first.

    >>> columns = {"label": ["60 relu + 40 convex(identity, tanh)"], "val": ["0.93"], "phase": ["confirm"]}
    >>> fitted(columns, 34)
    ({'label': ['60 relu +\\n40 convex(identity, tanh)'], 'val': ['0.93']}, ['phase'])
    """
    kept = dict(columns)
    gone = []
    for name in least_interest:
        if _least(kept) <= width:
            break
        if kept.pop(name, None) is not None:
            gone.append(name)
    room = width - _least(kept)
    for name, least in LEAST.items():
        if name in kept:
            narrow = _least_width(name, kept[name], least)
            wide = min(_widest([name, *kept[name]]), narrow + max(0, room))
            room -= wide - narrow
            kept[name] = ["\n".join(_wrapped(name, cell, wide)) for cell in kept[name]]
    return kept, gone


def broken(label: str, width: int) -> list[str]:
    """Return a label's lines: broken after commas and around ` + ` and ` | `, elsewhere only if nothing else
    serves, and inside words never.

    >>> broken("60 relu + 40 convex(identity, tanh)", 26)
    ['60 relu +', '40 convex(identity, tanh)']
    >>> broken("60 relu + 40 convex(identity, tanh)", 16)
    ['60 relu +', '40', 'convex(identity,', 'tanh)']
    """
    words = label.split(" ")
    glued = words[0]
    for before, word in pairwise(words):
        free = before.endswith(",") or before in "+|" or word in "+|"
        glued += (" " if free else UNBROKEN) + word
    lines = []
    for line in textwrap.wrap(glued, width, break_long_words=False, break_on_hyphens=False):
        text = line.replace(UNBROKEN, " ")
        lines += [text] if len(text) <= width else _broken_further(text, width)
    return lines


def _wrapped(name: str, cell: str, width: int) -> list[str]:
    return _broken_further(cell, width, "[-_]") if name == "run" else broken(cell, width)


def _broken_further(text: str, width: int, after: str = ",") -> list[str]:
    """At any space, and after commas (or other characters) without one."""
    lines = textwrap.wrap(
        re.sub(f"(?<={after})", BREAK, text),
        width,
        replace_whitespace=False,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(BREAK, "") for line in lines]


def _least(columns: Columns) -> int:
    return sum(BETWEEN + _least_width(name, cells, LEAST.get(name)) for name, cells in columns.items())


def _least_width(name: str, cells: Sequence[str], least: int | None) -> int:
    """How narrow a column may get; None means no narrower than its widest cell."""
    widest = _widest([name, *cells])
    if least is None:
        return widest
    pieces = [piece for cell in cells for piece in re.split(PIECES[name], cell)]
    return min(widest, max(least, len(name), _widest(pieces)))


def _widest(cells: Sequence[str]) -> int:
    return max(map(len, cells), default=0)
