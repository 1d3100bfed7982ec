"""Whether the head of the cluster answers. Without it nothing can go on: Ray would end this process after a minute,
with no word about how to continue, or let it wait for ever."""

import _thread
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import ray

from evoact.errors import ClusterLost

ASK_SECONDS = 2.0  # between two questions, and for an answer
LOST_SECONDS = 30.0  # without a connection to the head, after which a run ends; Ray's own limit is 60
SILENT_SECONDS = 300.0  # without an answer over a connection that stands
UNWIND_SECONDS = 25.0  # for what is under way to end, before the process does
# Which Ray and other programs leave alone; it is never sent, only its handler is called.
SIGNAL = signal.Signals.SIGRTMAX


class _Lost(BaseException):
    """Raised in the middle of anything; no `Exception`, which Tune would swallow."""


class Watch:
    """Asks the head now and then, in a thread, and interrupts the thread of the run if there is no answer for long."""

    def __init__(self, place: str):
        self.place = place
        self.reason = ""  # why the run was interrupted
        self._over = threading.Event()
        self._main = threading.current_thread() is threading.main_thread()
        self._thread = threading.Thread(target=self._watch, name="head of the cluster", daemon=True)

    def begin(self) -> None:
        """Begin, once there is a connection."""
        self._thread.start()

    def end(self) -> None:
        self._over.set()

    def wait(self) -> None:
        """Return as soon as the head answers: much of what Ray is asked without it never returns."""
        while True:
            self.check()
            try:
                self._ask()
                return
            except Exception:
                time.sleep(ASK_SECONDS)

    def check(self) -> None:
        """Interrupt whoever calls this if the head has not answered for long."""
        if self.reason:
            raise _Lost

    @property
    def error(self) -> ClusterLost:
        return ClusterLost(f"expected the head of the Ray cluster {self.place} to answer, got {self.reason}")

    def _watch(self) -> None:
        lost = silent = 0.0
        while not self._over.wait(ASK_SECONDS):
            began = time.monotonic()
            try:
                self._ask()
                lost = silent = 0.0
                continue
            except Exception as error:
                # Time in which this process was stopped is not the head's.
                seconds = min(ASK_SECONDS + time.monotonic() - began, 3 * ASK_SECONDS)
                silent += seconds
                lost = 0.0 if "Deadline" in str(error) else lost + seconds
            if lost > LOST_SECONDS:
                self.reason = f"no connection for {lost:.0f} s"
            elif silent > SILENT_SECONDS:
                self.reason = f"no answer for {silent:.0f} s"
            if self.reason:
                self._interrupt()
                return

    def _ask(self) -> None:
        client = ray._private.worker.global_worker.gcs_client
        client.internal_kv_exists(b"evoact", b"evoact", timeout=ASK_SECONDS)

    def _interrupt(self) -> None:
        """Have the run end with its error; where Ray does not come back from the wait for a dead head, end the process
        with that sentence, as Ray itself would end it without."""
        if self._main:
            _thread.interrupt_main(SIGNAL)
        if not self._over.wait(UNWIND_SECONDS):
            sys.stderr.write(
                f"{self.error}; everything that was trained is stored: `evoact resume` goes on\n"
            )
            sys.stderr.flush()
            os._exit(1)


@contextmanager
def watched(watch: Watch) -> Iterator[None]:
    """Raise ClusterLost in this block if the head does not answer."""

    def take(number: int, frame: FrameType | None) -> None:
        raise _Lost

    main = threading.current_thread() is threading.main_thread()
    before = signal.signal(SIGNAL, take) if main else None
    try:
        yield
    except BaseException:
        if watch.reason:  # whatever Ray says of it
            raise watch.error from None
        raise
    finally:
        watch.end()
        if main:
            signal.signal(SIGNAL, before)
