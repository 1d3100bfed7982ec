"""Names to things: looking a name up in a folder's literal table, with the nearest name in the error."""

import difflib
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from evoact.errors import UserError, counted, short

T = TypeVar("T")
COMPARED = 1000  # known names that the nearest is looked for among, and characters of the unknown one
LISTED, NEAREST = 16, 8  # names in a sentence: all, or of more than that the nearest


def unknown(what: str, name: Any, known: Iterable[str]) -> str:
    """Return the sentence for an unknown name, or for something other than a name.

    >>> unknown("function", "rellu", ["relu", "tanh"])
    "unknown function 'rellu'; did you mean 'relu'? Known: relu, tanh"
    >>> unknown("function", "x", ["relu", "tanh"])
    "unknown function 'x'; known: relu, tanh"
    >>> unknown("function", ["relu"], ["relu", "tanh"])
    "expected text as function, got ['relu']; known: relu, tanh"
    >>> unknown("curve", "c7", [f"c{i}" for i in range(30)]).partition("Known: ")[2].rpartition(", ")[2]
    'c9 and 22 others'
    """
    names = sorted(map(str, known))
    text = name[:COMPARED] if isinstance(name, str) else ""
    listed, others = names, ""
    if len(names) > LISTED:
        nearest = difflib.get_close_matches(text, names[:COMPARED], n=NEAREST, cutoff=0)
        listed, others = sorted(nearest), f" and {counted(len(names) - len(nearest), 'other')}"
    names_listed = ", ".join(listed) + others
    if not isinstance(name, str):
        return f"expected text as {what}, got {short(name)}; known: {names_listed}"
    near = difflib.get_close_matches(text, names[:COMPARED], n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? Known" if near else "known"
    return f"unknown {what} {short(name)}; {hint}: {names_listed}"


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


# --- objects of a program's own -------------------------------------------------------------------------

_GIVEN: dict[str, Any] = {}


def remember(given: Mapping[str, Any]) -> None:
    """Keep objects that a program gave, by name, in this process: a config holds the names alone, and a worker is sent
    the objects.
    """
    _GIVEN.update(given)


def remember_by_content(thing: Any, *content: bytes | memoryview) -> str:
    """Remember an object under its own name and the digest of what it is made of, and return that name.

    >>> def twice(x):
    ...     return 2 * x
    >>> remember_by_content(twice, b"return 2 * x").partition("@")[0]
    'twice'
    """
    digest = hashlib.sha256()
    for part in content:
        digest.update(part)
    name = f"{getattr(thing, '__name__', type(thing).__name__)}@{digest.hexdigest()[:12]}"
    remember({name: thing})
    return name


def remembered(text: str) -> dict[str, Any]:
    """Return the objects whose names occur in a text."""
    return {name: thing for name, thing in _GIVEN.items() if name in text}


def given(what: str, name: str) -> Any:
    """Return the object of this name.

    Raises:
        UserError: if this process was given none, or another.
    """
    if name not in _GIVEN:
        same = [n for n in _GIVEN if n.rpartition("@")[0] == name.rpartition("@")[0]]
        got = f"another, {same[-1]}" if same else "none"
        raise UserError(
            f"expected the {what} {name} that this run began with, got {got}; give it with "
            f"{'model' if what == 'network' else what}="
        )
    return _GIVEN[name]
