"""A tracker at work in a thread of its own, so that a run never waits for one, nor ends because of one."""

import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from threading import Event, Thread

from evoact.errors import UserError, shortened
from evoact.trackers.tracker import Ended, Point, Tracker

PAUSE_SECONDS = 1.0  # between two writes: many networks at once cost little more than one
TOGETHER = 500  # networks of a write
LAST_SECONDS = 60.0  # without a step forward, after which a tracker is left alone when a run has ended


class Follower:
    """Opens a tracker, and tells it what is handed over. `run` is what the tracker calls the run, empty until it is
    open; `told` counts the networks it has been told of, and `problem` says why it is lost."""

    def __init__(self, open_tracker: Callable[[], Tracker], told: int = 0):
        """
        Args:
            open_tracker: called in the thread
            told: how many networks the tracker knows from an earlier process
        """
        self.run, self.told, self.problem = "", told, ""
        self._open, self._queue = open_tracker, SimpleQueue[Sequence[Point] | Ended]()
        self._over, self._moved = Event(), time.monotonic()
        self._thread = Thread(target=self._work, daemon=True)
        self._thread.start()

    def tell(self, points: Sequence[Point]) -> None:
        """Hand over networks."""
        if not self.problem:
            self._queue.put(points)

    def end(self, ended: Ended) -> None:
        """Hand over how the run ended, and wait while the tracker gets on with what it still has to take in.

        Ctrl-C ends the waiting.
        """
        self._queue.put(ended)
        self._moved = time.monotonic()
        self._over.set()
        try:
            while self._thread.is_alive() and time.monotonic() - self._moved < LAST_SECONDS:
                self._thread.join(0.1)
        except KeyboardInterrupt:
            self.problem = self.problem or "Ctrl-C before it had taken in everything"
        if self._thread.is_alive():
            self.problem = self.problem or f"no answer in {LAST_SECONDS:g} seconds"

    def _work(self) -> None:
        try:
            tracker = self._open()
            self.run = tracker.run
            ended: Ended | None = None
            while ended is None:
                points, ended = self._waiting()
                for start in range(0, len(points), TOGETHER):
                    part = points[start : start + TOGETHER]
                    tracker.observe(part)
                    self.told += len(part)
                    self._moved = time.monotonic()
                self._over.wait(PAUSE_SECONDS)
            tracker.end(ended)
        except Exception as error:  # of whatever kind: it is the tracker's, and no matter of the run
            first = (str(error).splitlines() or [""])[0]
            kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
            self.problem = shortened(f"{kind}{first}", 300)

    def _waiting(self) -> tuple[list[Point], Ended | None]:
        """Return what has been handed over; at least one thing, waiting for it."""
        found, item = list[Point](), self._queue.get()
        while not isinstance(item, Ended):
            found += item
            try:
                item = self._queue.get_nowait()
            except Empty:
                return found, None
        return found, item
