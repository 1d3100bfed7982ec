"""Searching end to end against stock Ray Tune with OptunaSearch, one trial per candidate.

    python benchmarks/search_throughput.py [--quick] [--json FILE]

Both sides train the same genomes (four functions per neuron, own learning rates) of the network
40-100-100-10 on MNIST-1D: 500 Adam steps of batch 100. Stock Tune is at its best: two trials at once with
one torch thread each, no loggers, its heterogeneous layers gathered by function. Candidates per second
run from the first training's start to the last one's end, so that both sides' start-up is left out; ours
includes the strategy, the storing of every row, and the leaderboard's parts on disk.
"""

import logging
import os
import tempfile
import time
from collections.abc import Sequence
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
from evoact.genomes.genome import Genome, dumps, loads
from evoact.leaderboard.location import Location
from evoact.leaderboard.store.write import write_part
from evoact.records import Proposal, Result
from evoact.strategies import create
from evoact.tasks import TASKS

STEPS, BATCH, WORKERS = 500, 100, 2
FUNCTIONS = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "sin": torch.sin,
    "gaussian": lambda x: torch.exp(-x * x),
}


class Mixed(nn.Module):
    """A layer's activations as a careful user writes them: columns gathered by function, put back once."""

    def __init__(self, site: Any):
        super().__init__()
        self.functions = [FUNCTIONS[t.name] for t in site.types]
        groups = [[n for n, t in enumerate(site.assignment) if t == i] for i in range(len(site.types))]
        self.groups = [torch.tensor(g) for g in groups]
        self.inverse = torch.argsort(torch.cat(self.groups))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = [f(x.index_select(1, g)) for f, g in zip(self.functions, self.groups, strict=True)]
        return torch.cat(parts, dim=1).index_select(1, self.inverse)


def train_plainly(genome: Genome) -> float:
    """Validation accuracy of one network trained in plain PyTorch."""
    torch.set_num_threads(1)
    splits = TASKS["mnist1d"]().splits()
    x, y = torch.as_tensor(splits["train"].inputs), torch.as_tensor(splits["train"].targets)
    first, second = (Mixed(site) for site in genome.sites)
    net = nn.Sequential(nn.Linear(40, 100), first, nn.Linear(100, 100), second, nn.Linear(100, 10))
    optimizer = torch.optim.Adam(net.parameters(), lr=genome.hyperparameter("learning_rate"))
    per_epoch = len(x) // BATCH
    for step in range(STEPS):
        if step % per_epoch == 0:
            order = torch.randperm(len(x))
        rows = order[step % per_epoch * BATCH :][:BATCH]
        optimizer.zero_grad()
        F.cross_entropy(net(x[rows]), y[rows]).backward()
        optimizer.step()
    with torch.no_grad():
        outputs = net(torch.as_tensor(splits["validation"].inputs))
    return float((outputs.argmax(1) == torch.as_tensor(splits["validation"].targets)).float().mean())


class OneCandidate(tune.Trainable):
    """Stock Tune's trial."""

    def setup(self, config: dict[str, Any]) -> None:
        self.reset_config(config)

    def reset_config(self, config: dict[str, Any]) -> bool:
        self.texts, self.number = config["genomes"], config["candidate"]
        return True

    def step(self) -> dict[str, Any]:
        started = time.time()
        accuracy = train_plainly(loads(ray.get(self.texts[0])[self.number]))
        return {"accuracy": accuracy, "started": started, "finished": time.time(), "done": True}


def tune_seconds_per_candidate(chosen: Sequence[Genome], reuse: bool) -> float:
    """Stock Tune over the first candidates, each suggested by OptunaSearch."""
    texts = ray.put([dumps(g) for g in chosen])
    search = OptunaSearch(
        metric="accuracy", mode="max", points_to_evaluate=[{"candidate": i} for i in range(len(chosen))]
    )
    with tempfile.TemporaryDirectory() as scratch:
        results = tune.Tuner(
            tune.with_resources(OneCandidate, {"cpu": 1}),
            param_space={"candidate": tune.randint(0, len(chosen)), "genomes": [texts]},
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
    metrics = [r.metrics for r in results]
    window = max(m["finished"] for m in metrics) - min(m["started"] for m in metrics)
    return window / len(chosen)


class Stored:
    """Our side: the enumerated genomes in packs, every row durable before the strategy hears of it."""

    def __init__(self, made: Experiment, chosen: Sequence[Genome], home: str):
        self.made, self.home = made, Location.of(home)
        self.strategy = create(
            "enumerate",
            made.space,
            seed=0,
            networks=len(chosen),
            steps=STEPS,
            options={"genomes": tuple(chosen), "seeds": (0,)},
        )
        self.spans: list[tuple[float, float]] = []
        self.workers = made.config.execution.workers
        self.told = 0

    @property
    def finished(self) -> bool:
        return self.strategy.finished

    def next_pack(self, size: int | None = None) -> tuple[str, list[Proposal]]:
        proposals = self.strategy.ask(size or self.made.pack_size)
        return (f"pack-{proposals[0].index}" if proposals else ""), proposals

    def finish_pack(self, results: Sequence[Result], work: Work) -> None:
        failures = [r.error for r in results if r.state != "completed"]
        assert not failures, failures[0]
        self.strategy.tell(write_part(self.home, results, run="benchmark", task="mnist1d", network="mlp"))
        self.spans.append((results[0].started_at, time.time()))


def our_seconds_per_candidate(chosen: Sequence[Genome], size: int) -> float:
    """evoact over all candidates on Ray, two workers of one torch thread each."""
    made = experiment(
        {
            "name": "throughput",
            "task": {"name": "mnist1d"},
            "network": {"name": "mlp", "hidden": [100, 100]},
            "space": {
                "functions": list(FOUR),
                "types": {"base": {}},
                "types_per_layer": [1, 4],
                "learning_rate": {"low": 0.001, "high": 0.1},
            },
            "strategy": {"name": "random"},
            "training": {"steps": STEPS, "batch_size": BATCH},
            "budget": {"networks": len(chosen)},
            "packs": {"size": size},
            "execution": {"workers": WORKERS},
        }
    )
    with tempfile.TemporaryDirectory() as home:
        source = Stored(made, chosen, home)
        ray_tune.execute(source, Plan.of(made))
        assert len(list((Path(home) / "leaderboard").glob("*.parquet"))) == len(source.spans)
    return (max(end for _, end in source.spans) - min(start for start, _ in source.spans)) / len(chosen)


def main() -> None:
    options = arguments(__doc__)
    defaults, reused, ours, size = (4, 10, 128, 32) if options.quick else (10, 40, 256, 32)
    ray.init(
        address="local",
        num_cpus=WORKERS,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    made = genomes(experiment_network(), ours, FOUR)
    with_reuse = tune_seconds_per_candidate(made[:reused], reuse=True)
    evoact = our_seconds_per_candidate(made, size)
    without = tune_seconds_per_candidate(made[:defaults], reuse=False)
    ray.shutdown()
    report(
        options,
        [
            Row("evoact_s_per_candidate", evoact, "s", better="lower"),
            Row("tune_default_s_per_candidate", without, "s", better="lower"),
            Row("tune_reuse_s_per_candidate", with_reuse, "s", better="lower"),
            Row("vs_tune_default", without / evoact, "x", 30, "higher"),
            Row("vs_tune_reuse", with_reuse / evoact, "x", 6, "higher"),
        ],
    )


def experiment_network() -> Any:
    from evoact.networks import NETWORKS

    return NETWORKS["mlp"]((40,), 10, hidden=[100, 100])


if __name__ == "__main__":
    main()
