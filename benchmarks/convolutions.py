"""Training steps of packs of convolutional networks against plain PyTorch, as ratios in one run.

    python benchmarks/convolutions.py [--quick] [--json FILE]

LeNet-5 takes batches of 100 images of 28 x 28, KerasNet and ResNet-56 of 32 colour images of 32 x 32; relu and RMSprop
everywhere, one thread, random images. A pack has four members of one replicate, each a learning rate of its own.
`NAME_pack4_PRECISION` is how many steps of single networks the pack does in the processor time in which a plain
loop does one in float32, `NAME_pack4` the better of both; steps of all sides take turns, a ratio is one of medians.
`lenet5_over_best_plain` is the pack in bf16 over the fastest that PyTorch does: channels last, and products
in bf16 by autocast. What plain PyTorch gains by these is printed without a bar.
"""

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from reporting import Row, arguments, report
from torch import Tensor, nn
from torch.nn import functional as F

from evoact.genomes.genome import homogeneous
from evoact.genomes.kinds import Base
from evoact.networks import NETWORKS
from evoact.tasks.task import ArrayTask, Split
from evoact.training.members import Member
from evoact.training.memory import keep_freed_memory
from evoact.training.pack import TrainingSettings, start_pack, train_step

MEMBERS = 4
IMAGES = 320
RATES = (1e-4, 2e-4, 3e-4, 5e-4)
Step = Callable[[], object]


def lenet5() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(1, 20, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(20, 50, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(800, 500), nn.ReLU(), nn.Linear(500, 10)),
    )


def kerasnet() -> nn.Module:
    def twice(inputs: int, channels: int) -> list[nn.Module]:
        return [
            *(
                nn.Conv2d(inputs, channels, 3, padding=1),
                nn.ReLU(),
                nn.Conv2d(channels, channels, 3),
                nn.ReLU(),
            ),
            *(nn.MaxPool2d(2), nn.Dropout(0.25)),
        ]

    end = [nn.Flatten(), nn.Linear(2304, 512), nn.ReLU(), nn.Dropout(0.5), nn.Linear(512, 10)]
    return nn.Sequential(*twice(3, 32), *twice(32, 64), *end)


class Block(nn.Module):
    """A residual block of ResNet-56 v1, with a convolution on its shortcut where a stage begins."""

    def __init__(self, inputs: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(inputs, channels, 3, stride, 1), nn.BatchNorm2d(channels)
        self.conv2, self.norm2 = nn.Conv2d(channels, channels, 3, 1, 1), nn.BatchNorm2d(channels)
        self.shortcut = nn.Conv2d(inputs, channels, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        z = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.shortcut(x) + self.norm2(self.conv2(z)))


def resnet56() -> nn.Module:
    blocks = [Block(16, 16, 1) for _ in range(9)]
    for inputs, channels in ((16, 32), (32, 64)):
        blocks += [Block(inputs, channels, 2), *(Block(channels, channels, 1) for _ in range(8))]
    start = nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU()
    return nn.Sequential(*start, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


# The plain network, the shape of an image, and the batch.
NAMED = {
    "lenet5": (lenet5, (1, 28, 28), 100),
    "kerasnet": (kerasnet, (3, 32, 32), 32),
    "resnet56": (resnet56, (3, 32, 32), 32),
}


def examples(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(IMAGES, *shape)).astype(np.float32), rng.integers(0, 10, IMAGES)


def plain_step(name: str, channels_last: bool = False, bf16: bool = False) -> Step:
    """A step of the ordinary module."""
    make, shape, batch = NAMED[name]
    order = torch.channels_last if channels_last else torch.contiguous_format
    images, classes = map(torch.as_tensor, examples(shape))
    net, images = make().to(memory_format=order), images.contiguous(memory_format=order)
    optimizer = torch.optim.RMSprop(net.parameters(), lr=1e-4)

    def step() -> None:
        rows = torch.randint(0, IMAGES, (batch,))
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            outputs = net(images[rows])
        F.cross_entropy(outputs.float(), classes[rows]).backward()
        optimizer.step()

    return step


def packed_step(name: str, precision: str = "float32") -> Step:
    """A step of a pack of four."""
    _, shape, batch = NAMED[name]
    split = Split(*examples(shape))
    task = ArrayTask(shape, 10, True, lambda: {"train": split})
    network = NETWORKS[name](shape, 10)
    members = [
        Member(homogeneous(Base("relu"), network.sites, learning_rate=rate), f"m{i}", 0, 1)
        for i, rate in enumerate(RATES)
    ]
    settings = TrainingSettings(batch, "rmsprop", precision=precision)
    pack = start_pack(members, network, task, settings, 0, torch.device("cpu"))
    return lambda: train_step(pack)


def medians(steps: dict[str, Step], rounds: int) -> dict[str, float]:
    """The processor seconds of each step, in turn so that the machine's drift hits all alike."""
    taken: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(rounds + 2):
        for name, step in steps.items():
            started = time.process_time()
            step()
            if number >= 2:
                taken[name].append(time.process_time() - started)
    return {name: statistics.median(values) for name, values in taken.items()}


def main() -> None:
    options = arguments(__doc__)
    torch.set_num_threads(1)
    keep_freed_memory()  # as workers do
    rounds = {"lenet5": 9, "kerasnet": 9, "resnet56": 5} if options.quick else dict.fromkeys(NAMED, 41)
    times = {
        name: medians(
            {
                "plain": plain_step(name),
                "channels_last": plain_step(name, channels_last=True),
                "channels_last_bf16": plain_step(name, channels_last=True, bf16=True),
                "float32": packed_step(name),
                "bf16": packed_step(name, "bf16"),
            },
            rounds[name],
        )
        for name in NAMED
    }
    rows = []
    for name, of in times.items():
        rows.append(Row(f"{name}_plain_ms", 1e3 * of["plain"], "ms"))
        rows += [
            Row(f"{name}_{how}", of["plain"] / of[how], "x plain")
            for how in ("channels_last", "channels_last_bf16")
        ]
        rows += [
            Row(f"{name}_pack4_{how}", MEMBERS * of["plain"] / of[how], "x plain", BARS.get(f"{name}_{how}"))
            for how in ("float32", "bf16")
        ]
    of = times["lenet5"]
    best = MEMBERS * min(of["channels_last"], of["channels_last_bf16"]) / of["bf16"]
    rows.append(Row("lenet5_over_best_plain", best, "x best plain", 2.0))
    for name, bar in (("kerasnet", 3.0), ("resnet56", 2.5)):
        of = times[name]
        fastest = MEMBERS * of["plain"] / min(of["float32"], of["bf16"])
        rows.append(Row(f"{name}_pack4", fastest, "x plain", bar))
    report(options, rows)


BARS = {"lenet5_float32": 2.2, "lenet5_bf16": 4.5}


if __name__ == "__main__":
    main()
