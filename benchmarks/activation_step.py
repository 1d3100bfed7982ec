"""What heterogeneous and learned activations cost: whole training steps over the same network with relu.

    python benchmarks/activation_step.py [--quick] [--json FILE] [--device cpu|cuda] [--one-thread]

The network is 512-512-512-10, batch 1024, Adam; the denominator is plain PyTorch with `nn.ReLU` and
PyTorch's fused Adam. Ours is a pack of one. All take turns step by step, so that the machine's drift
hits all alike; a ratio is one of medians. `masks` and `plain_*` are what a user writes in PyTorch. With `--one-thread`
all have one thread, and times are the processor's, which say more on a machine that has other work.
"""

import functools
import os
import random
import time
from collections.abc import Callable

import torch
from reporting import Row, arguments, device_of, medians, now, report
from torch import Tensor, nn
from torch.nn import functional as F

from evoact.genomes.genome import Genome, SiteGenome
from evoact.genomes.kinds import Activation, Base, Hull, Scaled, Subnetwork
from evoact.networks import NETWORKS
from evoact.networks.precision import has_bf16
from evoact.tasks.task import ArrayTask, Split
from evoact.training.members import Member
from evoact.training.pack import TrainingSettings, start_pack, train_step

WIDTH, BATCH = 512, 1024
FOUR = {"relu": torch.relu, "tanh": torch.tanh, "sin": torch.sin, "gaussian": lambda x: torch.exp(-x * x)}
HULL = ("identity", "relu", "tanh")
Step = Callable[[], object]


def our_step(
    types: tuple[Activation, ...], inputs: Tensor, targets: Tensor, precision: str = "float32"
) -> Step:
    """A step of a pack of one whose neurons take these types in equal shares and random order."""
    split = Split(inputs.cpu().numpy(), targets.cpu().numpy())
    task = ArrayTask((WIDTH,), 10, True, lambda: {"train": split, "validation": split, "test": split})
    network = NETWORKS["mlp"]((WIDTH,), 10, hidden=[WIDTH, WIDTH])
    sites = []
    for number, site in enumerate(network.sites):
        assignment = [i % len(types) for i in range(site.neurons)]
        random.Random(number).shuffle(assignment)
        sites.append(SiteGenome(site.name, types, tuple(assignment)))
    genome = Genome(tuple(sites), (("learning_rate", 1e-3),))
    settings = TrainingSettings(BATCH, precision=precision)
    pack = start_pack([Member(genome, "one", 0, 1)], network, task, settings, 0, inputs.device)
    return lambda: train_step(pack)


class Masked(nn.Module):
    """Four functions by masks: each over all neurons, then a sum of masked outputs."""

    def __init__(self) -> None:
        super().__init__()
        chosen = torch.randperm(WIDTH, generator=torch.Generator().manual_seed(0)) % len(FOUR)
        self.register_buffer("masks", torch.stack([(chosen == i).float() for i in range(len(FOUR))]))

    def forward(self, x: Tensor) -> Tensor:
        return sum(f(x) * mask for f, mask in zip(FOUR.values(), self.masks, strict=True))


class PlainHull(nn.Module):
    """A linear combination of identity, relu and tanh per neuron."""

    def __init__(self) -> None:
        super().__init__()
        self.c = nn.Parameter(torch.full((3, WIDTH), 1 / 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.c[0] * x + self.c[1] * torch.relu(x) + self.c[2] * torch.tanh(x)


def plain_step(activation: Callable[[], nn.Module], inputs: Tensor, targets: Tensor) -> Step:
    net = nn.Sequential(
        nn.Linear(WIDTH, WIDTH), activation(), nn.Linear(WIDTH, WIDTH), activation(), nn.Linear(WIDTH, 10)
    ).to(inputs.device)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)

    def step() -> None:
        # A fresh draw of the batch, which a pack also makes.
        rows = torch.randperm(len(inputs), device=inputs.device)[:BATCH]
        optimizer.zero_grad()
        F.cross_entropy(net(inputs[rows]), targets[rows]).backward()
        optimizer.step()

    return step


def main() -> None:
    options = arguments(
        __doc__, devices=True, more=lambda parser: parser.add_argument("--one-thread", action="store_true")
    )
    torch.set_num_threads(1 if options.one_thread else os.cpu_count() or 1)
    device = device_of(options)
    clock = time.process_time if options.one_thread else functools.partial(now, device)
    inputs = torch.randn(2 * BATCH, WIDTH, generator=torch.Generator().manual_seed(0))
    data = inputs.to(device), torch.randint(0, 10, (2 * BATCH,)).to(device)
    times = medians(
        {
            "plain_relu": plain_step(nn.ReLU, *data),
            "relu": our_step((Base("relu"),), *data),
            "per_neuron_4": our_step(tuple(map(Base, FOUR)), *data),
            "hull_3": our_step((Hull("linear", HULL, "neuron"),), *data),
            "scaled": our_step((Scaled("tanh", "neuron"),), *data),
            "subnetwork_50": our_step((Subnetwork("sin", 50), Subnetwork("identity", 50)), *data),
            **(
                {"per_neuron_4_bf16": our_step(tuple(map(Base, FOUR)), *data, "bf16")}
                if has_bf16(device)
                else {}
            ),
            "masks": plain_step(Masked, *data),
            "plain_hull_3": plain_step(PlainHull, *data),
        },
        30 if options.quick else 200,
        clock=clock,
    )
    bars = {"per_neuron_4": 1.10, "hull_3": 1.15, "subnetwork_50": 1.30, "per_neuron_4_bf16": 0.35}
    rows = [Row("plain_relu_ms", 1e3 * times["plain_relu"], "ms")]
    for name, seconds in times.items():
        if name != "plain_relu":
            ratio = seconds / times["plain_relu"]
            rows.append(Row(name, ratio, "x plain relu", bars.get(name), "lower"))
    report(options, rows)


if __name__ == "__main__":
    main()
