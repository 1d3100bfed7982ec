"""Ctrl-C: once, and a run finishes the packs in training and stops; twice, and it stops at once."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

SENTENCE = b"\nStopping after the packs in training; Ctrl-C again stops at once.\n"


class Stoppable(Protocol):
    """A run that can be asked to begin nothing more."""

    stopping: bool


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
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, take)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
