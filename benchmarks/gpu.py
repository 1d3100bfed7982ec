"""What packs gain on a GPU, in one program of at most ten minutes that needs PyTorch and NumPy alone.

    PYTHONPATH=. python benchmarks/gpu.py [--quick] [--json FILE] [--device cpu|cuda] [--seconds 540]

It checks first that what is computed there is right: kernels against PyTorch, packs against a processor, members
against themselves with other neighbours, captured steps against single ones, nothing that waits for the GPU, too little
memory, overflows. Then it measures, as ratios there: candidate-steps of packs over a plain loop of PyTorch by the
number of members, in each precision that the device has; CUDA graphs on and off; Triton's kernels against PyTorch and
against relu; memory of a member over a plain network's; and a search from its first proposal to its last result, in
this process. Each figure is printed, and stands in FILE, as soon as it is known, so that a machine which is taken away
leaves some. After `--seconds` nothing more is begun, and what is left out is named; what still lasts half a minute
later is stopped, with a traceback. Without a GPU all but what is CUDA's runs on the processor.
"""

import argparse
import faulthandler
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from convolutions import NAMED, examples
from packed_step import FOUR, members_of, numbers_task
from reporting import Row, arguments, device_of, now, report, store
from torch import nn
from torch.nn import functional as F

from evoact.activations.routing.cuda_check import kernels_agree
from evoact.genomes.choices import choices
from evoact.genomes.genome import homogeneous
from evoact.genomes.kinds import Base
from evoact.genomes.space import SearchSpace
from evoact.networks import NETWORKS
from evoact.networks.network import Network
from evoact.networks.precision import precisions_of
from evoact.records import COMPLETED, TrainResult
from evoact.strategies import create
from evoact.tasks.task import ArrayTask, Split
from evoact.training.gpu.graphs import WARM_UP, Steps
from evoact.training.isolation import train_isolated
from evoact.training.loop import train_pack
from evoact.training.members import Member
from evoact.training.pack import TrainingSettings, start_pack
from evoact.triton import backend

RELU = ("relu",)
MLP = "mlp"
GRACE_SECONDS = 30.0  # for what has begun when the time is up


@dataclass(frozen=True)
class Setting:
    """What is measured on: sizes of packs, seconds of a measurement, and how small it is to be."""

    device: torch.device
    sizes: dict[str, tuple[int, ...]]
    seconds: float
    quick: bool
    ends: float  # on the clock of `time.monotonic`

    @property
    def cuda(self) -> bool:
        return self.device.type == "cuda"

    @property
    def over(self) -> bool:
        return time.monotonic() > self.ends


def setting(options: argparse.Namespace, device: torch.device) -> Setting:
    ends = time.monotonic() + options.seconds
    if device.type == "cuda":
        sizes = {MLP: (16, 64, 256, 1024, 4096), "lenet5": (4, 16, 64, 256), "resnet56": (2, 8, 32)}
        if options.quick:
            sizes = {name: own[:2] for name, own in sizes.items()}
        return Setting(device, sizes, 0.2 if options.quick else 1.0, options.quick, ends)
    sizes = {MLP: (4, 16), "lenet5": (2,), "resnet56": (2,)}
    return Setting(device, sizes, 0.02 if options.quick else 1.0, options.quick, ends)


def named(name: str, quick: bool) -> tuple[ArrayTask, Network, int, str]:
    """The task, the network, the batch and the optimizer of a name."""
    if name == MLP:
        return numbers_task(), NETWORKS["mlp"]((40,), 10, hidden=[100, 100]), 100, "adam"
    _, shape, batch = NAMED[name]
    images, classes = examples(shape)
    task = ArrayTask(shape, 10, True, lambda: {"train": Split(images, classes)})
    return task, NETWORKS[name](shape, 10), 8 if quick else batch, "rmsprop"


def plain_step(name: str, device: torch.device, quick: bool) -> Callable[[], object]:
    """A step of the ordinary module with relu, as a plain loop does it."""
    task, _, batch, optimizer = named(name, quick)
    if name == MLP:
        net: nn.Module = nn.Sequential(
            nn.Linear(40, 100), nn.ReLU(), nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, 10)
        )
    else:
        net = NAMED[name][0]()
    net.to(device)
    data = task.splits()["train"]
    inputs, targets = (torch.as_tensor(a, device=device) for a in (data.inputs, data.targets))
    made = (
        torch.optim.Adam(net.parameters()) if optimizer == "adam" else torch.optim.RMSprop(net.parameters())
    )

    def step() -> None:
        rows = torch.randint(0, len(inputs), (batch,), device=device)
        made.zero_grad()
        F.cross_entropy(net(inputs[rows]), targets[rows]).backward()
        made.step()

    return step


def packed(
    name: str, k: int, on: Setting, precision: str = "float32", functions: tuple[str, ...] = RELU
) -> Steps:
    """The steps of a pack of so many members, each of its own learning rate."""
    task, network, batch, optimizer = named(name, on.quick)
    if name == MLP:
        members = members_of(network, k, functions)
    else:
        rates = [10 ** random.Random(i).uniform(-4, -3) for i in range(k)]
        genomes = [homogeneous(Base("relu"), network.sites, learning_rate=rate) for rate in rates]
        members = [Member(genome, f"m{i}", 0, 1) for i, genome in enumerate(genomes)]
    settings = TrainingSettings(batch, optimizer, precision=precision)
    return Steps(start_pack(members, network, task, settings, 0, on.device))


def seconds_of(step: Callable[[], object], on: Setting) -> float:
    """Seconds of a step, once it is captured and warm: the median of some rounds."""
    rounds = 2 if on.quick else 5
    for _ in range(WARM_UP + 2 if on.cuda else 1):
        step()
    started = now(on.device)
    step()
    once = now(on.device) - started
    steps = max(1, int(on.seconds / rounds / max(once, 1e-5)))
    taken = []
    for _ in range(rounds):
        started = now(on.device)
        for _ in range(steps):
            step()
        taken.append((now(on.device) - started) / steps)
    return statistics.median(taken)


@contextmanager
def switched(name: str, value: str) -> Iterator[None]:
    """With a switch of the environment in this block."""
    before = os.environ.get(name)
    os.environ[name] = value
    backend.loaded.cache_clear()
    kernels_agree.cache_clear()
    try:
        yield
    finally:
        os.environ.pop(name) if before is None else os.environ.update({name: before})
        backend.loaded.cache_clear()
        kernels_agree.cache_clear()


# --- what must hold ------------------------------------------------------------------------------


def trained(on: Setting, members: list[Member], device: str | torch.device, **settings: str) -> list:
    task, network, batch, _ = named(MLP, True)
    return train_pack(
        members, network, task, TrainingSettings(batch, **settings), device=device, evaluate=(), keep="all"
    )


def some(k: int, steps: int = 12) -> list[Member]:
    network = named(MLP, True)[1]
    return [replace(m, steps=steps, seed=i % 2) for i, m in enumerate(members_of(network, k, FOUR))]


def kernels_are_right(on: Setting) -> None:
    assert kernels_agree(on.device, torch.float32), "Triton's kernels differ from PyTorch, or do not compile"
    assert kernels_agree(on.device, torch.float64), "Triton's kernels differ from PyTorch in double precision"


def packs_are_as_on_a_processor(on: Setting) -> None:
    here, there = trained(on, some(4), on.device), trained(on, some(4), "cpu")
    for ours, theirs in zip(here, there, strict=True):
        assert abs(ours.train_loss - theirs.train_loss) < 1e-3 * abs(theirs.train_loss)


def members_depend_on_no_neighbour(on: Setting) -> None:
    for precision in precisions_of(on.device):
        together = trained(on, some(5), on.device, precision=precision)
        apart = trained(on, some(5)[1:3], on.device, precision=precision)
        for ours, theirs in zip(together[1:3], apart, strict=True):
            assert ours.train_loss == theirs.train_loss, precision
            assert all((ours.learned[key] == theirs.learned[key]).all() for key in theirs.learned), precision


def captured_steps_are_the_same(on: Setting) -> None:
    one, other = packed(MLP, 4, on), packed(MLP, 4, on)
    with switched("EVOACT_GRAPHS", "0"):
        other = Steps(other.pack)
    for _ in range(WARM_UP + 10):
        assert torch.equal(one(), other())


def nothing_waits(on: Setting) -> None:
    for name in (MLP, "lenet5"):
        steps = packed(name, 3, on)
        for _ in range(WARM_UP + 2):
            steps()
        torch.cuda.set_sync_debug_mode("error")
        try:
            for _ in range(10):
                steps()
        finally:
            torch.cuda.set_sync_debug_mode("default")


def too_little_memory_fails_one_alone(on: Setting) -> None:
    def too_large(members: object) -> list:
        torch.empty(2**50, dtype=torch.uint8, device=on.device)
        return []

    assert [o.state for o in train_isolated(some(2), too_large)] == ["out_of_memory"] * 2
    assert trained(on, some(1), on.device)[0].state == COMPLETED


def overflows_are_said(on: Setting) -> None:
    if "float16" in precisions_of(on.device):
        task, network, batch, _ = named(MLP, True)
        split = task.splits()["train"]
        huge = replace(task, load=lambda: {"train": replace(split, inputs=split.inputs * 1e6)})
        settings = TrainingSettings(batch, precision="float16")
        (found,) = train_pack(some(1), network, huge, settings, device=on.device, evaluate=())
        assert found.state == "diverged"
        assert "65,504" in found.error


ANYWHERE = (packs_are_as_on_a_processor, members_depend_on_no_neighbour, captured_steps_are_the_same)
ON_CUDA = (kernels_are_right, nothing_waits, too_little_memory_fails_one_alone, overflows_are_said)


def checked(on: Setting) -> int:
    """How many checks failed; each is named."""
    failures = 0
    for check in (*ANYWHERE, *(ON_CUDA if on.cuda else ())):
        try:
            if on.over:
                raise TimeoutError("the time was up before it")
            check(on)
            said = "holds"
        except Exception as error:
            failures += 1
            said = f"FAILED: {type(error).__name__}: {error}".splitlines()[0]
        print(f"{check.__name__.replace('_', ' '):<40} {said}", flush=True)
    return failures


# --- what is measured ----------------------------------------------------------------------------


def gains(name: str, on: Setting) -> Iterator[Row]:
    """Packs over a plain loop, by size and precision, and memory of a member."""
    plain = seconds_of(plain_step(name, on.device, on.quick), on)
    plain_bytes = peak(lambda: plain_step(name, on.device, on.quick), on)
    yield Row(f"{name}_plain_ms", 1e3 * plain, "ms")
    best = 0.0
    for precision in precisions_of(on.device):
        for k in on.sizes[name]:
            steps = packed(name, k, on, precision)
            gain = k * plain / seconds_of(steps, on)
            best = max(best, gain)
            yield Row(f"{name}_k{k}_{precision}", gain, "x plain")
            del steps
            if plain_bytes and precision == "float32":
                with switched(
                    "EVOACT_GRAPHS", "0"
                ):  # what a graph holds is not counted as a step allocates it
                    own = peak(lambda k=k: packed(name, k, on), on)
                yield Row(f"{name}_k{k}_memory", own / k / plain_bytes, "x plain")
    bars = {MLP: 100.0, "lenet5": 20.0} if on.cuda and not on.quick else {}
    yield Row(f"{name}_best", best, "x plain", bars.get(name))


def peak(made: Callable[[], Callable[[], object]], on: Setting) -> int:
    """Bytes of the GPU that what is made takes at the peak of its second step; 0 on a processor."""
    if not on.cuda:
        return 0
    before = torch.cuda.memory_allocated()
    step = made()
    step()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    step()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


def with_and_without_graphs(on: Setting) -> Iterator[Row]:
    for name in on.sizes:
        k = on.sizes[name][0]
        captured = seconds_of(packed(name, k, on), on)
        with switched("EVOACT_GRAPHS", "0"):
            single = seconds_of(packed(name, k, on), on)
        yield Row(f"{name}_k{k}_graphs", single / captured, "x without")


def activations(on: Setting) -> Iterator[Row]:
    """Four functions per neuron over relu, by the kernels and by PyTorch."""
    k = on.sizes[MLP][-1]
    relu = seconds_of(packed(MLP, k, on), on)
    yield Row("four_functions", seconds_of(packed(MLP, k, on, functions=FOUR), on) / relu, "x relu")
    with switched("EVOACT_TRITON", "0"):
        yield Row(
            "four_functions_pytorch", seconds_of(packed(MLP, k, on, functions=FOUR), on) / relu, "x relu"
        )


def searched(on: Setting) -> Iterator[Row]:
    """A random search of mixtures, from the first proposal to the last result, trained pack by pack."""
    task, network, batch, _ = named(MLP, on.quick)
    networks, steps = (16, 20) if on.quick else (512, 500) if on.cuda else (64, 100)
    space = SearchSpace("four", network.sites, (choices("base", name=FOUR),), (1, 4), (0.003, 0.01, 0.03))
    strategy = create("random", space, seed=0, networks=networks, steps=steps, batch_size=batch)
    settings, started, best, done = TrainingSettings(batch), now(on.device), 0.0, 0
    with utilisation(on) as seen:
        while not (strategy.finished or on.over):
            proposals = strategy.ask(on.sizes[MLP][-1])
            members = [Member(p.genome, f"{p.fingerprint}-{p.seed}", p.seed, p.steps) for p in proposals]
            outcomes = train_isolated(
                members, lambda part: train_pack(part, network, task, settings, device=on.device)
            )
            results = [
                TrainResult(p, o.state, task.metric, task.direction, val_metric=o.metrics.get("validation"))
                for p, o in zip(proposals, outcomes, strict=True)
            ]
            strategy.tell(results)
            done += len(results)
            best = max(best, *(r.val_metric or 0.0 for r in results))
    seconds = now(on.device) - started
    yield Row("search_networks_per_s", done / seconds, f"of {steps} steps")
    yield Row("search_best", 100 * best, "% of random labels")
    if seen:
        yield Row("search_utilisation", statistics.mean(seen), "%")


@contextmanager
def utilisation(on: Setting) -> Iterator[list[float]]:
    """What nvidia-smi says five times a second of this block, if it is there."""
    seen: list[float] = []
    tool = shutil.which("nvidia-smi") if on.cuda else None
    if tool is None:
        yield seen
        return
    query = (tool, "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "-lms", "200", "-i", "0")
    with subprocess.Popen(query, stdout=subprocess.PIPE, text=True) as asked:
        try:
            yield seen
        finally:
            asked.terminate()
            said, _ = asked.communicate()
            seen += [float(line) for line in said.split() if line.strip().isdigit()]


def measured(on: Setting) -> Iterator[Row]:
    """All figures, as long as there is time; what there is no time for, or fails, is named."""
    parts: list[tuple[str, Callable[[], Iterator[Row]]]] = [
        *((f"packs of {name}", lambda name=name: gains(name, on)) for name in (MLP, "lenet5")),
        *([("graphs", lambda: with_and_without_graphs(on))] if on.cuda else []),
        ("activations", lambda: activations(on)),
        ("search", lambda: searched(on)),
        ("packs of resnet56", lambda: gains("resnet56", on)),
    ]
    for what, part in parts:
        if on.over:
            print(f"{what}: left out, the time is up", flush=True)
            continue
        try:
            for row in part():
                print(f"{row.name:<32} {row.value:>12.4g} {row.unit}", flush=True)
                yield row
                if on.over:
                    print(f"{what}: the rest is left out, the time is up", flush=True)
                    break
        except Exception as error:
            print(f"{what}: FAILED: {type(error).__name__}: {error}".splitlines()[0], flush=True)
            yield Row(f"{what} failed", 1.0, "", 0.0, "lower")
        if on.cuda:
            torch.cuda.empty_cache()


def main() -> None:
    options = arguments(
        __doc__,
        devices=True,
        more=lambda parser: parser.add_argument(
            "--seconds", type=float, default=540.0, help="no more is begun after so many"
        ),
    )
    faulthandler.dump_traceback_later(options.seconds + GRACE_SECONDS, exit=True)
    torch.set_num_threads(1)
    on = setting(options, device_of(options))
    failures = checked(on)
    rows = [Row("checks_failed", failures, "checks", 0.0, "lower")]
    for row in measured(on):
        rows.append(row)
        store(options, rows)
    report(options, rows)
    if failures:
        sys.exit(1)


if __name__ == "__main__":
    main()
