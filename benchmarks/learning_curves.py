"""What learning curves cost: the time of a point over that of the training since the last one.

    python benchmarks/learning_curves.py [--quick] [--json FILE]

Points are taken in turn after a few steps, so that what else the machine does falls on both; the median of many is what
counts. MNIST-1D, 16 networks of 64 + 64 neurons, one thread.
"""

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from evoact.config import load
from evoact.genomes.genome import fingerprint
from evoact.training.learning_curves import measured
from evoact.training.members import Member
from evoact.training.pack import start_pack, train_step

MEMBERS, STEPS = 16, 20  # steps between two points here, whose cost counts for as many as there would be
EVERY = (100, 50, 20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    parser.add_argument("--json", type=Path, help="write the figures there")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    made = load("configs/quickstart.yaml")
    genomes = [made.space.sample(random.Random(i)) for i in range(MEMBERS)]
    members = [Member(g, f"{fingerprint(g)}-{i}", 0, 10**6) for i, g in enumerate(genomes)]
    pack = start_pack(members, made.network, made.task, made.training, 0, torch.device("cpu"))

    def train() -> None:
        for _ in range(STEPS):
            pack.recent_losses = [train_step(pack)]

    train()  # warms up
    ratios: dict[int, list[float]] = {every: [] for every in EVERY}
    for _ in range(7 if arguments.quick else 41):
        step = _seconds(train) / STEPS
        for every, found in ratios.items():
            found.append(_seconds(lambda every=every: measured(pack, every)) / (every * step))
    figures = []
    for every, found in ratios.items():
        share = statistics.median(found)
        print(f"a point every {every:>4} steps: {100 * share:+.1f} % processor time")
        figures.append(
            {
                "name": f"curve_every_{every}",
                "value": 1 + share,
                "unit": "times",
                "bar": 1.03,
                "better": "lower",
            }
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2))


def _seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


if __name__ == "__main__":
    main()
