"""What Ray costs: the time between packs, and how busy many workers are kept.

    python benchmarks/scheduling.py [--quick] [--json FILE]

`overhead_per_pack_ms`: two workers train many tiny packs; from the first pack's end to the last one's,
the time that the workers did not train, per pack. `utilisation_64_workers` (not with --quick; takes 12 GB, and
on two processors over five minutes): 64 workers whose packs sleep for 20 seconds, so that the driver alone limits.
"""

import logging
import time
from collections.abc import Sequence

import ray
from reporting import Row, arguments, report

from evoact.config import Plan, experiment
from evoact.execution.cluster import ray_tune
from evoact.execution.local import Work
from evoact.execution.stages import Stages
from evoact.records import Proposal, Result


class Timed:
    """A source of packs that remembers when each was trained."""

    def __init__(self, stages: Stages, size: int, workers: int):
        self.stages, self.size, self.workers = stages, size, workers
        self.spans: list[tuple[float, float]] = []

    @property
    def finished(self) -> bool:
        return self.stages.finished

    def next_pack(self) -> tuple[str, list[Proposal]]:
        proposals = self.stages.ask(self.size)
        return (f"pack-{proposals[0].index}" if proposals else ""), proposals

    def finish_pack(self, results: Sequence[Result], work: Work) -> None:
        self.stages.tell(results)
        self.spans.append((results[0].started_at, results[0].finished_at))


def spans(workers: int, packs: int, size: int, sleep: float) -> list[tuple[float, float]]:
    """Start and end of each pack's training, in seconds since 1970."""
    made = experiment(
        {
            "name": "scheduling",
            "task": {"name": "faulty", "hangs": 1.0 if sleep else 0.0, "hang_seconds": sleep},
            "network": {"name": "mlp", "hidden": [8]},
            "space": {
                "functions": ["relu", "tanh", "sin"],
                "types": {"base": {}},
                "learning_rate": {"low": 0.001, "high": 0.1, "per_decade": 8},
            },
            "strategy": {"name": "random"},
            "training": {"steps": 1, "batch_size": 10},
            "budget": {"networks": packs * size},
            "baselines": {"replicates": 0},
            "confirm": {"candidates": 0},
            "packs": {"size": size},
            "execution": {"workers": workers, "cpus_per_pack": 1},
        }
    )
    source = Timed(Stages(made), size, workers)
    ray.init(
        address="local",
        num_cpus=workers,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    try:
        ray_tune.execute(source, Plan.of(made))
    finally:
        ray.shutdown()
    return sorted(source.spans)


def overhead(packs: int) -> float:
    """Milliseconds per pack in which a worker waited, once both had their first pack."""
    workers, taken = 2, spans(2, packs, 4, 0.0)
    begin = sorted(end for _, end in taken)[workers - 1]
    steady = [(start, end) for start, end in taken if start >= begin]
    window = max(end for _, end in taken) - begin
    busy = sum(end - start for start, end in steady)
    return 1000 * (workers * window - busy) / len(steady)


def utilisation(workers: int, seconds: float) -> float:
    """The share of their time that workers trained, from when the last had started to the last pack's start."""
    taken = spans(workers, 6 * workers, 1, seconds)
    begin, end = taken[workers - 1][0], taken[-1][0]
    if end <= begin:
        raise RuntimeError("expected several packs per worker")
    busy = sum(max(0.0, min(stop, end) - max(start, begin)) for start, stop in taken)
    return busy / (workers * (end - begin))


def main() -> None:
    options = arguments(__doc__)
    started = time.perf_counter()
    rows = [Row("overhead_per_pack_ms", overhead(40 if options.quick else 200), "ms", 150, "lower")]
    if not options.quick:
        rows.append(Row("utilisation_64_workers", utilisation(64, 20.0), "share of time"))
    report(options, rows)
    print(f"took {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
