"""Where a run stands, counted result by result: to say it after a pack takes no look at what was before."""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from heapq import heappush, heappushpop

from evoact.records import COMPLETED, PHASES, UNLIMITED, Result, TrainResult


@dataclass(frozen=True)
class Progress:
    """Where a run stands, at its start, while it waits for workers, and after each pack.

    Metrics are validation metrics of this phase; `results` are those of the pack, which are stored.
    """

    phase: str
    done: int
    planned: int
    total_done: int
    failures: int
    best: float | None
    median: float | None
    rate: float | None
    seconds_left: float | None
    waiting: str = ""  # what for, before the first pack is back
    results: Sequence[Result] = ()
    metric: str = ""


Observer = Callable[[Progress], None]


@dataclass
class _Phase:
    done: int = 0
    failures: int = 0
    metric: str = ""
    maximize: bool = False
    least: float = math.inf
    greatest: float = -math.inf
    # Heaps: the lower half of all metrics, negated, as many as the upper half or one more.
    lower: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)

    def add(self, value: float) -> None:
        self.least, self.greatest = min(self.least, value), max(self.greatest, value)
        if len(self.lower) == len(self.upper):
            heappush(self.lower, -heappushpop(self.upper, value))
        else:
            heappush(self.upper, -heappushpop(self.lower, -value))

    @property
    def best(self) -> float | None:
        if not self.lower:
            return None
        return self.greatest if self.maximize else self.least

    @property
    def median(self) -> float | None:
        if not self.lower:
            return None
        middle = -self.lower[0]
        return (middle + self.upper[0]) / 2 if len(self.lower) == len(self.upper) else middle


class Tally:
    """Counts the results of a run."""

    def __init__(self, stored: Iterable[Result] = ()):
        """
        Args:
            stored: what the interrupted run had found
        """
        self._phases = {phase: _Phase() for phase in PHASES}
        # When the first pack was back, and how many results there were then: before that, workers start.
        self._warm: tuple[float, int] | None = None
        self.seconds = 0.0  # in which workers trained
        self._enter(stored)

    @property
    def total(self) -> int:
        return sum(phase.done for phase in self._phases.values())

    def add(self, results: Iterable[Result]) -> None:
        """Take in the results of a pack that is just back."""
        self._enter(results)
        if self._warm is None:
            self._warm = (time.monotonic(), self.total)

    def progress(self, phase: str, expected: Callable[[str], int]) -> Progress:
        """Return how far the run has come.

        Args:
            phase: the one that is shown
            expected: gives how many results a phase will have had
        """
        own, total = self._phases[phase], self.total
        since, before = self._warm or (time.monotonic(), total)
        rate = (total - before) / max(time.monotonic() - since, 1e-9) if total > before else None
        planned = {name: expected(name) for name in PHASES}
        remaining = sum(planned.values()) - total
        counted = max(planned.values()) < UNLIMITED  # else time ends the search, nobody knows after how many
        return Progress(
            phase=phase,
            done=own.done,
            planned=planned[phase],
            total_done=total,
            failures=own.failures,
            best=own.best,
            median=own.median,
            rate=rate,
            seconds_left=remaining / rate if rate and counted else None,
            metric=own.metric,
        )

    def _enter(self, results: Iterable[Result]) -> None:
        for r in results:
            phase = self._phases[r.proposal.phase]
            self.seconds += r.train_seconds
            phase.done += 1
            phase.failures += r.state != COMPLETED
            phase.metric, phase.maximize = r.metric, r.direction == "maximize"
            if isinstance(r, TrainResult) and r.state == COMPLETED and r.val_metric is not None:
                phase.add(r.val_metric)
