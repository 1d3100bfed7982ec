"""The errors that a user can cause, each one sentence: what was expected, what came, what to do.

They cross processes as values: each can be pickled and says the same afterwards.

However large the mistake, its message stays readable: `UserError` shortens every message, `short` a value in it.
"""

import math
import pickle
import reprlib
from collections.abc import Iterable
from typing import Any

LONGEST = 3900  # bytes of a message
LONGEST_LINE = 1000  # bytes of one problem among several


class UserError(Exception):
    """A mistake in what the user wrote or asked for; the command line prints it and exits with code 2."""

    def __init__(self, message: str = ""):
        super().__init__(shortened(message, LONGEST))


class ConfigError(UserError):
    """All mistakes found in one file, so that they can be fixed in one go.

    The message holds as many of them as are readable and says how many more there are; `problems` holds all.

    >>> str(ConfigError("a.yaml", ["seed: expected an integer, got 'x'"]))
    "a.yaml: seed: expected an integer, got 'x'"
    >>> str(ConfigError("a.yaml", [f"{key}: wrong" for key in range(1000)])).splitlines()[-1]
    'a.yaml: and 842 more mistakes'
    """

    def __init__(self, source: str, problems: Iterable[str]):
        self.source = source
        # One line each, whatever line breaks stand in the names that they quote, and each once.
        self.problems = tuple(dict.fromkeys(" ".join(problem.split("\n")) for problem in problems))
        lines = [shortened(f"{source}: {problem}", LONGEST_LINE) for problem in self.problems]
        kept, room = 0, LONGEST - LONGEST_LINE  # the last line says how many are left out
        while kept < len(lines) and (room := room - len(lines[kept].encode()) - 1) >= 0:
            kept += 1
        if kept < len(lines):
            more = shortened(f"{source}: and {counted(len(lines) - kept, 'more mistake')}", LONGEST_LINE)
            lines = [*lines[:kept], more]
        super().__init__("\n".join(lines))

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception is otherwise made again of its message alone.
        return type(self), (self.source, self.problems)


class SearchFailed(Exception):
    """The search ended without one usable network, or had to stop; the command line prints it and exits with code 1."""


class ClusterLost(SearchFailed):
    """The Ray cluster that a run was on does not answer any more: the run goes on when it is resumed on another."""


def portable(error: Exception) -> Exception:
    """Return the error itself if it can be sent to another process, else one with the same text that can."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def shortened(text: str, most: int) -> str:
    """Return the text as UTF-8 can write it, without its middle if that takes more than `most` bytes.

    >>> shortened("expected a name, got " + "x" * 100 + "; see the manual", 60)
    'expected a name, got xxxxxxxxxxxxxx ... xxx; see the manual'
    """
    written = text.encode("utf-8", "backslashreplace")
    if len(written) > most:
        end = most // 3
        start = most - end - len(" ... ")
        written = written[:start] + b" ... " + written[len(written) - end + 1 :]
    return written.decode("utf-8", "ignore")


def counted(number: int, noun: str, several: str = "") -> str:
    """Return a number and its noun.

    >>> counted(1, "fresh seed"), counted(3000, "network"), counted(2, "class", "classes")
    ('1 fresh seed', '3,000 networks', '2 classes')
    """
    return f"{number:,} {noun if number == 1 else several or noun + 's'}"


def times(number: int) -> str:
    """Return how often something is done.

    >>> times(1), times(2), times(10)
    ('once', 'twice', '10 times')
    """
    return {1: "once", 2: "twice"}.get(number, f"{number:,} times")


class _Short(reprlib.Repr):
    """Values as Python writes them, but never larger or deeper than a message can hold."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring = 4, 200

    def repr_int(self, x: int, level: int) -> str:
        """Shorten integers of thousands of digits, which Python refuses to write out."""
        if x.bit_length() <= 256:
            return repr(x)
        return f"an integer of {math.ceil(x.bit_length() * math.log10(2))} digits"


_SHORT = _Short()


def short(value: Any) -> str:
    """Return a value for a message, at most 60 characters.

    >>> short({"name": "relu"}), short(list(range(1000))), short("x" * 100)
    ("{'name': 'relu'}", '[0, 1, 2, 3, 4, 5, ...]', "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...")
    >>> short(10**5000)
    'an integer of 5001 digits'
    """
    text = _SHORT.repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
