"""What learning curves cost: the time of a pack with `training.curve_every` over its time without.

    python benchmarks/learning_curves.py [--quick] [--json FILE]

Both are timed in turn, so that what else the machine does falls on both. MNIST-1D, 16 networks of 64 + 64 neurons.
"""

import argparse
import json
import random
import statistics
import time
from dataclasses import replace
from pathlib import Path

from evoact.config import load
from evoact.genomes.genome import fingerprint
from evoact.training.loop import train_pack
from evoact.training.members import Member

MEMBERS, STEPS = 16, 400
EVERY = (100, 50)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    parser.add_argument("--json", type=Path, help="write the figures there")
    arguments = parser.parse_args()
    made = load("configs/quickstart.yaml", [f"training.steps={STEPS}"])
    genomes = [made.space.sample(random.Random(i)) for i in range(MEMBERS)]
    members = [Member(g, f"{fingerprint(g)}-{i}", 0, STEPS) for i, g in enumerate(genomes)]

    def seconds(every: int | None) -> float:
        started = time.process_time()
        train_pack(members, made.network, made.task, replace(made.training, curve_every=every))
        return time.process_time() - started

    seconds(None)  # the first warms up
    found = []
    for every in EVERY:
        ratios = []
        for _ in range(3 if arguments.quick else 11):
            without, curve = seconds(None), seconds(every)
            ratios.append(curve / without)
        ratio = statistics.median(ratios)
        print(f"a point every {every:>4} steps: {100 * (ratio - 1):+.1f} % processor time")
        found.append(
            {"name": f"curve_every_{every}", "value": ratio, "unit": "times", "bar": 1.03, "better": "lower"}
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
