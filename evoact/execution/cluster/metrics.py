"""Counters of a run among Ray's own metrics, which every node offers to Prometheus."""

import time
from collections import Counter, deque
from collections.abc import Sequence

from ray.util import metrics

from evoact.execution.running.status import utilisation
from evoact.records import Result

WINDOW_SECONDS = 300.0  # over which utilisation is taken
WAITS = [0.01, 0.1, 1.0, 10.0, 60.0, 600.0]  # boundaries of the histogram, in seconds


class Metrics:
    """What the driver counts; every name begins with `evoact_`, to which Ray adds `ray_` in front."""

    def __init__(self, run: str):
        """
        Args:
            run: its name, a tag of every metric
        """
        self._run = {"run": run}
        self._packs = metrics.Counter("evoact_packs", "Packs that are back", ("run", "phase"))
        self._networks = metrics.Counter(
            "evoact_networks", "Networks by how they ended", ("run", "phase", "state")
        )
        self._faults = metrics.Counter(
            "evoact_faults", "Workers and nodes lost, and other faults", ("run", "what")
        )
        self._workers = metrics.Gauge("evoact_workers", "Workers that live", ("run",))
        self._utilisation = metrics.Gauge(
            "evoact_utilisation",
            "The share of their time that workers trained, in the last minutes",
            ("run",),
        )
        self._waits = metrics.Histogram(
            "evoact_queue_wait_seconds", "How long packs waited for a worker", WAITS, ("run",)
        )
        self._recent: deque[tuple[float, float, int]] = deque()

    def pack(self, results: Sequence[Result], waited: float, workers: int) -> None:
        """Count a pack that is back, which had waited so many seconds, and how many workers there are."""
        first, now = results[0], time.time()
        self._packs.inc(1, self._run | {"phase": first.proposal.phase})
        for state, networks in Counter(result.state for result in results).items():
            self._networks.inc(networks, self._run | {"phase": first.proposal.phase, "state": state})
        self._waits.observe(max(0.0, waited), self._run)
        self._workers.set(workers, self._run)
        self._recent.append((now, max(0.0, first.finished_at - first.started_at), workers))
        while now - self._recent[0][0] > WINDOW_SECONDS:
            self._recent.popleft()
        share = utilisation(self._recent)
        if share is not None:
            self._utilisation.set(share, self._run)

    def fault(self, what: str) -> None:
        """Count a fault of this kind."""
        self._faults.inc(1, self._run | {"what": what})
