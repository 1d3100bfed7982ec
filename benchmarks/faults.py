"""What `kill -9` costs: runs whose driver is killed at random moments of every phase, resumed until they finish.

    python benchmarks/faults.py [--quick] [--json FILE] [--kills N] [--seed SEED] [--backend local|ray]

A run is prepared to stand where a phase begins: `baseline`, `search`, `confirm`, or `compact`, when the leaderboard of
a finished run is rewritten. It is killed in this phase a few times in a row, each time at a random moment after some
of it was stored, then left alone. The phases take turns, N kills in all. On Ray the driver alone is killed.

A run is `stuck` if a resume does not end, or ends otherwise than well; rows are `lost` or `doubled` beside those of a
run that nobody disturbed; it `differs` if any of its rows does, but for what clocks say.
"""

import argparse
import multiprocessing
import os
import random
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from reporting import Row, report

from evoact.config import Experiment, experiment
from evoact.execution.run import resume, search
from evoact.leaderboard.location import Location
from evoact.leaderboard.run_files import is_finished, record_of, write_record
from evoact.leaderboard.schema import KEY
from evoact.leaderboard.store.write import PARTS
from evoact.records import PHASES

SECONDS = 600.0  # after which a run counts as stuck
IN_A_ROW = 5  # kills of one run
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
# Packs last some tenths of a second, so that there are moments between them.
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
    "confirm": {"candidates": 5, "seeds": 4},
    "packs": {"size": 2},
}


@dataclass(frozen=True)
class Outcome:
    """What became of a run that was killed so many times; `seconds` of its last resume."""

    moment: str
    kills: int
    stuck: bool
    lost: int
    doubled: int
    differs: bool
    seconds: float


def started(run_dir: Path, made: Experiment | None = None) -> BaseProcess:
    """A process that carries out `made` in a new run directory, or resumes the run that is there.

    It is forked from this one, which has imported everything and run nothing.
    """

    def carry_out() -> None:
        os.setsid()
        if made is not None:
            search(made, run_dir)
        else:
            resume(run_dir)

    process = multiprocessing.get_context("fork").Process(target=carry_out)
    process.start()
    return process


def prepare(undisturbed: Path, run_dir: Path, moment: str) -> None:
    """Copy a finished run as it was when a phase began."""
    shutil.copytree(undisturbed, run_dir, ignore=shutil.ignore_patterns(PARTS))
    rows = pq.read_table(undisturbed / PARTS)
    if moment != COMPACTION:
        rows = rows.filter(pc.is_in(rows["phase"], pa.array(PHASES[: PHASES.index(moment)], pa.string())))
    (run_dir / PARTS).mkdir()
    for start in range(0, len(rows), 4):
        pq.write_table(rows.slice(start, 4), run_dir / PARTS / f"part-{start:05}.parquet")
    home = Location.of(run_dir)
    write_record(home, record_of(home) | {"finished_at": None})


def traces(run_dir: Path, moment: str) -> set[str]:
    """What a phase leaves: its parts, or the files that the compaction makes of them."""
    if moment == COMPACTION:
        return {file.name for file in (run_dir / PARTS).iterdir() if "compact-" in file.name}
    return {file.name for file in (run_dir / PARTS).glob(f"part-{moment}-*")}


def killed(run_dir: Path, moment: str, after: float) -> bool:
    """Resume a run and kill it `after` seconds after it left a trace; whether it was at work then."""
    before = traces(run_dir, moment)
    process, end = started(run_dir), time.monotonic() + SECONDS
    while process.is_alive() and traces(run_dir, moment) <= before:
        if time.monotonic() > end:
            break
        time.sleep(0.001 if moment == COMPACTION else 0.01)
    time.sleep(after)
    process.kill()
    process.join()
    return process.exitcode == -signal.SIGKILL and not is_finished(Location.of(run_dir))


def rows_of(run_dir: Path) -> list[dict[str, Any]]:
    """All rows, without clocks, by arm, repeat and proposal."""
    rows = [
        row for file in (run_dir / PARTS).glob("[!.]*.parquet") for row in pq.read_table(file).to_pylist()
    ]
    kept = [{name: value for name, value in row.items() if name not in CLOCKS} for row in rows]
    return sorted(kept, key=lambda row: (row["arm"], row["repeat"], row["proposal"]))


def keys_of(rows: Sequence[dict[str, Any]]) -> Counter[tuple[Any, ...]]:
    return Counter(tuple(row[name] for name in KEY) for row in rows)


def outcome(run_dir: Path, moment: str, kills: int, undisturbed: Sequence[dict[str, Any]]) -> Outcome:
    """Resume a killed run to its end, and compare it with the one that nobody disturbed."""
    begin = time.monotonic()
    process = started(run_dir)
    process.join(SECONDS)
    stuck = process.exitcode != 0 or not is_finished(Location.of(run_dir))
    if process.exitcode is None:
        process.kill()
        process.join()
    rows = rows_of(run_dir)
    found, expected = keys_of(rows), keys_of(undisturbed)
    return Outcome(
        moment,
        kills,
        stuck,
        lost=(expected - found).total(),
        doubled=(found - expected).total(),
        differs=rows != undisturbed,
        seconds=time.monotonic() - begin,
    )


def measured(kills: int, seed: int, backend: str, moments: Sequence[str], directory: Path) -> list[Outcome]:
    """The outcomes of runs that were killed so many times in all; `directory` holds them."""
    execution = {"backend": "local"} if backend == "local" else {"backend": "ray_tune", "workers": 2}
    made, chance = experiment(EXPERIMENT | {"execution": execution}), random.Random(seed)
    first = started(directory / "undisturbed", made)
    first.join()
    if first.exitcode:
        raise RuntimeError("expected a run that nobody disturbs to finish, got what is printed above")
    undisturbed = rows_of(directory / "undisturbed")
    found: list[Outcome] = []
    left = kills
    while left > 0:
        moment = moments[len(found) % len(moments)]
        run_dir = directory / f"{len(found)}-{moment}"
        prepare(directory / "undisturbed", run_dir, moment)
        # The compaction takes some hundredths of a second.
        longest = 0.03 if moment == COMPACTION else 1.0
        tried = min(left, IN_A_ROW, -(-kills // len(moments)))
        left -= tried
        worked = sum(killed(run_dir, moment, chance.uniform(0, longest)) for _ in range(tried))
        found.append(outcome(run_dir, moment, worked, undisturbed))
        print(f"{kills - left:>4} of {kills}: {found[-1]}", flush=True)
    return found


def figures(found: Sequence[Outcome]) -> list[Row]:
    """For each phase: kills that struck it, and what is wrong with runs that were killed in it."""
    rows = []
    for moment in dict.fromkeys(o.moment for o in found):
        own = [o for o in found if o.moment == moment]
        rows += [
            Row(f"{moment}_kills", sum(o.kills for o in own), f"in {len(own)} runs"),
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
    parser.add_argument(
        "--kills", type=int, default=40, metavar="N", help="how many there are, in all phases"
    )
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
