"""What sites cost in anybody's network, over the same network without them.

    python benchmarks/take_home.py [--quick] [--json FILE]

A ResNet-18 for images of 32 x 32, batch 64, and a ViT of four blocks of width 128 on the same images are converted by
`evoact.heterogenize`, and each site is given three types in random order. The denominator is the original, in the same
mode; both take turns step by step, so that the machine's drift hits both alike, and a ratio is one of medians.
`*_pack*` are steps of packs whose members' sites have three functions each, over so many steps of one plain network:
own modules, and the built-in `mlp` beside them. `heterogenize_bert_*` converts BERT-base with random weights (needs the
extra `models`) in a process of its own.
"""

import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from reporting import Row, arguments, report
from torch import Tensor, nn
from torch.nn import functional as F

import evoact
from evoact.genomes.genome import Genome, SiteGenome
from evoact.genomes.kinds import Base
from evoact.networks import NETWORKS
from evoact.networks.network import Network
from evoact.networks.own.named import given_network
from evoact.nn import activation_sites
from evoact.tasks.task import ArrayTask, Split
from evoact.training.members import Member
from evoact.training.memory import keep_freed_memory
from evoact.training.pack import TrainingSettings, start_pack, train_step

BATCH, CLASSES = 64, 10
TYPES = {"relu": ("relu", "tanh", "sin"), "gelu": ("gelu", "tanh", "sin")}
Step = Callable[[], object]


class Block(nn.Module):
    """Two convolutions and a shortcut (He et al. 2016, figure 2)."""

    def __init__(self, inputs: int, channels: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, channels, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = nn.Identity()
        if stride > 1 or inputs != channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        h = self.relu(self.norm1(self.conv1(x)))
        return self.relu(self.norm2(self.conv2(h)) + self.shortcut(x))


def resnet18(width: int = 64) -> nn.Module:
    """ResNet-18 with the first layer that small images have: 3 x 3, no pooling."""
    stages, inputs = [], width
    for stage in range(4):
        channels = width * 2**stage
        stages += [Block(inputs, channels, 2 if stage else 1), Block(channels, channels, 1)]
        inputs = channels
    first = [nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
    return nn.Sequential(*first, *stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, CLASSES))


class Encoder(nn.Module):
    """One pre-norm block (Dosovitskiy et al. 2021)."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attend = nn.MultiheadAttention(width, heads, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm1(x)
        x = x + self.attend(h, h, h, need_weights=False)[0]
        return x + self.mlp(self.norm2(x))


class ViT(nn.Module):
    """Patches of 4 x 4 pixels, four blocks, the mean over tokens."""

    def __init__(self, width: int = 128, blocks: int = 4, heads: int = 4):
        super().__init__()
        self.patch = nn.Conv2d(3, width, 4, 4)
        self.place = nn.Parameter(torch.zeros(1, 64, width))
        self.blocks = nn.Sequential(*(Encoder(width, heads) for _ in range(blocks)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        h = self.blocks(self.patch(images).flatten(2).transpose(1, 2) + self.place)
        return self.head(self.norm(h).mean(1))


def mixed(model: nn.Module, functions: tuple[str, ...]) -> nn.Module:
    """The converted network, whose sites have these functions in equal shares and random order."""
    made, _ = evoact.heterogenize(model, torch.randn(2, 3, 32, 32))
    for number, site in enumerate(activation_sites(made).values()):
        counts = [len(range(i, site.width, len(functions))) for i in range(len(functions))]
        assignment = [i for i, n in enumerate(counts) for _ in range(n)]
        random.Random(number).shuffle(assignment)
        site.mix(" + ".join(f"{n} {f}" for n, f in zip(counts, functions, strict=True)), assignment)
    return made


def training(model: nn.Module, images: Tensor, labels: Tensor) -> Step:
    model = model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()

    return step


def inference(model: nn.Module, images: Tensor) -> Step:
    model = model.eval()

    @torch.no_grad()
    def step() -> None:
        model(images)

    return step


def ratio(new: Step, old: Step, seconds: float) -> float:
    """The ratio of medians of steps that take turns for so long, the first of each apart."""
    taken: tuple[list[float], list[float]] = [], []
    until = time.perf_counter() + seconds
    while len(taken[0]) < 4 or time.perf_counter() < until:
        for step, times in zip((new, old), taken, strict=True):
            started = time.perf_counter()
            step()
            times.append(time.perf_counter() - started)
    return statistics.median(taken[0][1:]) / statistics.median(taken[1][1:])


def sites(name: str, build: Callable[[], nn.Module], function: str, quick: bool) -> Iterator[Row]:
    """A training step and inference with sites over those without."""
    torch.manual_seed(0)
    images, labels = torch.randn(BATCH, 3, 32, 32), torch.randint(0, CLASSES, (BATCH,))
    plain = build()
    ours = mixed(plain, TYPES[function])
    for what, make, bar in (
        ("step", lambda m: training(m, images, labels), 1.15),
        ("inference", lambda m: inference(m, images), 1.10),
    ):
        value = ratio(make(ours), make(plain), 8 if quick else 60)
        yield Row(f"{name}_mixed_{what}", value, "x original", bar, "lower")


def packs(
    name: str,
    network: Network,
    build: Callable[[], nn.Module],
    shape: tuple[int, ...],
    members: int,
    bar: float | None,
    quick: bool,
) -> Iterator[Row]:
    """A step of a pack per candidate, over a step of the plain network alone."""
    outputs = CLASSES if len(shape) == 3 else 2
    rng = np.random.default_rng(0)
    train = Split(
        rng.standard_normal((2 * BATCH, *shape)).astype(np.float32), rng.integers(0, outputs, 2 * BATCH)
    )
    task = ArrayTask(shape, outputs, True, lambda: {"train": train})
    settings = TrainingSettings(BATCH, "sgd", {"momentum": 0.9})
    types = tuple(map(Base, TYPES["relu"]))
    made = [
        Member(
            Genome(
                tuple(
                    SiteGenome(s.name, types, tuple(rng.integers(0, len(types), s.neurons).tolist()))
                    for s in network.sites
                ),
                (("learning_rate", 0.01),),
            ),
            str(k),
            0,
            1,
        )
        for k in range(members)
    ]
    pack = start_pack(made, network, task, settings, 0, torch.device("cpu"))
    plain = training(build(), torch.tensor(train.inputs[:BATCH]), torch.tensor(train.targets[:BATCH]))
    value = ratio(lambda: train_step(pack), plain, 8 if quick else 60) / members
    yield Row(name, value, "x solo", bar, "lower")


def plain_mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(30, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))


def vit32() -> nn.Module:
    return ViT(32)


def own(build: Callable[[], nn.Module], shape: tuple[int, ...], outputs: int) -> Network:
    return NETWORKS["own"](shape, outputs, given=given_network(build)["given"])


def bert(quick: bool) -> Iterator[Row]:
    """BERT-base in a process of its own, whose memory is measured."""
    try:
        import transformers  # noqa: F401
    except ImportError:
        print("heterogenize_bert_s: not measured, the extra `models` is not installed")
        return
    found = subprocess.run([sys.executable, __file__, CHILD], capture_output=True, text=True, check=True)
    seconds, copies = map(float, found.stdout.split())
    yield Row("heterogenize_bert_s", seconds, "s", 20, "lower")
    yield Row("heterogenize_bert_copies", copies, "x model", 1.2, "lower")


CHILD = "--convert-bert"


def memory(what: str) -> int:
    """Return bytes of this program's memory: now (VmRSS) or at most (VmHWM). Unlike `ru_maxrss` it knows nothing of the
    program that started this one."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition(f"{what}:")[2].split()[0]) * 1024


def convert_bert() -> None:
    """Print seconds, and by how many times the model's size memory grew at most."""
    from transformers import BertConfig, BertModel

    model = BertModel(BertConfig()).eval()
    size = sum(p.numel() * p.element_size() for p in model.parameters())
    tokens = {"input_ids": torch.zeros(1, 16, dtype=torch.int64)}
    before = memory("VmRSS")
    started = time.perf_counter()
    made, _ = evoact.heterogenize(model, tokens)
    seconds = time.perf_counter() - started
    print(seconds, (memory("VmHWM") - before) / size)
    assert len(activation_sites(made)) >= 12


MEASURES: tuple[Callable[[bool], Iterator[Row]], ...] = (
    lambda quick: sites("resnet18", resnet18, "relu", quick),
    lambda quick: sites("vit", ViT, "gelu", quick),
    lambda quick: packs("own_mlp_pack16", own(plain_mlp, (30,), 2), plain_mlp, (30,), 16, 0.25, quick),
    lambda quick: packs(
        "mlp_pack16", NETWORKS["mlp"]((30,), 2, hidden=[64, 64]), plain_mlp, (30,), 16, None, quick
    ),
    lambda quick: packs("vit_pack8", own(vit32, (3, 32, 32), CLASSES), vit32, (3, 32, 32), 8, 0.6, quick),
    bert,
)


def main() -> None:
    if sys.argv[1:] == [CHILD]:
        convert_bert()
        return
    options = arguments(__doc__)
    keep_freed_memory()  # as workers do
    torch.set_num_threads(os.cpu_count() or 1)
    report(options, [row for measure in MEASURES for row in measure(options.quick)])


if __name__ == "__main__":
    main()
