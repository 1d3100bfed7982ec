"""Ctrl-C: once, and a run finishes the packs in training and stops; twice, and it stops at once. SIGTERM, in a command,
stops it at once, too.

To stop at once is a KeyboardInterrupt in the middle of anything: of an import, or of a callback of Ray's. Some of that
swallows it, so a run asks once more, whenever it looks whether it has finished.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn, Protocol

_AT_ONCE = threading.Event()
SENTENCE = b"\nStopping after the packs in training; Ctrl-C again stops at once.\n"


class Stoppable(Protocol):
    """A run that can be asked to begin nothing more."""

    stopping: bool


def stop_at_once() -> NoReturn:
    """Interrupt what this process does, and the run, if that goes on all the same."""
    _AT_ONCE.set()
    raise KeyboardInterrupt


def check() -> None:
    """Interrupt whoever calls this if the run is to stop at once."""
    if _AT_ONCE.is_set():
        raise KeyboardInterrupt


@contextmanager
def stopped_by_the_keyboard(run: Stoppable) -> Iterator[None]:
    """Take the first Ctrl-C as a request; the second one is a KeyboardInterrupt, and those that follow are nothing, so
    that none interrupts the clearing up.

    A process that ignores Ctrl-C, as one in the background of a script, goes on ignoring it.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    times = 0

    def take(number: int, frame: FrameType | None) -> None:
        nonlocal times
        times += 1
        if times == 1:
            run.stopping = True
            os.write(2, SENTENCE)  # `print` may have been interrupted
        elif times == 2:
            stop_at_once()

    signal.signal(signal.SIGINT, take)
    try:
        check()
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        _AT_ONCE.clear()
