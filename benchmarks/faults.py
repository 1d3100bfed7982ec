"""What `kill -9` costs: runs whose driver is killed at random moments of every phase, resumed until they finish.

    python benchmarks/faults.py [--quick] [--json FILE] [--kills N] [--seed SEED] [--backend local|ray]

Each kill is a run of its own, in processes of their own: a search is killed once, at a random moment of its phase
(`baseline`, `search`, `confirm`, or `compact`, when the finished leaderboard is rewritten), then `evoact resume` goes
on. The phases take turns, N kills in all. On Ray the driver alone is killed; its workers are left to find out.

A run is `stuck` if its resume does not end, or ends otherwise than well; rows are `lost` or `doubled` beside those of
a run that nobody disturbed; it `differs` if any of its rows does, but for what clocks say.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml
from reporting import Row, report

from evoact.leaderboard.compact import NEW, OLD, READY
from evoact.leaderboard.location import Location
from evoact.leaderboard.run_files import CONFIG, is_finished
from evoact.leaderboard.schema import KEY
from evoact.leaderboard.write import PARTS
from evoact.records import PHASES

SECONDS = 600.0  # after which a command counts as stuck
# Differ between two runs of one search: what clocks say, and how work was divided.
CLOCKS = (
    "run",
    "train_seconds",
    "step_seconds_solo",
    "started_at",
    "finished_at",
    "pack",
    "pack_size",
    "device",
)
COMPACTION = "compact"
MOMENTS = (*PHASES, COMPACTION)
# A search whose packs last some tenths of a second, so that every phase can be hit.
EXPERIMENT: dict[str, Any] = {
    "name": "faults",
    "task": {"name": "faulty", "hangs": 1.0, "hang_seconds": 0.1},
    "network": {"name": "mlp", "hidden": [8]},
    "space": {
        "functions": ["relu", "tanh", "sin"],
        "types": {"base": {}, "hull": {"kinds": ["convex"], "sizes": [2]}},
        "types_per_layer": [1, 2],
        "learning_rate": {"low": 0.01, "high": 0.1, "per_decade": 1},
    },
    "strategy": {"name": "evolution", "population": 8, "elites": 2, "parents": 4, "startup": 12},
    "training": {"steps": 3, "batch_size": 32},
    "budget": {"networks": 40},
    "confirm": {"candidates": 4, "seeds": 3},
    "packs": {"size": 2},
}


@dataclass(frozen=True)
class Outcome:
    """What became of one killed run; `seconds` from the resume to its end."""

    moment: str
    killed: bool
    stuck: bool
    lost: int
    doubled: int
    differs: bool
    seconds: float


def command(*arguments: str | Path) -> subprocess.Popen[bytes]:
    """The command in a session of its own, quiet."""
    started: subprocess.Popen[bytes] = subprocess.Popen(
        [sys.executable, "-c", "from evoact.cli.main import main; main()", *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    return started


def begun(run_dir: Path, moment: str) -> bool:
    """Whether a moment has come: the first part of a phase is there, or the compaction has begun."""
    if moment == COMPACTION:
        return any((run_dir / name).exists() for name in (NEW, READY, OLD))
    if moment == PHASES[0]:
        return (run_dir / CONFIG).exists()
    return any((run_dir / PARTS).glob(f"part-{moment}-*"))


def kill_in(run_dir: Path, config: Path, moment: str, after: float) -> bool:
    """Start a search and kill its driver `after` seconds after a moment has come; whether it was at work then."""
    process, end = command("search", config, "-o", run_dir), time.monotonic() + SECONDS
    while process.poll() is None and not begun(run_dir, moment):
        if time.monotonic() > end:
            raise RuntimeError(f"expected the phase {moment} within {SECONDS:g} s, got none")
        time.sleep(0.001 if moment == COMPACTION and begun(run_dir, "confirm") else 0.02)
    time.sleep(after)
    process.kill()
    process.communicate()
    return process.returncode == -signal.SIGKILL and not is_finished(Location.of(run_dir))


def rows_of(run_dir: Path) -> list[dict[str, Any]]:
    """All rows, without clocks, by arm, repeat and proposal."""
    rows = [
        row for file in (run_dir / PARTS).glob("[!.]*.parquet") for row in pq.read_table(file).to_pylist()
    ]
    kept = [{name: value for name, value in row.items() if name not in CLOCKS} for row in rows]
    return sorted(kept, key=lambda row: (row["arm"], row["repeat"], row["proposal"]))


def keys_of(rows: Sequence[dict[str, Any]]) -> Counter[tuple[Any, ...]]:
    return Counter(tuple(row[name] for name in KEY) for row in rows)


def outcome(run_dir: Path, moment: str, killed: bool, undisturbed: Sequence[dict[str, Any]]) -> Outcome:
    """Resume a killed run, and compare it with the one that nobody disturbed."""
    started = time.monotonic()
    before = keys_of(rows_of(run_dir))
    resumed = command("resume", run_dir)
    try:
        _, errors = resumed.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(resumed.pid, signal.SIGKILL)
        _, errors = resumed.communicate()
    stuck = resumed.returncode != 0 or not is_finished(Location.of(run_dir))
    if stuck:
        print(f"{run_dir.name}: {errors.decode().strip()[-500:]}", flush=True)
    rows = rows_of(run_dir)
    found, expected = keys_of(rows), keys_of(undisturbed)
    return Outcome(
        moment,
        killed,
        stuck,
        lost=sum(((expected | before) - found).values()),
        doubled=sum((found - expected).values()),
        differs=rows != undisturbed,
        seconds=time.monotonic() - started,
    )


def measured(kills: int, seed: int, backend: str, moments: Sequence[str], directory: Path) -> list[Outcome]:
    """The outcomes of so many killed runs, which `directory` holds afterwards."""
    config = directory / "faults.yaml"
    execution = {"backend": "local"} if backend == "local" else {"backend": "ray_tune", "workers": 2}
    config.write_text(yaml.safe_dump(EXPERIMENT | {"execution": execution}))
    first = command("search", config, "-o", directory / "undisturbed")
    _, errors = first.communicate(timeout=SECONDS)
    if first.returncode:
        raise RuntimeError(errors.decode())
    undisturbed = rows_of(directory / "undisturbed")
    counts = Counter(row["phase"] for row in undisturbed)
    chance, found = random.Random(seed), []
    for i in range(kills):
        moment = moments[i % len(moments)]
        # The compaction takes some hundredths of a second; a phase, as long as its networks take on the workers.
        longest = 0.03 if moment == COMPACTION else 0.1 * counts[moment] / (1 if backend == "local" else 2)
        run_dir = directory / f"{i}-{moment}"
        killed = kill_in(run_dir, config, moment, chance.uniform(0, longest))
        found.append(outcome(run_dir, moment, killed, undisturbed))
        print(f"{i + 1:>4} of {kills}: {found[-1]}", flush=True)
    return found


def figures(found: Sequence[Outcome]) -> list[Row]:
    """For each moment: runs that were killed in it, and what is wrong with any of them."""
    rows = []
    for moment in dict.fromkeys(o.moment for o in found):
        own = [o for o in found if o.moment == moment]
        rows += [
            Row(f"{moment}_killed", sum(o.killed for o in own), f"of {len(own)} runs"),
            Row(f"{moment}_stuck", sum(o.stuck for o in own), "runs", 0, "lower"),
            Row(f"{moment}_lost", sum(o.lost for o in own), "rows", 0, "lower"),
            Row(f"{moment}_doubled", sum(o.doubled for o in own), "rows", 0, "lower"),
            Row(f"{moment}_differs", sum(o.differs for o in own), "runs", 0, "lower"),
        ]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one kill in each phase")
    parser.add_argument("--json", metavar="FILE", help="also write the figures to FILE")
    parser.add_argument("--kills", type=int, default=40, metavar="N", help="how many runs are killed")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--backend", choices=("local", "ray"), default="local")
    parser.add_argument("--phases", nargs="+", choices=MOMENTS, default=MOMENTS, help="where to kill")
    options = parser.parse_args()
    kills = len(options.phases) if options.quick else options.kills
    with tempfile.TemporaryDirectory(prefix="evoact-faults-") as directory:
        found = measured(kills, options.seed, options.backend, options.phases, Path(directory))
    report(options, figures(found))


if __name__ == "__main__":
    main()
