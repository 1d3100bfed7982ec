"""What Ray costs: the time between packs, and how busy many workers are kept.

    python benchmarks/scheduling.py [--quick] [--workers N ...] [--seconds S ...] [--json FILE]

`overhead_per_pack_ms`: two workers train many tiny packs; from the first pack's end to the last one's,
the time that the workers did not train, per pack.

`utilisation_N_workers_Ss`: the share of their time that N workers are in a pack, if packs last S seconds (with --quick,
16 workers, a second). The run is as any other, with its rows and its log, Ray, Tune and the exchange, but for the
workers: N threads of one process that fetch packs, sleep, and deliver results, because N processes would need a machine
for N. `driver_ms_N_workers_Ss` is the driver's own processor time for each of these packs, Ray's threads beside it
included, which limits how many workers it can keep busy. `utilisation_N_workers_Ss_Gg`: the same if each G packs are a
generation, whose results the next one waits for.

Without options of its own all are measured, in about seven minutes, and the model in `scaling_model.py` is fitted to
2, 8 and 32 workers and checked against 4, 16 and 64; so are generations, fitted to one size and checked against others.
"""

import argparse
import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

# Ray has its workers give way to everything else (niceness 15). Here they stand for other machines.
os.environ.setdefault("RAY_worker_niceness", "0")

import ray
from ray import tune
from reporting import Row, arguments, report
from scaling_model import Point, fitted, lines

from evoact.config import Experiment, Plan, experiment
from evoact.execution.cluster import ray_tune
from evoact.execution.cluster.pack_exchange import RETIRE
from evoact.execution.cluster.ray_cluster import NAMESPACE
from evoact.execution.local import Work
from evoact.execution.run import search
from evoact.execution.running.packs import Run
from evoact.execution.stages import Stages
from evoact.leaderboard.ask.query import Leaderboard
from evoact.records import COMPLETED, Proposal, Result, TrainResult

WORKERS, SECONDS = (2, 4, 8, 16, 32, 64), (1.0, 10.0)
FITTED = (2, 8, 32)  # of them
GENERATIONS = {16: (16, 24, 64)}  # packs of a second in a generation, by workers; the first size is fitted to
BARS = {(16, 1.0): 0.90, (16, 10.0): 0.95}
LASTS = 15.0  # seconds that packs are trained, or three packs of each worker
ROUNDS_OF_GENERATIONS = 5
NETWORK_SECONDS = 0.0003  # of the driver for each further network of a pack: `driver.py`


class Timed:
    """A source of packs that remembers when each was trained."""

    def __init__(self, stages: Stages, size: int, workers: int):
        self.stages, self.size, self.workers = stages, size, workers
        self.spans: list[tuple[float, float]] = []

    @property
    def finished(self) -> bool:
        return self.stages.finished

    def next_pack(self, size: int | None = None) -> tuple[str, list[Proposal]]:
        proposals = self.stages.ask(size or self.size)
        return (f"pack-{proposals[0].index}" if proposals else ""), proposals

    def finish_packs(self, packs: Sequence[tuple[Sequence[Result], Work]]) -> None:
        for results, _ in packs:
            self.stages.tell(results)
            self.spans.append((results[0].started_at, results[0].finished_at))


def tiny(workers: int, packs: int, size: int, generation: int = 0) -> Experiment:
    """A search of so many packs, in generations of random networks if asked."""
    strategy: dict[str, Any] = {"name": "random"}
    if generation:
        bred = {"surrogate": False, "elites": 0, "startup": packs * size + 1}
        strategy = {"name": "evolution", "population": generation * size, **bred}
    return experiment(
        {
            "name": "scheduling",
            "task": {"name": "faulty"},
            "network": {"name": "mlp", "hidden": [8]},
            "space": {
                "functions": ["relu", "tanh", "sin"],
                "types": {"base": {}},
                "learning_rate": {"low": 0.001, "high": 0.1, "per_decade": 8},
            },
            "strategy": strategy,
            "training": {"steps": 1, "batch_size": 10},
            "budget": {"networks": packs * size},
            "replicates": packs * size,  # or a space as small as this one would be exhausted
            "baselines": {"replicates": 0},
            "confirm": {"candidates": 0},
            "packs": {"size": size},
            "execution": {"workers": workers, "cpus_per_pack": 1, "backend": "ray_tune"},
        }
    )


def overhead(packs: int) -> float:
    """Milliseconds per pack in which a worker waited, once both had their first pack."""
    workers = 2
    made = tiny(workers, packs, 4)
    source = Timed(Stages(made), 4, workers)
    ray_tune.execute(source, Plan.of(made))
    taken = sorted(source.spans)
    begin = sorted(end for _, end in taken)[workers - 1]
    steady = [(start, end) for start, end in taken if start >= begin]
    window = max(end for _, end in taken) - begin
    busy = sum(end - start for start, end in steady)
    return 1000 * (workers * window - busy) / len(steady)


class Sleepers(tune.Trainable):
    """Many workers in one process, which sleep instead of training; to the exchange they are as any others."""

    workers, seconds = 1, 0.0

    def setup(self, config: dict[str, Any]) -> None:
        self.exchange = ray.get_actor(config["exchange"], namespace=NAMESPACE)
        self.ended = threading.Event()

    def step(self) -> dict[str, Any]:
        with ThreadPoolExecutor(self.workers) as pool:
            packs = sum(pool.map(self._work, [f"sleeper-{i}" for i in range(self.workers)]))
        return {"packs": packs, "done": True}

    def _work(self, worker: str) -> int:
        here, packs = ray.get_runtime_context(), 0
        ray.get(self.exchange.join.remote(worker, worker, here.current_actor, here.get_node_id(), worker))
        taken = ray.get(self.exchange.take.remote(worker, 2.0))
        while taken != RETIRE:
            if taken is None:
                taken = ray.get(self.exchange.take.remote(worker, 2.0))
                continue
            name, proposals = taken
            started = time.time()
            time.sleep(self.seconds)
            ended, packs = time.time(), packs + 1
            answer = [
                TrainResult(
                    p,
                    COMPLETED,
                    "accuracy",
                    "maximize",
                    0.5,
                    train_loss=0.5,
                    pack=name,
                    pack_size=len(proposals),
                    train_seconds=ended - started,
                    started_at=started,
                    finished_at=ended,
                )
                for p in proposals
            ]
            taken = ray.get(self.exchange.swap.remote(worker, name, answer, 2.0))
        return packs


class OneLease(ray_tune.Leases):
    """One lease, whose process has all workers."""

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        return None if self.leased and not self.driver.done else super().suggest(trial_id)


class Waiting:
    """For how long the driver waits for the disk: the time by the clock that its thread does not work."""

    seconds = 0.0

    def around(self, finish: Callable[..., None]) -> Callable[..., None]:
        def timed(*given: Any) -> None:
            clock, worked = time.perf_counter(), time.thread_time()
            finish(*given)
            self.seconds += time.perf_counter() - clock - (time.thread_time() - worked)

        return timed


def utilisation(workers: int, seconds: float, generation: int = 0) -> Point:
    """The share of their time that workers slept, and the driver's seconds of a processor for each pack.

    From when the last worker had its first pack to the last pack's start; of generations, from the first start in the
    second to the first start in the last.
    """
    waited = Waiting()
    packs = workers * max(3, int(LASTS / seconds)) if not generation else generation * ROUNDS_OF_GENERATIONS
    spent: list[tuple[float, float]] = []
    named = {"workers": workers, "seconds": seconds}
    kept = ray_tune.Worker, ray_tune.Leases, Run.finish_packs
    ray_tune.Worker, ray_tune.Leases = type("Sleeping", (Sleepers,), named), OneLease  # type: ignore[misc]
    Run.finish_packs = waited.around(Run.finish_packs)  # type: ignore[method-assign]
    try:
        with tempfile.TemporaryDirectory(prefix="evoact-scheduling-") as folder:
            place = Path(folder, "run")
            search(
                tiny(workers, packs, 1, generation),
                place,
                observe=lambda progress: spent.append((time.time(), time.process_time())),
            )
            rows = Leaderboard(place).columns("started_at", "finished_at", "generation")
    finally:
        ray_tune.Worker, ray_tune.Leases, Run.finish_packs = kept  # type: ignore[misc,method-assign]
    starts, ends = (
        [moment.timestamp() for moment in rows[name].to_pylist()] for name in ("started_at", "finished_at")
    )
    taken = sorted(zip(starts, ends, strict=True))
    begin, end = taken[workers - 1][0], taken[-1][0]
    if generation:
        numbers = rows["generation"].to_pylist()
        firsts = {g: min(at for at, n in zip(starts, numbers, strict=True) if n == g) for g in set(numbers)}
        begin, end = firsts[1], firsts[max(firsts)]
    busy = sum(max(0.0, min(stop, end) - max(start, begin)) for start, stop in taken)
    inside = [(at, cpu) for at, cpu in spent if begin <= at <= end]
    driver = (inside[-1][1] - inside[0][1]) / (len(inside) - 1)
    share = busy / (workers * (end - begin))
    return Point(workers, seconds, share, driver, generation, waited.seconds / packs)


def name_of(point: Point) -> str:
    generation = f"_{point.generation}g" if point.generation else ""
    return f"{point.workers}_workers_{point.seconds:g}s{generation}"


def noted(point: Point) -> Point:
    """The same, printed with the load beside it."""
    figures = f"{point.busy:.3f}, {1000 * point.driver:.1f} ms a pack"
    print(f"load {os.getloadavg()[0]:.1f}: {name_of(point)} {figures}", flush=True)
    return point


def rows_of(point: Point) -> list[Row]:
    """The figures of a measurement."""
    name = name_of(point)
    bar = None if point.generation else BARS.get((point.workers, point.seconds))
    return [
        Row(f"utilisation_{name}", point.busy, "share of time", bar),
        Row(f"driver_ms_{name}", 1000 * point.driver, "ms of a processor"),
    ]


def swept() -> list[Row]:
    """All of them, with the model; its text is printed."""
    steady = [noted(utilisation(workers, seconds)) for seconds in SECONDS for workers in WORKERS]
    fit = [p for p in steady if p.workers in FITTED]
    held_out = [p for p in steady if p.workers not in FITTED]
    for workers, sizes in GENERATIONS.items():
        first, *others = (noted(utilisation(workers, 1.0, size)) for size in sizes)
        fit.append(first)
        held_out += others
    model = fitted(fit)
    print("\n".join(lines(model, fit, held_out, NETWORK_SECONDS)))
    return [row for point in (*fit, *held_out) for row in rows_of(point)]


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workers", nargs="+", type=int, metavar="N", help="of the utilisation")
    parser.add_argument("--seconds", nargs="+", type=float, metavar="S", help="that packs last there")


def main() -> None:
    options = arguments(__doc__, more=more, quick="coarser, 16 workers alone")
    started = time.perf_counter()
    chosen = bool(options.workers or options.seconds)
    seconds, workers = options.seconds or (1.0,), options.workers or (16,)
    cpus = max(WORKERS) if not chosen else max(workers)
    quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": logging.ERROR}
    ray.init(address="local", num_cpus=cpus, namespace=NAMESPACE, **quiet)  # one for all that is measured
    rows = []
    try:
        if not chosen:
            rows.append(
                Row("overhead_per_pack_ms", overhead(40 if options.quick else 200), "ms", 20, "lower")
            )
        if chosen or options.quick:
            for lasts in seconds:
                for number in workers:
                    rows += rows_of(noted(utilisation(number, lasts)))
        else:
            rows += swept()
    finally:
        ray.shutdown()
    report(options, rows)
    print(f"took {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
