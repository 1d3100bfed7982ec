"""Training steps of packs of convolutional networks against plain PyTorch, as ratios in one run.

    python benchmarks/convolutions.py [--quick] [--json FILE]

LeNet-5 takes batches of 100 images of 28 x 28, KerasNet and ResNet-56 of 32 colour images of 32 x 32; relu and RMSprop
everywhere, one thread, random images. A pack has four members of one replicate, each a learning rate of its own.
`NAME_pack4_PRECISION` is how many steps of single networks the pack does in the processor time in which a plain
loop does one in float32, `NAME_pack4` the better of both; steps of all sides take turns, a ratio is one of medians.
`NAME_over_best_plain` is the pack in bf16 over the fastest that PyTorch does: channels last, and products
in bf16 by autocast. What plain PyTorch gains by these is printed without a bar.
"""

from collections.abc import Callable

import numpy as np
import torch
from reporting import Row, arguments, medians, report
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
BARS = {
    "lenet5_pack4_float32": 2.2,
    "lenet5_pack4_bf16": 4.5,
    "lenet5_over_best_plain": 2.0,
    "kerasnet_pack4": 3.0,
    "resnet56_pack4": 2.5,
}
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


def figures(name: str, of: dict[str, float]) -> dict[str, float]:
    """Ratios of a network from the processor seconds of its steps."""
    ways, precisions = ("channels_last", "channels_last_bf16"), ("float32", "bf16")
    found = {f"{name}_{how}": of["plain"] / of[how] for how in ways}
    packed = {how: MEMBERS * of["plain"] / of[how] for how in precisions}
    found |= {f"{name}_pack4_{how}": gain for how, gain in packed.items()}
    found[f"{name}_pack4"] = max(packed.values())
    found[f"{name}_over_best_plain"] = MEMBERS * min(of[how] for how in ways) / of["bf16"]
    return found


def main() -> None:
    options = arguments(__doc__)
    torch.set_num_threads(1)
    keep_freed_memory()  # as workers do
    rounds = {"lenet5": 9, "kerasnet": 9, "resnet56": 5} if options.quick else dict.fromkeys(NAMED, 41)
    rows = []
    for name in NAMED:
        steps = {
            "plain": plain_step(name),
            "channels_last": plain_step(name, channels_last=True),
            "channels_last_bf16": plain_step(name, channels_last=True, bf16=True),
            "float32": packed_step(name),
            "bf16": packed_step(name, "bf16"),
        }
        of = medians(steps, rounds[name], warm_up=2)
        rows.append(Row(f"{name}_plain_ms", 1e3 * of["plain"], "ms"))
        rows += [
            Row(figure, value, "x best plain" if "best" in figure else "x plain", BARS.get(figure))
            for figure, value in figures(name, of).items()
        ]
    report(options, rows)


if __name__ == "__main__":
    main()
