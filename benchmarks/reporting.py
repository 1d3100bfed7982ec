"""What all benchmarks share: their options, clocks, and a table that is also a JSON file."""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Row:
    """One figure; `better` says on which side of `bar` it should be."""

    name: str
    value: float
    unit: str
    bar: float | None = None
    better: str = "higher"

    @property
    def met(self) -> str:
        if self.bar is None:
            return ""
        good = self.value >= self.bar if self.better == "higher" else self.value <= self.bar
        return "met" if good else "MISSED"


def arguments(
    description: str | None,
    devices: bool = False,
    more: Callable[[argparse.ArgumentParser], object] | None = None,
    quick: str = "under a minute, coarser",
) -> argparse.Namespace:
    """`--quick`, which means what `quick` says, `--json FILE`, `--device` if a program measures on GPUs, too, and
    `more` options of its own."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--json", metavar="FILE", help="also write the figures to FILE")
    if devices:
        parser.add_argument("--device", help="cpu or cuda; by default the GPU where there is one")
    if more is not None:
        more(parser)
    return parser.parse_args()


def device_of(options: argparse.Namespace) -> "torch.device":
    """What `--device` names, else the GPU where there is one; a GPU's name is printed."""
    import torch

    device = torch.device(options.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if device.type == "cuda":
        print(torch.cuda.get_device_name(device))
    return device


def now(device: "torch.device") -> float:
    """Seconds on a clock, once the device has done what it was asked to."""
    if device.type == "cuda":
        import torch

        torch.cuda.synchronize(device)
    return time.perf_counter()


def medians(
    steps: Mapping[str, Callable[[], object]],
    rounds: int,
    warm_up: int = 3,
    clock: Callable[[], float] = time.process_time,
) -> dict[str, float]:
    """The median seconds of each step. They take turns, so that what else the machine does befalls all alike; the first
    ones warm up."""
    taken: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(warm_up + rounds):
        for name, step in steps.items():
            started = clock()
            step()
            taken[name].append(clock() - started)
    return {name: statistics.median(values[warm_up:]) for name, values in taken.items()}


def report(options: argparse.Namespace, rows: Sequence[Row]) -> None:
    """Print the table, and write the JSON file if one was asked for."""
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} processors")
    width = max((len(row.name) for row in rows), default=0) + 2
    for row in rows:
        sign = ">=" if row.better == "higher" else "<="
        bar = f"{sign} {row.bar:g}" if row.bar is not None else ""
        print(f"{row.name:<{width}} {row.value:>12.4g} {row.unit:<20} {bar:<10} {row.met}")
    store(options, rows)


def store(options: argparse.Namespace, rows: Sequence[Row]) -> None:
    """Write the JSON file if one was asked for; a program that takes long does it after each figure, too."""
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump([asdict(row) for row in rows], file, indent=2)
