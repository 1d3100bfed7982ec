"""What one outer step of meta-training costs, against the straightforward way; what validation costs.

    python benchmarks/bilevel.py [--quick] [--json FILE] [--one-thread]

MNIST-1D, a network 40-100-10, two neuron types 1-50-1 on top of sin, 100 inner steps of batch 200, the
exact gradient through all of them. `straightforward` is what one writes in plain PyTorch and what the published
code does (Choudhary et al. 2022): every neuron runs its sub-network, and autograd keeps the whole
inner loop. Each contender has a process of its own; their outer steps take turns, so that the
machine's drift hits both alike. The straightforward one runs on one thread and on all processors, and
the faster counts; ours, whose operations are too small to share out, on one. With `--one-thread` the former is left
out, and what counts is the processor's time, which says more on a machine that has other work.

`validation_seconds` is the whole of Fig. 3's validation, the start of its two processes included: 50 networks each of
two captured types, of both mixed, of relu, tanh and sin, for 20 epochs of batch 200, as
`configs/choudhary_mnist1d.yaml` trains them.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from reporting import Row, arguments, report

HIDDEN, UNITS, STEPS, BATCH, RATE = 100, 50, 100, 200, 0.01
SMOOTHING, SCALE = 0.8, 0.2


def straightforward() -> Callable[[int], None]:
    """One outer step, from a fresh network to the gradients of both sub-networks."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    from evoact.tasks.mnist1d import mnist1d

    split = mnist1d().splits()["train"]
    inputs, targets = torch.as_tensor(split.inputs), torch.as_tensor(split.targets)
    types = [nn.Sequential(nn.Linear(1, UNITS), nn.Tanh(), nn.Linear(UNITS, 1)) for _ in range(2)]
    learned = [p for t in types for p in t.parameters()]

    def activate(z: torch.Tensor) -> torch.Tensor:
        parts = z.split(HIDDEN // 2, dim=1)
        return torch.cat(
            [x.sin() + SCALE * t(x[..., None])[..., 0] for x, t in zip(parts, types, strict=True)], 1
        )

    def outer_step(number: int) -> None:
        torch.manual_seed(number)
        first, second = nn.Linear(inputs.shape[1], HIDDEN), nn.Linear(HIDDEN, 10)
        weights = [*first.parameters(), *second.parameters()]
        squares = [torch.ones_like(w) for w in weights]
        losses = []
        order = torch.cat([torch.randperm(len(inputs)) for _ in range(1 + STEPS * BATCH // len(inputs))])
        for rows in order[: STEPS * BATCH].split(BATCH):
            w1, b1, w2, b2 = weights
            outputs = F.linear(activate(F.linear(inputs[rows], w1, b1)), w2, b2)
            losses.append(F.cross_entropy(outputs, targets[rows]))
            gradients = torch.autograd.grad(losses[-1], weights, create_graph=True)
            squares = [
                SMOOTHING * s + (1 - SMOOTHING) * g * g for s, g in zip(squares, gradients, strict=True)
            ]
            weights = [
                w - RATE * g / (s.sqrt() + 1e-8) for w, g, s in zip(weights, gradients, squares, strict=True)
            ]
        torch.autograd.grad(torch.stack(losses).mean(), learned)

    return outer_step


def ours() -> Callable[[int], None]:
    """One outer step of `meta_train`, its update and its bookkeeping included."""
    from evoact.genomes.kinds import Subnetwork
    from evoact.genomes.meta_training import MetaTraining
    from evoact.networks.mlp import mlp
    from evoact.tasks.mnist1d import mnist1d
    from evoact.training.meta.meta_train import meta_train

    task = mnist1d()
    network = mlp(task.input_shape, task.n_outputs, hidden=[HIDDEN])
    types = [Subnetwork("sin", UNITS)] * 2

    def outer_step(number: int) -> None:
        found = meta_train(
            types,
            network,
            task,
            MetaTraining(outer_steps=1, inner_steps=STEPS, batch_size=BATCH, noise=0.0),
            learning_rate=RATE,
            seed=number,
        )
        assert found.skipped == 0

    return outer_step


ARMS, NETWORKS, EPOCHS = 6, 50, 20


def validate(chosen: list[int]) -> None:
    """Trains all networks of these arms, an arm in one pack, and evaluates them."""
    import torch

    from evoact.activations.capture import capture
    from evoact.activations.kinds.subnetwork import initial
    from evoact.genomes.genome import Genome, canonical, shared_out
    from evoact.genomes.kinds import Activation, Base, Captured, Subnetwork
    from evoact.networks.mlp import mlp
    from evoact.tasks.mnist1d import mnist1d
    from evoact.training.loop import train_pack
    from evoact.training.members import Member
    from evoact.training.memory import keep_freed_memory
    from evoact.training.pack import TrainingSettings

    torch.set_num_threads(1)
    keep_freed_memory()
    learned: list[Activation] = []
    for seed in (0, 1):  # a captured curve costs the same whatever it has learned
        subnetwork = Subnetwork("sin", UNITS)
        start = initial(subnetwork, 1, torch.Generator().manual_seed(seed))
        values = capture(subnetwork, start[0].numpy()).values
        learned.append(Captured(f"{seed}", -10.0, 10.0, tuple(values.tolist())))
    # Alternately dear and cheap, for two processes take every second one.
    arms = [learned, [Base("relu")], learned[:1], [Base("sin")], [Base("tanh")], learned[1:]]
    task = mnist1d()
    network = mlp(task.input_shape, task.n_outputs, hidden=[HIDDEN])
    steps = EPOCHS * (len(task.splits()["train"]) // BATCH)
    settings = TrainingSettings(BATCH, "sgd", {"momentum": 0.8})
    for i in chosen:
        sites = tuple(shared_out(site, arms[i]) for site in network.sites)
        genome = canonical(Genome(sites, (("learning_rate", 0.01),)), network.sites)
        members = [Member(genome, f"{i}-{seed}", seed, steps) for seed in range(NETWORKS)]
        outcomes = train_pack(members, network, task, settings, evaluate=("validation", "test"))
        assert all(o.state == "completed" for o in outcomes)


def validation() -> list[Row]:
    """Wall time of all arms in two processes, and what processors spent on it."""
    started, spent = time.perf_counter(), children_seconds()
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, "--validate", *map(str, range(first, ARMS, 2))], env=environment
        )
        for first in (0, 1)
    ]
    if sum(process.wait() for process in processes):
        raise SystemExit("validation failed")
    return [
        Row("validation_cpu_seconds", children_seconds() - spent, "s"),
        Row("validation_seconds", time.perf_counter() - started, "s", 120.0, "lower"),
    ]


def children_seconds() -> float:
    """Processor time of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


PROCESSORS = os.cpu_count() or 1
# What is built, and its number of threads.
CONTENDERS = {
    "straightforward": (straightforward, PROCESSORS),
    "straightforward_1": (straightforward, 1),
    "ours": (ours, 1),
}


def serve(name: str) -> None:
    """A contender's process: one outer step for each line read, answered by its times and the peak memory."""
    import torch

    build, threads = CONTENDERS[name]
    torch.set_num_threads(threads)
    outer_step = build()
    for number, _ in enumerate(sys.stdin):
        wall, cpu = time.perf_counter(), time.process_time()
        outer_step(number)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        print(json.dumps({"seconds": wall, "cpu_seconds": cpu, "peak_gb": peak / 1e9}), flush=True)


class Contender:
    """The process of a contender, which does an outer step when told."""

    def __init__(self, name: str):
        environment = os.environ | {"OMP_NUM_THREADS": str(CONTENDERS[name][1])}
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--serve", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.answers: list[dict[str, float]] = []

    def step(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("step\n")
        self.process.stdin.flush()
        self.answers.append(json.loads(self.process.stdout.readline()))

    def stop(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()

    def median(self, figure: str) -> float:
        return statistics.median(answer[figure] for answer in self.answers[1:])  # the first warms up

    @property
    def peak_gb(self) -> float:
        return max(answer["peak_gb"] for answer in self.answers)


def main() -> None:
    options = arguments(__doc__, more=lambda parser: parser.add_argument("--one-thread", action="store_true"))
    names = [name for name, (_, threads) in CONTENDERS.items() if threads == 1 or not options.one_thread]
    contenders = {name: Contender(name) for name in names}
    for number in range(2 if options.quick else 6):
        for name, contender in contenders.items():
            for _ in range(5 if name == "ours" and number else 1):
                contender.step()
    for contender in contenders.values():
        contender.stop()
    validated = [] if options.quick else validation()  # it takes longer than --quick may
    mine = contenders.pop("ours")
    counts = "cpu_seconds" if options.one_thread else "seconds"
    plain = min(contenders.values(), key=lambda contender: contender.median(counts))
    report(
        options,
        [
            Row("straightforward_seconds", plain.median("seconds"), "s an outer step"),
            Row("straightforward_cpu_seconds", plain.median("cpu_seconds"), "s an outer step"),
            Row("straightforward_peak_gb", plain.peak_gb, "GB"),
            Row("cpu_seconds_per_outer_step", mine.median("cpu_seconds"), "s"),
            Row("speedup_vs_exact", plain.median(counts) / mine.median(counts), "x", 8.0),
            Row("seconds_per_outer_step", mine.median(counts), "s", 0.3, "lower"),
            Row("peak_gb", mine.peak_gb, "GB", 0.9, "lower"),
            *validated,
        ],
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2])
    elif sys.argv[1:2] == ["--validate"]:
        validate([int(text) for text in sys.argv[2:]])
    else:
        main()
