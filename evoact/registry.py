"""Names to things: looking a name up in a folder's literal table, with the nearest name in the error."""

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

from evoact.errors import UserError

T = TypeVar("T")


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """The sentence for an unknown name.

    >>> unknown("function", "rellu", ["relu", "tanh"])
    "unknown function 'rellu'; did you mean 'relu'? Known: relu, tanh"
    >>> unknown("function", "x", ["relu", "tanh"])
    "unknown function 'x'; known: relu, tanh"
    """
    names = sorted(known)
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? Known" if near else "known"
    return f"unknown {what} {name!r}; {hint}: {', '.join(names)}"


def lookup(table: Mapping[str, T], what: str, name: str) -> T:
    """The entry of `table` under `name`.

    Raises:
        UserError: naming the nearest entry, if there is none under that name.

    >>> lookup({"relu": 1}, "function", "relu")
    1
    """
    if name not in table:
        raise UserError(unknown(what, name, table))
    return table[name]
