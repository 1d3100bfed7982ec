"""What failures cost: searches in which three packs of ten hold a network that fails, over the same searches without.

    python benchmarks/failing.py [--quick] [--json FILE] [--packs N] [--seed SEED]

A pack that fails is halved until the network at fault is alone, so that all others are trained after all. `raising`
networks raise at their first step, `late` ones at a step of their own, at any moment of training, `last` ones at their
last step, which is the worst. Each ratio is of what a search takes with them and without, in turns and in one process,
in processor time and by the clock; the share of packs that failed is beside it.
"""

import argparse
import os
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from reporting import Row, arguments, report
from torch import Tensor

from evoact.config import experiment
from evoact.execution.run import search
from evoact.leaderboard.ask.query import Leaderboard
from evoact.records import COMPLETED
from evoact.seeding import derive
from evoact.tasks import TASKS
from evoact.tasks.faulty import FaultyTask
from evoact.tasks.task import cross_entropy
from evoact.training import loop
from evoact.training.members import Member
from evoact.training.pack import Pack, start_pack

SIZE, STEPS = 16, 150
SHARE = 0.3  # of packs that hold a network at fault
RATE = 1 - (1 - SHARE) ** (1 / SIZE)  # of networks
BAR = 1.5
KINDS = ("raising", "late", "last")


class Failing(FaultyTask):
    """Networks that raise at a step of their own, which must be counted: a task is told members alone."""

    kind = "raising"
    steps: ClassVar[Counter[str]] = Counter()  # of each network, since its training began

    def losses(self, outputs: Tensor, targets: Tensor, members: Sequence[str]) -> Tensor:
        self.steps.update(members)
        for member in members:
            if self.fate(member) == "raises" and self.steps[member] >= moment(self.kind, member):
                raise RuntimeError(f"{member} raises")
        return cross_entropy(outputs, targets)


def counted(members: Sequence[Member], *given: Any) -> Pack:
    """Start a pack, whose members have taken no step."""
    for member in members:
        Failing.steps.pop(member.name, None)
    return start_pack(members, *given)


def moment(kind: str, member: str) -> int:
    """The step at which a network raises, from 1."""
    return {"raising": 1, "late": 1 + derive("moment", member) % STEPS, "last": STEPS}[kind]


def failing(kind: str, rate: float) -> FaultyTask:
    """Return the task with networks that fail so, at a rate."""
    of_kind: type[FaultyTask] = type("Failing", (Failing,), {"kind": kind})
    return of_kind(rate, 0.0, 0.0, 0.0, 0.0)


def config(kind: str, rate: float, packs: int, seed: int) -> dict[str, Any]:
    return {
        "name": "failing",
        "seed": seed,
        "task": {"name": "failing", "kind": kind, "rate": rate},
        "network": {"name": "mlp", "hidden": [64, 64]},
        "space": {
            "functions": ["relu", "tanh", "sin", "gelu"],
            "types": {"base": {}},
            "types_per_layer": [1, 2],
            "learning_rate": {"low": 0.001, "high": 0.1, "per_decade": 4},
        },
        "strategy": {"name": "random"},
        "training": {"steps": STEPS, "batch_size": 100},
        "budget": {"networks": packs * SIZE},
        "baselines": {"replicates": 0},
        "confirm": {"candidates": 0},
        "packs": {"size": SIZE},
        "execution": {"backend": "local"},
    }


def spent(kind: str, rate: float, packs: int, seed: int) -> tuple[float, float, float]:
    """Seconds of a processor and of the clock that a search takes, and the share of packs in which a network failed."""
    with tempfile.TemporaryDirectory(prefix="evoact-failing-") as folder:
        place, made = Path(folder, "run"), experiment(config(kind, rate, packs, seed))
        processor, clock = time.process_time(), time.perf_counter()
        search(made, place)
        processor, clock = time.process_time() - processor, time.perf_counter() - clock
        rows = Leaderboard(place).columns("pack", "state").to_pylist()
    struck = {row["pack"] for row in rows if row["state"] != COMPLETED}
    return processor, clock, len(struck) / packs


def ratios(packs: int, seed: int, turns: int) -> list[Row]:
    """The figures of all kinds, from searches in turns, so that what else the machine does befalls all alike."""
    kinds: Mapping[str, float] = {"none": 0.0, **dict.fromkeys(KINDS, RATE)}
    taken: dict[str, list[tuple[float, float, float]]] = {kind: [] for kind in kinds}
    spent("raising", 0.0, 2, seed)  # what is slow the first time
    for turn in range(turns):
        for kind, rate in kinds.items():
            figures = spent(kind if rate else "raising", rate, packs, seed + turn)
            taken[kind].append(figures)
            print(
                f"turn {turn}, {kind}: {figures[0]:.1f} s of a processor, {figures[2]:.0%} of packs",
                flush=True,
            )
    total = {kind: [sum(column) for column in zip(*figures, strict=True)] for kind, figures in taken.items()}
    rows = []
    for kind in KINDS:
        processor, clock, share = total[kind]
        rows += [
            Row(
                f"failing_{kind}_processor_ratio",
                processor / total["none"][0],
                "times undisturbed",
                BAR,
                "lower",
            ),
            Row(f"failing_{kind}_clock_ratio", clock / total["none"][1], "times undisturbed", BAR, "lower"),
            Row(f"failing_{kind}_packs", share / turns, "share of packs that failed"),
        ]
    return rows


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--packs", type=int, default=30, metavar="N", help="of each search")
    parser.add_argument("--seed", type=int, default=0)


def main() -> None:
    options = arguments(__doc__, more=more, quick="one turn of 12 packs")
    TASKS["failing"] = failing
    loop.start_pack = counted
    packs, turns = (12, 1) if options.quick else (options.packs, 3)
    report(options, ratios(packs, options.seed, turns))
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
