"""What learning curves cost: training with a point every so many steps over training without.

    python benchmarks/learning_curves.py [--quick] [--json FILE]

MNIST-1D, packs of 16 networks of 64 + 64 neurons, one thread, processor time. Points are taken in turn after a few
steps, so that what else the machine does falls on both, and the median of many is what counts.
"""

import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from reporting import Row, arguments, report

from evoact.config import load
from evoact.genomes.genome import fingerprint
from evoact.training.learning_curves import measured
from evoact.training.members import Member
from evoact.training.pack import start_pack, train_step

CONFIG = Path(__file__).parents[1] / "configs" / "quickstart.yaml"
MEMBERS = 16
STEPS = 20  # between two points here; a point's cost is set against as many as it would be for
EVERY = (100, 50, 20)


def seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def main() -> None:
    options = arguments(__doc__)
    torch.set_num_threads(1)
    made = load(CONFIG)
    genomes = [made.space.sample(random.Random(i)) for i in range(MEMBERS)]
    members = [Member(g, f"{fingerprint(g)}-{i}", 0, 10**6) for i, g in enumerate(genomes)]
    pack = start_pack(members, made.network, made.task, made.training, 0, torch.device("cpu"))

    def train() -> None:
        for _ in range(STEPS):
            pack.recent_losses = [train_step(pack)]

    train()  # warms up
    ratios: dict[int, list[float]] = {every: [] for every in EVERY}
    for _ in range(7 if options.quick else 41):
        step = seconds(train) / STEPS
        for every, found in ratios.items():
            found.append(seconds(lambda every=every: measured(pack, every)) / (every * step))
    report(
        options,
        [
            Row(f"curve_every_{every}", 1 + statistics.median(found), "x without", 1.03, "lower")
            for every, found in ratios.items()
        ],
    )


if __name__ == "__main__":
    main()
