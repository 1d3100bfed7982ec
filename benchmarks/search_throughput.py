"""Searching end to end against stock Ray Tune with OptunaSearch, one trial per candidate.

    python benchmarks/search_throughput.py [--quick] [--json FILE] [--only mlp|lenet5]

Both sides train the same genomes, four functions per neuron or channel and a learning rate of each network's own, with
Adam and batches of 100: `mlp` is 40-100-100-10 on MNIST-1D, 500 steps, `lenet5` LeNet-5 on 10,000 images of
Fashion-MNIST (if its data is here), 100 steps; both are scored on the validation split. Stock Tune is at its best: two
trials at once with one torch thread each, no loggers, data in Ray's memory, heterogeneous layers gathered by
function, and processes that import PyTorch and Tune alone. Ours includes the strategy, the storing of every row and the
leaderboard's parts on disk, on two workers; `_bf16` are the same with `training.precision: bf16`, which
`precision: auto` chooses for `mlp`.

The start of both sides is left out. Ours is the time from the first training's start to the last stored row, by the
number of networks; Tune's that from its first trial's start to its last one's, by what was trained in between. Both
sides take turns, part by part; a figure is of all rounds together. `busy` is how much of two workers' time packs are in
training, and `driver_ms` the driver's processor time for a network. `vs_tune_default` and `vs_tune_reuse` are how many
times as long Tune takes for an MLP, with a process for each and with reused ones; names of `lenet5` begin with it.
"""

import argparse
import functools
import logging
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"

import ray
import torch
from packed_step import FOUR, genomes
from ray import tune
from ray.tune.search.optuna import OptunaSearch
from reporting import Row, arguments, report
from torch import nn
from torch.nn import functional as F

from evoact.config import Experiment, Plan, experiment
from evoact.execution.cluster import ray_tune
from evoact.execution.local import Work
from evoact.genomes.genome import Genome
from evoact.leaderboard.location import Location
from evoact.leaderboard.store.write import write_part
from evoact.networks import NETWORKS
from evoact.networks.precision import has_bf16
from evoact.records import Proposal, Result
from evoact.strategies import create
from evoact.tasks import TASKS
from evoact.tasks.fashion_mnist import is_present

BATCH, WORKERS = 100, 2
FUNCTIONS = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "sin": torch.sin,
    "gaussian": lambda x: torch.exp(-x * x),
}


@dataclass(frozen=True)
class Workload:
    """What both sides train, and how many networks of it in a round: by Tune's defaults, by reused actors, by us."""

    name: str
    task: dict[str, Any]
    network: dict[str, Any]
    steps: int
    pack: int
    trials: tuple[int, int, int]
    quick_trials: tuple[int, int, int]
    bars: tuple[float, float]  # over Tune's defaults, and over reused actors


WORKLOADS = (
    Workload(
        "mlp",
        {"name": "mnist1d"},
        {"name": "mlp", "hidden": [100, 100]},
        500,
        32,
        (8, 32, 256),
        (6, 16, 128),
        (45, 10),
    ),
    Workload(
        "lenet5",
        {"name": "fashion_mnist", "train_examples": 10_000, "validation_examples": 2_000},
        {"name": "lenet5"},
        100,
        4,
        (6, 12, 24),
        (6, 6, 16),
        (8, 3),
    ),
)


# --- stock Tune, whose processes import nothing of evoact ---------------------------------------


class Mixed(nn.Module):
    """A layer's activations as a careful user writes them: neurons gathered by function, put back once."""

    def __init__(self, functions: Sequence[str], assignment: Sequence[int]):
        super().__init__()
        self.functions = [FUNCTIONS[name] for name in functions]
        groups = [[n for n, t in enumerate(assignment) if t == i] for i in range(len(functions))]
        self.groups = [torch.tensor(g) for g in groups]
        self.inverse = torch.argsort(torch.cat(self.groups))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = [f(x.index_select(1, g)) for f, g in zip(self.functions, self.groups, strict=True)]
        return torch.cat(parts, dim=1).index_select(1, self.inverse)


def module(name: str, layers: Sequence[nn.Module]) -> nn.Module:
    """The ordinary network of a name, with these activations."""
    first, second, *third = layers
    if name == "mlp":
        return nn.Sequential(nn.Linear(40, 100), first, nn.Linear(100, 100), second, nn.Linear(100, 10))
    return nn.Sequential(
        *(nn.Conv2d(1, 20, 5), first, nn.MaxPool2d(2), nn.Conv2d(20, 50, 5), second, nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(800, 500), *third, nn.Linear(500, 10)),
    )


def train_plainly(candidate: dict[str, Any], data: dict[str, Any]) -> float:
    """Validation accuracy of one network trained in plain PyTorch."""
    torch.set_num_threads(1)
    splits = {name: tuple(map(torch.as_tensor, pair)) for name, pair in data.items()}
    x, y = splits["train"]
    net = module(candidate["network"], [Mixed(*site) for site in candidate["sites"]])
    optimizer = torch.optim.Adam(net.parameters(), lr=candidate["learning_rate"])
    per_epoch = len(x) // BATCH
    for step in range(candidate["steps"]):
        if step % per_epoch == 0:
            order = torch.randperm(len(x))
        rows = order[step % per_epoch * BATCH :][:BATCH]
        optimizer.zero_grad()
        F.cross_entropy(net(x[rows]), y[rows]).backward()
        optimizer.step()
    x, y = splits["validation"]
    with torch.no_grad():
        right = [
            (net(a).argmax(1) == b).float().sum() for a, b in zip(x.split(500), y.split(500), strict=True)
        ]
    return float(sum(right)) / len(x)


class OneCandidate(tune.Trainable):
    """Stock Tune's trial."""

    def setup(self, config: dict[str, Any]) -> None:
        self.reset_config(config)

    def reset_config(self, config: dict[str, Any]) -> bool:
        self.refs, self.number = config["refs"], config["candidate"]
        return True

    def step(self) -> dict[str, Any]:
        started = time.time()
        candidates, data = ray.get(self.refs)
        accuracy = train_plainly(candidates[self.number], data)
        return {"accuracy": accuracy, "started": started, "finished": time.time(), "done": True}


def numbers(task: Any) -> dict[str, Any]:
    """Inputs as networks are given them, and targets, of the splits that both sides read."""
    splits = {name: task.splits()[name] for name in ("train", "validation")}
    prepared = {name: task.prepare(torch.as_tensor(s.inputs).float(), None) for name, s in splits.items()}
    return {name: (prepared[name].numpy(), s.targets) for name, s in splits.items()}


def plain(work: Workload, genome: Genome) -> dict[str, Any]:
    """A candidate without anything of evoact."""
    sites = [([t.name for t in site.types], list(site.assignment)) for site in genome.sites]
    rate = genome.hyperparameter("learning_rate")
    return {"network": work.name, "sites": sites, "learning_rate": rate, "steps": work.steps}


def tune_seconds(work: Workload, chosen: Sequence[Genome], data: Any, reuse: bool) -> tuple[float, int]:
    """Stock Tune over these candidates, each suggested by OptunaSearch: seconds, and what was trained in them."""
    candidates = ray.put([plain(work, g) for g in chosen])
    search = OptunaSearch(
        metric="accuracy", mode="max", points_to_evaluate=[{"candidate": i} for i in range(len(chosen))]
    )
    with tempfile.TemporaryDirectory() as scratch:
        results = tune.Tuner(
            tune.with_resources(OneCandidate, {"cpu": 1}),
            param_space={"candidate": tune.randint(0, len(chosen)), "refs": [candidates, data]},
            tune_config=tune.TuneConfig(
                search_alg=search,
                metric="accuracy",
                mode="max",
                num_samples=len(chosen),
                max_concurrent_trials=WORKERS,
                reuse_actors=reuse,
            ),
            run_config=tune.RunConfig(
                storage_path=scratch,
                verbose=0,
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            ),
        ).fit()
    starts = sorted(r.metrics["started"] for r in results)
    return starts[-1] - starts[0], len(chosen) - WORKERS


# --- ours ----------------------------------------------------------------------------------------


@dataclass
class Stored:
    """The enumerated genomes in packs, every row durable before the strategy hears of it."""

    made: Experiment
    chosen: Sequence[Genome]
    size: int  # of packs
    home: Location
    spans: list[tuple[float, float, float]] = field(default_factory=list)  # begun, trained, stored

    @functools.cached_property
    def strategy(self) -> Any:
        return create(
            "enumerate",
            self.made.space,
            seed=0,
            networks=len(self.chosen),
            steps=self.made.steps,
            options={"genomes": tuple(self.chosen), "seeds": (0,)},
        )

    @property
    def workers(self) -> int | None:
        return self.made.config.execution.workers

    @property
    def finished(self) -> bool:
        return self.strategy.finished

    def next_pack(self, size: int | None = None) -> tuple[str, list[Proposal]]:
        proposals = self.strategy.ask(size or self.size)
        return (f"pack-{proposals[0].index}" if proposals else ""), proposals

    def finish_packs(self, packs: Sequence[tuple[Sequence[Result], Work]]) -> None:
        results = [result for of_pack, _ in packs for result in of_pack]
        failures = [r.error for r in results if r.state not in ("completed", "diverged")]
        assert not failures, failures[0]
        names = {name: getattr(self.made.config, name).name for name in ("task", "network")}
        self.strategy.tell(write_part(self.home, results, run="benchmark", **names))
        self.spans += [(of[0].started_at, of[0].finished_at, time.time()) for of, _ in packs]


@dataclass(frozen=True)
class Ours:
    """What a run of ours took: seconds from its first training to its last row, those of training, the driver's own."""

    networks: int
    seconds: float
    trained: float
    driver: float


def our_seconds(work: Workload, chosen: Sequence[Genome], precision: str) -> Ours:
    """evoact over these candidates on Ray, two workers of one torch thread each."""
    made = experiment(
        {
            "name": "throughput",
            "task": work.task,
            "network": work.network,
            "space": {
                "functions": list(FOUR),
                "types": {"base": {}},
                "types_per_layer": [1, 4],
                "learning_rate": {"low": 0.0001, "high": 0.1},
            },
            "strategy": {"name": "random"},
            "training": {"steps": work.steps, "batch_size": BATCH, "precision": precision},
            "budget": {"networks": len(chosen)},
            "packs": {"size": work.pack},
            "execution": {"workers": WORKERS},
        }
    )
    with tempfile.TemporaryDirectory() as home:
        source, driver = Stored(made, chosen, work.pack, Location.of(home)), time.process_time()
        ray_tune.execute(source, Plan.of(made))
        driver = time.process_time() - driver
        assert len(list((Path(home) / "leaderboard").glob("*.parquet"))) == len(source.spans)
    begun, trained, stored = zip(*source.spans, strict=True)
    busy = sum(b - a for a, b in zip(begun, trained, strict=True))
    return Ours(len(chosen), max(stored) - min(begun), busy, driver)


# --- both ----------------------------------------------------------------------------------------


def compared(work: Workload, rounds: int, quick: bool) -> list[Row]:
    """All figures of a workload; the sides take turns, each with candidates of its own in each round."""
    task = TASKS[work.task["name"]](**{k: v for k, v in work.task.items() if k != "name"})
    arguments = {k: v for k, v in work.network.items() if k != "name"}
    network = NETWORKS[work.network["name"]](task.input_shape, task.n_outputs, **arguments)
    defaults, reused, ours = work.quick_trials if quick else work.trials
    made, data = genomes(network, rounds * ours, FOUR), ray.put(numbers(task))
    precisions = ("float32", "bf16") if has_bf16(torch.device("cpu")) else ("float32",)
    by_tune: dict[str, list[tuple[float, int]]] = {"default": [], "reuse": []}
    by_us: dict[str, list[Ours]] = {precision: [] for precision in precisions}
    for i in range(rounds):
        own = made[i * ours : (i + 1) * ours]
        by_tune["reuse"].append(tune_seconds(work, own[:reused], data, reuse=True))
        for precision in precisions:
            by_us[precision].append(our_seconds(work, own, precision))
        by_tune["default"].append(tune_seconds(work, own[:defaults], data, reuse=False))
        load, *_ = os.getloadavg()
        print(f"{work.name}, round {i + 1} of {rounds}, load {load:.1f}: {by_tune} {by_us}", flush=True)
    return rows(work, by_tune, by_us)


def rows(
    work: Workload, by_tune: dict[str, list[tuple[float, int]]], by_us: dict[str, list[Ours]]
) -> list[Row]:
    tuned = {how: sum(s for s, _ in own) / sum(n for _, n in own) for how, own in by_tune.items()}
    found = [
        Row(f"{work.name}_tune_{how}_s", seconds, "s a network", better="lower")
        for how, seconds in tuned.items()
    ]
    for precision, own in by_us.items():
        suffix = "" if precision == "float32" else f"_{precision}"
        name, of = work.name + suffix, "" if work.name == "mlp" else f"{work.name}_"
        networks, seconds = sum(o.networks for o in own), sum(o.seconds for o in own)
        busy = sum(o.trained for o in own) / seconds / WORKERS
        found += [
            Row(f"{name}_s", seconds / networks, "s a network", better="lower"),
            Row(f"{name}_busy", 100 * busy, "% of two workers", 85),
            Row(f"{name}_driver_ms", 1e3 * sum(o.driver for o in own) / networks, "ms of processor"),
        ]
        for (how, other), bar in zip(tuned.items(), work.bars, strict=True):
            found.append(Row(f"{of}vs_tune_{how}{suffix}", other * networks / seconds, "x", bar))
    return found


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", choices=[work.name for work in WORKLOADS])


def main() -> None:
    options = arguments(__doc__, more=more)
    ray.init(
        address="local",
        num_cpus=WORKERS,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    found: list[Row] = []
    for work in WORKLOADS:
        if options.only not in (None, work.name):
            continue
        if work.task["name"] == "fashion_mnist" and not is_present():
            print("lenet5 is left out: Fashion-MNIST is not here")
            continue
        found += compared(work, 1 if options.quick else 2, options.quick)
    ray.shutdown()
    report(options, found)


if __name__ == "__main__":
    main()
