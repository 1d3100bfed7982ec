"""Optimizer steps of packed training against a plain sequential PyTorch loop, as ratios in one run.

    python benchmarks/packed_step.py [--quick] [--json FILE] [--device cpu|cuda]

The network is 40-100-100-10, batch 100, Adam, on numbers in the form of MNIST-1D; `candidate-steps/s` counts
one optimizer step of one network. The plain loop trains one `nn.Sequential` after another with one thread, which is
its fastest on small networks. Packs run as searches run them: as many worker processes as processors,
each with one torch thread and a pack of its own. Both sides are timed in turn, the median of several
rounds each; rows that end in `_threads` are one pack in one process that uses all processors.

`lenet5_pack4` is about convolutions: LeNet-5, batch 100, RMSprop, on random images of Fashion-MNIST's shape, the
four activations of `LENET_ACTIVATIONS` in every layer; a step of the pack of 4 over the steps of the
same four networks alone, in one process with one thread, the median over pairs measured next to each other.

`cost_past_best_k` is about large packs: the cost of a candidate-step in packs of 1, 2, 4 ... 1024 (four functions, one
thread), the worst of those larger than the cheapest over the cheapest. `memory_per_member` is what training and
evaluating a pack of 1024 adds to the peak memory of a fresh process, over 1024 times what training the same network
in plain PyTorch takes at its peak, as PyTorch counts it.

On a GPU: packs of growing size, one after the other, in one process, over the plain loop on the same GPU.
"""

import multiprocessing
import os
import random
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import accumulate

import numpy as np
import torch
from reporting import Row, arguments, device_of, now, report
from torch import nn
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile

from evoact.genomes.genome import Genome, SiteGenome, canonical, fingerprint, homogeneous
from evoact.genomes.kinds import Base, Hull
from evoact.networks import NETWORKS
from evoact.networks.precision import has_bf16
from evoact.tasks.task import ArrayTask, Split
from evoact.training.loop import train_pack
from evoact.training.members import Member
from evoact.training.memory import keep_freed_memory
from evoact.training.pack import Pack, TrainingSettings, start_pack, train_step

FOUR = ("relu", "tanh", "sin", "gaussian")
# Rows of table II of Manessi & Rozza 2018.
LENET_ACTIVATIONS = (
    Base("relu"),
    Base("tanh"),
    Hull("convex", ("identity", "relu")),
    Hull("affine", ("identity", "relu")),
)
BATCH = 100
LARGEST = 1024
ON_GPU = (64, 256, 1024, 4096)
PROCESSORS = os.cpu_count() or 1
CPU = torch.device("cpu")


def numbers_task() -> ArrayTask:
    """As many numbers as MNIST-1D has; what they are does not change how long a step takes."""
    rng = np.random.default_rng(0)

    def split(n: int) -> Split:
        return Split(rng.normal(size=(n, 40)).astype(np.float32), rng.integers(0, 10, n))

    data = {"train": split(3200), "validation": split(800)}
    return ArrayTask((40,), 10, True, lambda: data)


def plain_steps_per_second(hidden: int, steps: int, device: torch.device = CPU) -> float:
    """A network of plain PyTorch with relu, Adam as PyTorch has it."""
    torch.set_num_threads(1)
    data = numbers_task().splits()["train"]
    inputs, targets = (torch.as_tensor(a, device=device) for a in (data.inputs, data.targets))
    net = nn.Sequential(
        nn.Linear(40, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 10)
    ).to(device)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    started = 0.0
    for step in range(steps + 20):
        if step == 20:
            started = now(device)
        rows = torch.randint(0, len(inputs), (BATCH,), device=device)
        optimizer.zero_grad()
        F.cross_entropy(net(inputs[rows]), targets[rows]).backward()
        optimizer.step()
    return steps / (now(device) - started)


def genomes(network, k: int, functions: tuple[str, ...]) -> list[Genome]:
    """`k` different genomes: every neuron one of `functions`, own learning rates."""
    if len(functions) == 1:
        rates = [10 ** random.Random(i).uniform(-3, -1.5) for i in range(k)]
        return [homogeneous(Base(functions[0]), network.sites, learning_rate=r) for r in rates]
    made = []
    for i in range(k):
        rng = random.Random(i)
        types = tuple(map(Base, functions))
        sites = tuple(
            SiteGenome(s.name, types, tuple(rng.randrange(len(types)) for _ in range(s.neurons)))
            for s in network.sites
        )
        made.append(
            canonical(Genome(sites, (("learning_rate", 10 ** rng.uniform(-3, -1.5)),)), network.sites)
        )
    return made


def packed_steps_per_second(
    k: int,
    functions: tuple[str, ...],
    steps: int,
    threads: int = 1,
    device: torch.device = CPU,
    precision: str = "float32",
) -> float:
    """Candidate-steps per second of a pack of k in this process."""
    torch.set_num_threads(threads)
    keep_freed_memory()  # as workers do
    task, network = numbers_task(), NETWORKS["mlp"]((40,), 10, hidden=[100, 100])
    settings = TrainingSettings(BATCH, precision=precision)
    pack = start_pack(members_of(network, k, functions), network, task, settings, 0, device)
    for _ in range(3):
        train_step(pack)
    started = now(device)
    for _ in range(steps):
        train_step(pack)
    return steps * k / (now(device) - started)


def lenet_packs() -> list[Pack]:
    """Four packs of one, and one pack of the same four."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(1000, 1, 28, 28)).astype(np.float32)
    data = {"train": Split(images, rng.integers(0, 10, len(images)))}
    task = ArrayTask((1, 28, 28), 10, True, lambda: data)
    network = NETWORKS["lenet5"](task.input_shape, task.n_outputs)
    members = [
        Member(homogeneous(a, network.sites, learning_rate=1e-4), f"m{i}", 0, 1)
        for i, a in enumerate(LENET_ACTIVATIONS)
    ]
    settings = TrainingSettings(BATCH, "rmsprop")
    return [start_pack(part, network, task, settings, 0, CPU) for part in (*([m] for m in members), members)]


def lenet_pack_cost(rounds: int) -> float:
    """A step of a pack of 4 over the steps of its members alone."""
    torch.set_num_threads(1)
    keep_freed_memory()  # as workers do
    *alone, together = lenet_packs()
    ratios = []
    for _ in range(rounds + 2):  # the first two warm up
        started = time.perf_counter()
        for pack in alone:
            train_step(pack)
        between = time.perf_counter()
        train_step(together)
        ratios.append((time.perf_counter() - between) / (between - started))
    return statistics.median(ratios[2:])


def members_of(network, k: int, functions: tuple[str, ...]) -> list[Member]:
    return [Member(g, f"{fingerprint(g)}-{i}", 0, 1) for i, g in enumerate(genomes(network, k, functions))]


class PlainFour(nn.Module):
    """A quarter of the neurons each has one of the four functions."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a, b, c, d = x.chunk(4, dim=1)
        return torch.cat([torch.relu(a), torch.tanh(b), torch.sin(c), torch.exp(-d * d)], dim=1)


def plain_bytes() -> int:
    """A network of plain PyTorch with the four functions: parameters, Adam's moments, and the peak of a step."""
    net = nn.Sequential(nn.Linear(40, 100), PlainFour(), nn.Linear(100, 100), PlainFour(), nn.Linear(100, 10))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    inputs, targets = torch.randn(BATCH, 40), torch.randint(0, 10, (BATCH,))

    def step() -> None:
        F.cross_entropy(net(inputs), targets).backward()
        optimizer.step()
        optimizer.zero_grad()

    step()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        step()
    events = [e for e in profiled.profiler.kineto_results.events() if e.name() == "[memory]"]
    in_order = sorted(events, key=lambda event: event.start_ns())
    transient = max(accumulate(event.nbytes() for event in in_order))
    return transient + 3 * sum(p.numel() * p.element_size() for p in net.parameters())


def memory_per_member(k: int) -> float:
    """To be called in a fresh process: its peak memory never shrinks."""
    torch.set_num_threads(1)
    keep_freed_memory()  # as workers do
    task, network = numbers_task(), NETWORKS["mlp"]((40,), 10, hidden=[100, 100])
    alone = plain_bytes()

    def train(size: int) -> None:
        members = members_of(network, size, FOUR)
        train_pack([replace(m, steps=5) for m in members], network, task, TrainingSettings(BATCH))

    train(2)  # what the process needs once
    before = peak_bytes()
    train(k)
    return (peak_bytes() - before) / (k * alone)


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def cost_past_best(rounds: int, most: int) -> float:
    """The worst cost of a candidate-step among packs larger than the cheapest, over the cheapest's."""
    torch.set_num_threads(1)
    keep_freed_memory()  # as workers do
    task, network = numbers_task(), NETWORKS["mlp"]((40,), 10, hidden=[100, 100])
    sizes = [2**i for i in range(most.bit_length())]
    packs = [
        start_pack(members_of(network, k, FOUR), network, task, TrainingSettings(BATCH), 0, CPU)
        for k in sizes
    ]
    for pack in packs:
        train_step(pack)

    def cost(pack: Pack) -> float:
        started, steps = time.perf_counter(), max(1, 256 // len(pack.members))
        for _ in range(steps):
            train_step(pack)
        return (time.perf_counter() - started) / steps / len(pack.members)

    costs = in_turn(rounds, *(partial(cost, pack) for pack in packs))
    cheapest = costs.index(min(costs))
    return max(costs[cheapest:]) / costs[cheapest]


def on_workers(
    workers: Executor, k: int, functions: tuple[str, ...], steps: int, precision: str = "float32"
) -> float:
    """The sum over one pack in every worker process, all at once."""
    measure = partial(packed_steps_per_second, k, functions, steps, precision=precision)
    runs = [workers.submit(measure) for _ in range(PROCESSORS)]
    return sum(run.result() for run in runs)


def in_turn(rounds: int, *measures: Callable[[], float]) -> list[float]:
    """The median of each measure, measured in turn so that the machine's drift hits all alike."""
    taken: list[list[float]] = [[] for _ in measures]
    for _ in range(rounds):
        for values, measure in zip(taken, measures, strict=True):
            values.append(measure())
    return [statistics.median(values) for values in taken]


def rows_on_gpu(device: torch.device, sizes: Sequence[int], rounds: int, steps: int) -> list[Row]:
    """Packs of these sizes over the plain loop, all on this device."""
    plain, *packed = in_turn(
        rounds,
        partial(plain_steps_per_second, 100, 10 * steps, device),
        *(
            partial(packed_steps_per_second, k, functions, steps, device=device)
            for functions in (("relu",), FOUR)
            for k in sizes
        ),
    )
    ratios = [value / plain for value in packed]
    rows = [Row("plain_steps_per_s", plain, "candidate-steps/s")]
    for name, own in (("homogeneous", ratios[: len(sizes)]), ("heterogeneous", ratios[len(sizes) :])):
        rows += [Row(f"packed_{name}_k{k}", r, "x plain") for k, r in zip(sizes, own, strict=True)]
        rows.append(Row(f"packed_{name}", max(own), "x plain", 100, "higher"))
    return rows


def main() -> None:
    options = arguments(__doc__, devices=True)
    rounds, steps = (3, 40) if options.quick else (7, 80)
    device = device_of(options)
    if device.type == "cuda":
        report(options, rows_on_gpu(device, ON_GPU, rounds, steps))
        return
    fresh = partial(ProcessPoolExecutor, 1, multiprocessing.get_context("spawn"))
    with fresh() as worker:
        memory = worker.submit(memory_per_member, LARGEST).result()
    with fresh() as worker:
        past_best = worker.submit(cost_past_best, 3 * rounds, LARGEST).result()
    with ProcessPoolExecutor(PROCESSORS, multiprocessing.get_context("spawn")) as workers:
        on_workers(workers, 2, FOUR, 1)  # starts the processes
        lenet = workers.submit(lenet_pack_cost, 3 * rounds).result()
        reduced = ["bf16"] if has_bf16(CPU) else []
        plain, same, mixed, one, same_threads, mixed_threads, *in_bf16 = in_turn(
            rounds,
            lambda: plain_steps_per_second(100, 10 * steps),
            lambda: on_workers(workers, 64, ("relu",), steps),
            lambda: on_workers(workers, 64, FOUR, steps),
            lambda: packed_steps_per_second(1, ("relu",), 10 * steps),
            lambda: packed_steps_per_second(64, ("relu",), steps, PROCESSORS),
            lambda: packed_steps_per_second(64, FOUR, steps, PROCESSORS),
            *(
                partial(on_workers, workers, 64, functions, steps, precision)
                for precision in reduced
                for functions in (("relu",), FOUR)
            ),
        )
    report(
        options,
        [
            Row("plain_steps_per_s", plain, "candidate-steps/s"),
            Row("packed_homogeneous_k64", same / plain, "x plain", 16.0, "higher"),
            Row("packed_heterogeneous_k64", mixed / plain, "x plain", 14.0, "higher"),
            *(
                Row(f"packed_{name}_k64_bf16", value / plain, "x plain", bar, "higher")
                for name, value, bar in zip(
                    ("homogeneous", "heterogeneous"), in_bf16, (22.0, 18.0), strict=False
                )
            ),
            Row("packed_homogeneous_k64_threads", same_threads / plain, "x plain"),
            Row("packed_heterogeneous_k64_threads", mixed_threads / plain, "x plain"),
            Row("pack_of_one", one / plain, "x plain"),
            Row("memory_per_member", memory, "x solo", 1.2, "lower"),
            Row("cost_past_best_k", past_best, "x cheapest k", 1.1, "lower"),
            Row("lenet5_pack4", lenet, "x solo a candidate", 1.1, "lower"),
        ],
    )


if __name__ == "__main__":
    main()
