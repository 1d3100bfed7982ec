"""Names to things: looking a name up in a folder's literal table, with the nearest name in the error."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from evoact.errors import UserError, short

T = TypeVar("T")
COMPARED = 1000  # known names that the nearest is looked for among, and characters of the unknown one


def unknown(what: str, name: Any, known: Iterable[str]) -> str:
    """Return the sentence for an unknown name, or for something other than a name.

    >>> unknown("function", "rellu", ["relu", "tanh"])
    "unknown function 'rellu'; did you mean 'relu'? Known: relu, tanh"
    >>> unknown("function", "x", ["relu", "tanh"])
    "unknown function 'x'; known: relu, tanh"
    >>> unknown("function", ["relu"], ["relu", "tanh"])
    "expected text as function, got ['relu']; known: relu, tanh"
    """
    names = sorted(map(str, known))
    if not isinstance(name, str):
        return f"expected text as {what}, got {short(name)}; known: {', '.join(names)}"
    near = difflib.get_close_matches(name[:COMPARED], names[:COMPARED], n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? Known" if near else "known"
    return f"unknown {what} {short(name)}; {hint}: {', '.join(names)}"


def lookup(table: Mapping[str, T], what: str, name: Any) -> T:
    """Return the entry of `table` under `name`.

    Raises:
        UserError: naming the nearest entry, if there is none under that name.

    >>> lookup({"relu": 1}, "function", "relu")
    1
    """
    if not isinstance(name, str) or name not in table:
        raise UserError(unknown(what, name, table))
    return table[name]
