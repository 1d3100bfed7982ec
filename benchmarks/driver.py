"""What the driver costs, without workers: its processor time, memory and files over many results of no training.

    python benchmarks/driver.py [--quick] [--results N] [--strategies NAME ...] [--pack N] [--together N]
                               [--json FILE]

Searches as any other, with rows, log, merged files and summary, of networks with two layers of 32 neurons that are not
trained but looked up, in a table that has whatever is asked for. Each strategy searches in a process of its own:
`random`, and `evolution` without a surrogate, N results each (1,000,000; with --quick 20,000), in packs of 16. They are
stored eight together, as of every table; with --together 1 alone, as packs that are trained one after the other. A line
after each tenth says how it goes on: the processor time of a pack in it, and the most memory and files so far.

`ms_per_network` is processor time, the end of the run included, `ms_per_pack` that of a pack in the last fifth of the
search, and `growth` how many times that of the second fifth it is. `end_seconds` is what follows the last pack of the
search: the choice of candidates, their confirmation, compaction and summary. `memory` is the most that the process
held (`memory_search` before the end), `files` the most that the leaderboard's folder did.
"""

import argparse
import multiprocessing
import os
import random
import resource
import tempfile
import time
from array import array
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from reporting import Row, arguments, report

from evoact.config import experiment
from evoact.config.schema import Config
from evoact.execution import run
from evoact.execution.progress import Progress
from evoact.leaderboard.store.write import PARTS
from evoact.records import COMPLETED, TrainProposal, TrainResult

RESULTS, QUICK_RESULTS = 1_000_000, 20_000
COUNTED = 100  # packs between two counts of files
STRATEGIES: dict[str, dict[str, Any]] = {
    "random": {},
    "evolution": {"surrogate": False},
    "hybrid": {"probes": 0},
}
BARRED = ("random", "evolution")


class Endless:
    """A table of every network: the more tanh the better, with noise."""

    def __init__(self, config: Config):
        self.about = {"config": config.model_dump(mode="json", exclude_none=True)}

    def result(self, proposal: TrainProposal) -> TrainResult:
        tanh = sum(
            count
            for site in proposal.genome.sites
            for t, count in zip(site.types, site.counts(), strict=True)
            if t.label == "tanh"
        )
        draw = random.Random(proposal.index)
        score, loss = tanh / 64 + draw.gauss(0, 0.1), 1 - tanh / 64 + draw.gauss(0, 0.1)
        return TrainResult(
            proposal, COMPLETED, "accuracy", "maximize", score, train_loss=loss, n_parameters=1000 + tanh
        )


class Watch:
    """Looks on: processor time after each of so many packs, and now and then how many files there are."""

    def __init__(self, folder: Path, packs: int):
        self.folder, self.files, self.tenth = folder, 0, max(1, packs // 10)
        self.spent, self.memory = array("d"), 0.0

    def __call__(self, progress: Progress) -> None:
        if progress.phase != "search":
            return
        self.spent.append(time.process_time())
        self.memory = most_memory()
        if len(self.spent) % COUNTED == 0:
            self.files = max(self.files, len(os.listdir(self.folder)))
        if len(self.spent) % self.tenth == 0:
            pack = 1000 * (self.spent[-1] - self.spent[-self.tenth]) / max(1, self.tenth - 1)
            print(
                f"{progress.total_done:,} results: {pack:.2f} ms a pack, {most_memory():.2f} GiB, {self.files} files, "
                f"load {os.getloadavg()[0]:.0f}",
                flush=True,
            )

    def each(self, fifth: int) -> float:
        """Milliseconds of a pack in this fifth of the packs."""
        n = len(self.spent) - 1  # the last one begins the next stage
        first, last = fifth * n // 5, (fifth + 1) * n // 5 - 1
        return 1000 * (self.spent[last] - self.spent[first]) / (last - first)


def most_memory() -> float:
    """GiB that this process held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def searched(
    strategy: str, results: int, pack: int, together: int = run.LOOKED_UP_TOGETHER
) -> dict[str, float]:
    """The figures of one search."""
    made = experiment(
        {
            "name": "driver",
            "task": {"name": "faulty"},
            "network": {"name": "mlp", "hidden": [32, 32]},
            "space": {
                "functions": ["relu", "tanh", "sin", "gaussian", "abs", "identity"],
                "types": {"base": {}, "hull": {"kinds": ["convex"], "sizes": [2]}},
                "types_per_layer": [1, 3],
                "learning_rate": {"low": 0.001, "high": 0.1, "per_decade": 2},
            },
            "strategy": {"name": strategy, **STRATEGIES[strategy]},
            "training": {"steps": 10, "batch_size": 10},
            "budget": {"networks": results},
            "packs": {"size": pack},
        }
    )
    # Nothing else is other than in a search of a table on a disk.
    run._table_of = lambda plan: Endless(plan.config)  # type: ignore[assignment,return-value]
    run.check_table = lambda arm, table: None
    run.LOOKED_UP_TOGETHER = together
    with tempfile.TemporaryDirectory(prefix="evoact-driver-") as folder:
        watch = Watch(Path(folder, "run", PARTS), results // pack)
        started = time.process_time()
        finished = run.search(made, Path(folder, "run"), observe=watch, report=print)
        ended = time.process_time()
    return {
        "ms_per_network": 1000 * (ended - started) / finished.networks,
        "ms_per_pack": watch.each(4),
        "growth": watch.each(4) / watch.each(1),
        "end_seconds": ended - watch.spent[-1],
        "memory_search": watch.memory,
        "memory": most_memory(),
        "files": watch.files,
    }


UNITS = {
    "ms_per_network": ("ms of a processor", 1.0),
    "ms_per_pack": ("ms of a processor", 5.0),
    "growth": ("times", None),
    "end_seconds": ("s of a processor", None),
    "memory_search": ("GiB", None),
    "memory": ("GiB", 1.5),
    "files": ("files", 200.0),
}


def alone(work: Callable[..., dict[str, float]], *given: Any) -> dict[str, float]:
    """What a function returns in a new process, whose memory is its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *given).result()


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", type=int, metavar="N", help="of each strategy")
    parser.add_argument("--strategies", nargs="+", choices=list(STRATEGIES), default=list(BARRED))
    parser.add_argument("--pack", type=int, default=16, metavar="N", help="networks")
    parser.add_argument("--together", type=int, default=run.LOOKED_UP_TOGETHER, metavar="N", help="packs")


def main() -> None:
    options = arguments(__doc__, more=more, quick=f"{QUICK_RESULTS:,} results")
    results = options.results or (QUICK_RESULTS if options.quick else RESULTS)
    rows = []
    for strategy in options.strategies:
        figures = alone(searched, strategy, results, options.pack, options.together)
        for name, value in figures.items():
            unit, bar = UNITS[name]
            rows.append(Row(f"{strategy}_{name}", value, unit, bar, "lower"))
    report(options, rows)


if __name__ == "__main__":
    main()
