"""The command and its terminal: signals that stop it, and characters that the terminal can show."""

import codecs
import io
import signal
import sys
import threading
from types import FrameType

from evoact.execution.running.stopping import stop_at_once

# What is printed in place of a sign that the terminal's encoding lacks.
PLAIN = {
    "±": "+-",
    "×": "x",
    "·": "*",
    "−": "-",
    "–": "-",
    "—": "-",
    "…": "...",
    "≤": "<=",
    "≥": ">=",
    "≈": "~",
    "′": "'",
    "²": "^2",
    "³": "^3",
    "“": '"',
    "”": '"',
    "‘": "'",
    "’": "'",
    "•": "*",
    "→": "->",
    "\N{NO-BREAK SPACE}": " ",
}


def stop_as_from_the_keyboard() -> None:
    """Take SIGTERM, which schedulers, containers and service managers send, as a request to stop at once."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _stop)


def _stop(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it comes again, and must not interrupt the clearing up
    stop_at_once()


def show_what_can_be_shown() -> None:
    """Print plain signs in place of those that the encoding of stdout or stderr lacks, and fail at none."""
    codecs.register_error("evoact.plain", _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="evoact.plain")


def _plain(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    signs = error.object[error.start : error.end]
    # Names that differ must look different.
    escaped = (PLAIN.get(sign) or sign.encode("ascii", "backslashreplace").decode() for sign in signs)
    return "".join(escaped), error.end
