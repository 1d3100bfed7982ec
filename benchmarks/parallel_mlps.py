"""ParallelMLPs' own grid (Farias et al. 2022, arXiv 2206.08369), their published code beside a pack, per epoch.

    python benchmarks/parallel_mlps.py --theirs DIRECTORY [--quick] [--json FILE] [--device cpu|cuda]

DIRECTORY is a clone of https://github.com/fariasfc/parallel-mlps, none of which is here. The grid is one hidden layer
of 1 to 50 neurons, four activations (leaky relu, sigmoid, relu, identity), five repetitions: 1,000 networks; 784
inputs, 10 classes, batches of 256, SGD at one learning rate. They put all hidden neurons side by side; a pack has one
width for all members, and the neurons that a network lacks are `absent`. Inputs are random. `--quick` takes widths to
10 and one repetition. Both take steps in turn in one process with one thread, and a ratio is one of medians of
processor time; an epoch has as many steps on both sides, so that of a step is that of an epoch.
"""

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from reporting import Row, arguments, device_of, medians, now, report
from torch import nn

from evoact.genomes.function_names import ABSENT
from evoact.genomes.genome import Genome, SiteGenome, canonical, fingerprint
from evoact.genomes.kinds import Base
from evoact.networks import NETWORKS
from evoact.tasks.task import ArrayTask, Split
from evoact.training.gpu.graphs import Steps
from evoact.training.loop import NUMBERS_TOGETHER
from evoact.training.members import Member
from evoact.training.memory import keep_freed_memory
from evoact.training.pack import TrainingSettings, start_pack

BATCH, INPUTS, CLASSES, RATE = 256, 784, 10, 1e-3
OURS = ("leaky_relu", "sigmoid", "relu", "identity")
EXAMPLES = 2560


def their_step(
    directory: str, widest: int, repetitions: int, x: torch.Tensor, y: torch.Tensor
) -> Callable[[], object]:
    """A step of their module, as their training loop writes it."""
    sys.path.insert(0, directory)
    from parallel_mlps.parallel_mlp import ParallelMLPs  # type: ignore[import-not-found]

    activations = [nn.LeakyReLU(), nn.Sigmoid(), nn.ReLU(), nn.Identity()]
    net = ParallelMLPs(
        INPUTS, CLASSES, 1, widest, 1, repetitions, activations, bias=True, device=str(x.device)
    )
    optimizer, loss = torch.optim.SGD(net.parameters(), lr=RATE), nn.CrossEntropyLoss(reduction="none")
    gradient = torch.ones(net.num_unique_models, device=x.device)
    starts = iter(range(0, 10**9, BATCH))

    def step() -> None:
        first = next(starts) % EXAMPLES
        optimizer.zero_grad()
        each = net.calculate_loss(
            loss_func=loss, preds=net(x[first : first + BATCH]), target=y[first : first + BATCH]
        )
        each.mean(0).backward(gradient=gradient)
        optimizer.step()

    return step


def our_step(
    widest: int, repetitions: int, x: np.ndarray, y: np.ndarray, device: torch.device
) -> Callable[[], object]:
    """A step of packs of the same networks, as many together as searches take."""
    task = ArrayTask((INPUTS,), CLASSES, True, lambda: {"train": Split(x, y)})
    groups = [(1 + start, min(widest, start + 10)) for start in range(0, widest, 10)]
    steps = []
    for low, high in groups:  # of like widths, so that little is absent
        network = NETWORKS["mlp"]((INPUTS,), CLASSES, hidden=[high])
        members = []
        for width in range(low, high + 1):
            for name in OURS:
                types = (Base(name), Base(ABSENT))
                site = SiteGenome("hidden0", types, (0,) * width + (1,) * (high - width))
                genome = canonical(Genome((site,), (("learning_rate", RATE),)), network.sites)
                members += [
                    Member(genome, f"{fingerprint(genome)}-{seed}", 0, 1) for seed in range(repetitions)
                ]
        together = max(1, NUMBERS_TOGETHER // (BATCH * high)) if device.type == "cpu" else len(members)
        settings = TrainingSettings(BATCH, "sgd")
        for start in range(0, len(members), together):
            part = members[start : start + together]
            steps.append(Steps(start_pack(part, network, task, settings, 0, device)))

    def step() -> None:
        for own in steps:
            own()

    return step


def main() -> None:
    def more(parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--theirs", required=True, metavar="DIRECTORY", help="a clone of their repository"
        )

    options = arguments(__doc__, devices=True, more=more)
    torch.set_num_threads(1)
    keep_freed_memory()  # as workers do
    device = device_of(options)
    widest, repetitions, rounds = (10, 1, 9) if options.quick else (50, 5, 15)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(EXAMPLES, INPUTS)).astype(np.float32), rng.integers(0, CLASSES, EXAMPLES)
    sides = {
        "theirs": their_step(
            options.theirs, widest, repetitions, *(torch.as_tensor(a, device=device) for a in (x, y))
        ),
        "ours": our_step(widest, repetitions, x, y, device),
    }
    clock = partial(now, device) if device.type == "cuda" else time.process_time
    theirs, ours = medians(sides, rounds, warm_up=5, clock=clock).values()
    report(
        options,
        [
            Row("networks", 4 * widest * repetitions, ""),
            Row("theirs_ms", 1e3 * theirs, "ms a step"),
            Row("ours_ms", 1e3 * ours, "ms a step"),
            Row("parallel_mlps", theirs / ours, "x theirs", 1.5),
        ],
    )


if __name__ == "__main__":
    main()
