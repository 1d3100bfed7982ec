"""What `kill -9` costs: runs whose driver, workers, nodes or head are killed at random moments, until they finish.

    python benchmarks/faults.py [--quick] [--json FILE] [--matrix] [--victim driver|worker|node|head ...] [--kills N]
        [--seed SEED] [--backend local|ray] [--plan search|comparison] [--phases PHASE ...]

`--matrix` is all of it: 40 kills of the driver (10 in each of baseline, search, confirm and compact; half on Ray, half
of comparisons), 20 of workers, 10 of nodes, 5 of the head.

A driver is killed in a given phase: a run is prepared to stand where that begins, `compact` being when the leaderboard
of a finished run is rewritten. It is killed there a few times in a row, each time at a random moment after some of it
was stored, then left alone; on Ray the driver alone is killed, and the cluster stays. Workers and nodes are killed
while a run goes on, each node with all its processes, and another takes its place. With the head a run loses its
cluster: it must end and say how to go on, and is resumed on another.

A run is `stuck` if it does not end, or ends otherwise than well; rows are `lost` or `doubled` beside those of a
run that nobody disturbed; it `differs` if any of its rows does, but for what clocks say.
"""

import argparse
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from ray_nodes import ENVIRONMENT, Cluster, cluster
from reporting import Row, arguments, report

import evoact.execution.cluster.ray_tune  # noqa: F401
from evoact.config import Plan, read_plan
from evoact.errors import SearchFailed
from evoact.execution.run import compare, resume, search
from evoact.execution.running.log import PACK, events
from evoact.leaderboard.location import Location
from evoact.leaderboard.run_files import CONFIG, is_finished, record_of, write_record
from evoact.leaderboard.schema import KEY
from evoact.leaderboard.store.write import PARTS
from evoact.records import PHASES

SECONDS = 600.0  # after which a run counts as stuck
IN_A_ROW = 5  # kills of one run
LOST = "expected the head of the Ray cluster"  # what a driver says that cannot go on, and ends
TRIES = 3  # runs for each kill: some end before they are struck
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
# Packs last some tenths of a second, so that there are moments between them; a step sleeps, and a confirmed network
# costs two dozen more, for its row's seconds a step.
EXPERIMENT: dict[str, Any] = {
    "name": "faults",
    "task": {"name": "faulty", "hangs": 1.0, "hang_seconds": 0.01},
    "network": {"name": "mlp", "hidden": [8]},
    "space": {
        "functions": ["relu", "tanh", "sin"],
        "types": {"base": {}, "hull": {"kinds": ["convex"], "sizes": [2]}},
        "types_per_layer": [1, 2],
        "learning_rate": {"low": 0.01, "high": 0.1, "per_decade": 1},
    },
    "strategy": {"name": "evolution", "population": 8, "elites": 2, "parents": 4, "startup": 12},
    "training": {"steps": 25, "batch_size": 32},
    "budget": {"networks": 40},
    "confirm": {"candidates": 3, "seeds": 2, "judge": 2},
    "packs": {"size": 2},
}


ARMS: dict[str, Any] = {
    "budget": {"networks": 24},
    "confirm": {"candidates": 2, "seeds": 2, "judge": 2},
    "repeats": 1,
    "arms": {"evolution": {}, "random": {"strategy": {"name": "random"}}},
}


@dataclass(frozen=True)
class Cell:
    """So many kills of a victim: of a driver by the phase that it is killed in, of others in all."""

    victim: str
    backend: str
    plan: str
    kills: Mapping[str, int]


VICTIMS = ("driver", "worker", "node", "head")
MATRIX = (
    Cell("driver", "local", "search", {"baseline": 5, "search": 2, "confirm": 2, COMPACTION: 1}),
    Cell("driver", "local", "comparison", {"search": 3, "confirm": 3, COMPACTION: 4}),
    Cell("driver", "ray", "search", {"baseline": 5, "search": 1, "confirm": 2, COMPACTION: 2}),
    Cell("driver", "ray", "comparison", {"search": 4, "confirm": 3, COMPACTION: 3}),
    Cell("worker", "ray", "search", {"any": 10}),
    Cell("worker", "ray", "comparison", {"any": 10}),
    Cell("node", "ray", "search", {"any": 10}),
    Cell("head", "ray", "search", {"any": 5}),
)


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


def started(
    run_dir: Path, made: Plan | None = None, address: str | None = None, said: Path | None = None
) -> BaseProcess:
    """A process that carries out `made` in a new run directory, or resumes the run that is there; if it is given, what
    it says goes to the file `said`.

    It is forked from this one, which has imported everything and run nothing.
    """

    def carry_out() -> None:
        os.setsid()
        if said is not None:
            os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT), 2)
        try:
            carried_out()
        except SearchFailed as error:
            sys.exit(str(error))

    def carried_out() -> None:
        if made is None:
            resume(run_dir, address)
        elif made.compares:
            compare(made, run_dir, address)
        else:
            search(made.first, run_dir, address)

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
    return {file.name for file in (run_dir / PARTS).glob(f"part-*{moment}-*")}


def killed(run_dir: Path, moment: str, after: float, address: str | None) -> bool:
    """Resume a run and kill it `after` seconds after it left a trace; whether it was at work then."""
    before = traces(run_dir, moment)
    process, end = started(run_dir, address=address), time.monotonic() + SECONDS
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


def outcome(
    run_dir: Path,
    moment: str,
    kills: int,
    undisturbed: Sequence[dict[str, Any]],
    process: BaseProcess | None = None,
    address: str | None = None,
) -> Outcome:
    """Wait for a run, or resume a killed one to its end, and compare it with the one that nobody disturbed."""
    begin = time.monotonic()
    process = process or started(run_dir, address=address)
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


def packs_of(run_dir: Path) -> list[dict[str, Any]]:
    """What the log says of the packs that are back."""
    return [e for e in events(Location.of(run_dir), only=PACK) if e["event"] == PACK]


def at_work(run_dir: Path, process: BaseProcess, packs: int) -> bool:
    """Wait until so many packs are back; whether the run still goes on then."""
    end = time.monotonic() + SECONDS
    while process.is_alive() and time.monotonic() < end:
        if len(packs_of(run_dir)) >= packs:
            return not is_finished(Location.of(run_dir))
        time.sleep(0.02)
    return False


def worker_struck(
    run_dir: Path, process: BaseProcess, undisturbed: int, kills: int, chance: random.Random
) -> int:
    """Kill workers of a run that goes on, each at a random moment after a random pack; how many were."""
    struck = 0
    for _ in range(kills):
        before = len(packs_of(run_dir)) if run_dir.exists() else 0
        if not at_work(run_dir, process, before + chance.randint(1, max(1, undisturbed // (2 * kills)))):
            break
        time.sleep(chance.uniform(0, 0.5))
        pid = int(packs_of(run_dir)[-1]["worker"].rpartition(":")[2])
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            struck += 1
    return struck


# --- nodes and heads -------------------------------------------------------------------------------


def nodes_struck(
    here: Cluster,
    made: Plan,
    run_dir: Path,
    undisturbed: Sequence[dict[str, Any]],
    kills: int,
    chance: random.Random,
) -> Outcome:
    """Kill nodes of the cluster that a run is on, one after the other; another joins for each."""
    process, struck = started(run_dir, made, here.address), 0
    for _ in range(kills):
        before = len(packs_of(run_dir)) if run_dir.exists() else 0
        if not at_work(run_dir, process, before + chance.randint(1, 4)):
            break
        time.sleep(chance.uniform(0, 0.5))
        here.nodes.pop(0).kill()
        struck += 1
        here.join("--num-cpus=1")
    return outcome(run_dir, "node", struck, undisturbed, process)


def heads_struck(
    directory: Path, made: Plan, undisturbed: Sequence[dict[str, Any]], kills: int, chance: random.Random
) -> Iterator[Outcome]:
    """Kill the head of the cluster that a run is on, which must end then, and resume it on another, whose head is the
    next one's."""
    run_dir, process, ended, struck = directory / "none", None, True, 0
    for number in range(kills + 1):
        with cluster(1, 1) as here:
            if process is not None:
                found = outcome(run_dir, "head", struck, undisturbed, address=here.address)
                yield found if ended else replace(found, stuck=True)
            if number == kills:
                return
            run_dir = directory / f"head-{number}"
            said = directory / f"head-{number}.txt"
            process = started(run_dir, made, here.address, said)
            struck = int(at_work(run_dir, process, chance.randint(1, 12)))
            time.sleep(chance.uniform(0, 0.5))
            here.head.kill()
            process.join(SECONDS)
            # It says how to go on, and ends as what has failed does; Ray would end it, too, but not so.
            ended = process.exitcode == 1 and LOST in said.read_text()
            print(said.read_text(), flush=True)
            if process.exitcode is None:
                process.kill()
                process.join()


# --- all of it ------------------------------------------------------------------------------------


def drivers_struck(
    directory: Path,
    cell: Cell,
    made: Plan,
    first: Path,
    undisturbed: Sequence[dict[str, Any]],
    chance: random.Random,
) -> Iterator[Outcome]:
    with cluster(2) if cell.backend == "ray" else nullcontext() as here:
        address = here and here.address
        for moment, kills in cell.kills.items():
            # The compaction takes some hundredths of a second.
            longest = 0.03 if moment == COMPACTION else 1.0
            left, number = kills, 0
            while left > 0 and number < TRIES * kills:
                run_dir, struck = directory / f"{moment}-{number}", 0
                prepare(first, run_dir, moment)
                (run_dir / CONFIG).write_text(made.to_yaml(), encoding="utf-8")
                while struck < min(IN_A_ROW, left):
                    if not killed(run_dir, moment, chance.uniform(0, longest), address):
                        break
                    struck += 1
                yield outcome(run_dir, moment, struck, undisturbed, address=address)
                left, number = left - struck, number + 1


def others_struck(
    directory: Path, cell: Cell, made: Plan, undisturbed: Sequence[dict[str, Any]], chance: random.Random
) -> Iterator[Outcome]:
    kills = sum(cell.kills.values())
    if cell.victim == "head":
        yield from heads_struck(directory, made, undisturbed, kills, chance)
        return
    left, number = kills, 0
    with cluster(0, 2) if cell.victim == "node" else cluster(2) as here:
        while left > 0 and number < TRIES * kills:
            run_dir, tried = directory / f"struck-{number}", min(left, IN_A_ROW)
            if cell.victim == "node":
                found = nodes_struck(here, made, run_dir, undisturbed, tried, chance)
            else:
                process = started(run_dir, made, here.address)
                struck = worker_struck(run_dir, process, len(undisturbed) // 2, tried, chance)
                found = outcome(run_dir, "worker", struck, undisturbed, process)
            yield found
            left, number = left - found.kills, number + 1


def plans_of(cell: Cell) -> tuple[Plan, Plan]:
    """What a cell's runs do: in one process, and as the cell says."""
    more = ARMS if cell.plan == "comparison" else {}
    executions = ({"backend": "local"}, {"backend": "ray_tune", "workers": 2})
    local, on_ray = (read_plan({**EXPERIMENT, **more, "execution": e}) for e in executions)
    return local, local if cell.backend == "local" else on_ray


def undisturbed_run(directory: Path, cell: Cell) -> Path:
    """The run of a cell's plan that nobody disturbs, in one process: the rows are the same on Ray."""
    place = directory / f"undisturbed-{cell.plan}"
    if not place.exists():
        process = started(place, plans_of(cell)[0])
        process.join()
        if process.exitcode:
            raise RuntimeError("expected a run that nobody disturbs to finish, got what is printed above")
    return place


def measured(cell: Cell, seed: int, directory: Path) -> Iterator[Outcome]:
    """Yield the outcomes of the runs of a cell; `directory` holds all that they leave."""
    first, (_, made) = undisturbed_run(directory, cell), plans_of(cell)
    undisturbed, chance = rows_of(first), random.Random(f"{seed} {cell}")
    with tempfile.TemporaryDirectory(dir=directory) as own:
        if cell.victim == "driver":
            yield from drivers_struck(Path(own), cell, made, first, undisturbed, chance)
        else:
            yield from others_struck(Path(own), cell, made, undisturbed, chance)


def figures(found: Sequence[tuple[Cell, Outcome]]) -> list[Row]:
    """For each victim and place: kills that struck, and what is wrong with runs that were killed there."""
    rows = []
    named = [
        (f"{c.victim}_{c.backend}_{c.plan}_{o.moment}".removesuffix(f"_{c.victim}"), o) for c, o in found
    ]
    for name in dict.fromkeys(name for name, _ in named):
        own = [o for other, o in named if other == name]
        rows += [
            Row(f"{name}_kills", sum(o.kills for o in own), f"in {len(own)} runs"),
            Row(f"{name}_stuck", sum(o.stuck for o in own), "runs", 0, "lower"),
            Row(f"{name}_lost", sum(o.lost for o in own), "rows", 0, "lower"),
            Row(f"{name}_doubled", sum(o.doubled for o in own), "rows", 0, "lower"),
            Row(f"{name}_differs", sum(o.differs for o in own), "runs", 0, "lower"),
        ]
    return rows


def cells(options: argparse.Namespace) -> list[Cell]:
    """What is asked for."""
    if options.matrix:
        victims, backends, plans = options.victim or VICTIMS, options.backend, options.plan
        return [
            c
            for c in sorted(MATRIX, key=lambda c: victims.index(c.victim) if c.victim in victims else -1)
            if c.victim in victims and backends in (None, c.backend) and plans in (None, c.plan)
        ]
    (victim, *_), plan = options.victim or VICTIMS, options.plan or "search"
    if victim != "driver":
        return [Cell(victim, "ray", plan, {"any": 1 if options.quick else options.kills})]
    moments = [m for m in options.phases if plan == "search" or m != PHASES[0]]
    share, more = divmod(options.kills, len(moments))
    kills = {m: 1 if options.quick else share + (i < more) for i, m in enumerate(moments)}
    return [Cell(victim, options.backend or "local", plan, kills)]


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--matrix", action="store_true", help="all of it, or those of a victim, backend or plan"
    )
    parser.add_argument("--victim", choices=VICTIMS, nargs="+", help="by default drivers; of the matrix, all")
    parser.add_argument("--kills", type=int, default=40, metavar="N", help="how many there are in all")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--backend", choices=("local", "ray"), help="for drivers, by default local")
    parser.add_argument("--plan", choices=("search", "comparison"), help="by default search")
    parser.add_argument("--phases", nargs="+", choices=MOMENTS, default=MOMENTS, help="where to kill drivers")


def main() -> None:
    os.environ |= ENVIRONMENT
    options = arguments(__doc__, more=more, quick="one kill in each phase")
    found: list[tuple[Cell, Outcome]] = []
    # A short path, in which Ray's sockets lie; killed drivers leave their temporary directories, too.
    with tempfile.TemporaryDirectory(prefix="ev-", ignore_cleanup_errors=True) as directory:
        os.environ["TMPDIR"] = os.environ["RAY_TMPDIR"] = tempfile.tempdir = directory
        for cell in cells(options):
            for one in measured(cell, options.seed, Path(directory)):
                found.append((cell, one))
                print(f"{cell.victim} {cell.backend} {cell.plan}: {one}", flush=True)
            report(options, figures(found))  # also of what there is so far: all of it takes hours


if __name__ == "__main__":
    main()
