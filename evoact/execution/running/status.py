"""Where a run stands, from another process: of its log, its rows, its record and its lock."""

import statistics
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from evoact.errors import UserError
from evoact.execution.running.log import FAULT, PACK, TAIL_BYTES, events
from evoact.leaderboard.ask.query import Leaderboard
from evoact.leaderboard.location import Location
from evoact.leaderboard.run_files import config_of, is_finished, record_of
from evoact.leaderboard.store.lock import holder_of
from evoact.records import COMPLETED, PHASES

WINDOW_SECONDS = 3600.0  # over which utilisation, waits and the rate are taken
MOST_CAUSES = 5


@dataclass(frozen=True)
class Status:
    """Where a run stands.

    Attributes:
        state: `running`, `finished`, or `stopped`: `evoact resume` continues it
        phase: the one that the last pack was of
        phases: networks that are done, and how many of them there will be, by phase
        packs: how many there are in the log
        workers: that lived when the last pack was back
        utilisation: the share of their time that workers trained, in the last hour before that
        queue_wait_seconds: how long packs waited for a worker in that time: `median` and `largest`
        failures: networks by state
        causes: what failures say, the most frequent first, and how often
        faults: workers lost, packs given out again and the like, by kind
        cost: what was spent up to now: `cpu_hours`, `gpu_hours` (None for a share that the cluster decided) and
            `gradient_examples`
        seconds_left: None if that cannot be told
        held_by: who uses the run now: `host`, `pid`, `user`, `since`
        last: the time of the last line of the log
        dashboard: the address of the Ray cluster's
    """

    run: str
    state: str
    phase: str
    phases: dict[str, dict[str, int | None]]
    packs: int
    workers: int | None
    utilisation: float | None
    queue_wait_seconds: dict[str, float] | None
    failures: dict[str, int]
    causes: list[dict[str, Any]]
    faults: dict[str, int]
    cost: dict[str, float | None]
    seconds_left: float | None
    held_by: dict[str, Any] | None
    last: str | None
    dashboard: str | None


def status_of(run_dir: str | Path) -> Status:
    """Return where a run stands.

    Args:
        run_dir: its directory, or the URI of one

    Raises:
        UserError: if the directory is not a run, or its record is damaged.
    """
    home = Location.of(run_dir)
    execution = config_of(home).get("execution", {})
    finished, holder = is_finished(home), holder_of(home)
    told = [*events(home, TAIL_BYTES)]
    packs = [event for event in told if event["event"] == PACK]
    recent = _recent(packs)
    last = packs[-1] if packs else {}
    done, failures, causes, examples = _rows(home)
    running = holder is not None and not finished
    left = last.get("left") if running else None
    return Status(
        run=str(record_of(home).get("run", home.name)),
        state="finished" if finished else "running" if running else "stopped",
        phase=str(last.get("phase", next(reversed(done), PHASES[0]))),
        phases=_phases(done, last),
        packs=int(last.get("packs", 0)),
        workers=last.get("workers") if running else None,
        utilisation=utilisation((_time(p), p["trained"], p["workers"]) for p in recent),
        queue_wait_seconds=_waits(recent),
        failures=failures,
        causes=causes,
        faults=dict(Counter(str(event.get("what")) for event in events(home, only=FAULT))),
        cost=_cost(last, execution, examples),
        seconds_left=None if left is None else max(0.0, left - (time.time() - _time(last))),
        held_by=None
        if holder is None
        else {"host": holder.host, "pid": holder.pid, "user": holder.user, "since": holder.since},
        last=told[-1]["at"] if told else None,
        dashboard=next((e["dashboard"] for e in reversed(told) if e.get("dashboard")), None)
        if running
        else None,
    )


def _rows(home: Location) -> tuple[dict[str, int], dict[str, int], list[dict[str, Any]], int]:
    """Networks by phase, failures by state and by what they say, and gradient-examples, of the stored rows."""
    try:
        board = Leaderboard(home, report=lambda problem: None)
    except UserError:  # no row yet, or none that can be read
        return {}, {}, [], 0
    rows = board.columns("phase", "state", "error", "gradient_examples").to_pydict()
    done = Counter(rows["phase"])
    failed = [
        (state, error or "")
        for state, error in zip(rows["state"], rows["error"], strict=True)
        if state != COMPLETED
    ]
    causes = Counter((state, " ".join(error.split())[:200]) for state, error in failed if error)
    return (
        {phase: done[phase] for phase in PHASES if phase in done},
        dict(Counter(state for state, _ in failed).most_common()),
        [{"state": s, "error": e, "networks": n} for (s, e), n in causes.most_common(MOST_CAUSES)],
        sum(filter(None, rows["gradient_examples"])),
    )


def _phases(done: dict[str, int], last: dict[str, Any]) -> dict[str, dict[str, int | None]]:
    planned = last.get("planned", {})
    return {
        phase: {"done": done.get(phase, 0), "planned": planned.get(phase)}
        for phase in PHASES
        if planned.get(phase) or phase in done
    }


def _recent(packs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The packs of the last hour before the last one."""
    return [p for p in packs if _time(packs[-1]) - _time(p) <= WINDOW_SECONDS]


def utilisation(packs: Iterable[tuple[float, float, int]]) -> float | None:
    """Return the share of their time that workers trained, from the first of these packs' ends to the last one's.

    Args:
        packs: of each, when it was back, how long it was in training, in seconds, and how many workers there were then

    >>> utilisation([(0.0, 1.0, 2), (1.0, 1.0, 2), (1.0, 1.0, 2), (2.0, 1.0, 2)])
    0.75
    """
    known = list(packs)
    there = sum((end - start) * workers for (start, *_), (end, _, workers) in pairwise(known))
    busy = sum(max(0.0, end - max(end - trained, known[0][0])) for end, trained, _ in known)
    return min(1.0, busy / there) if there > 0 else None


def _waits(packs: Sequence[dict[str, Any]]) -> dict[str, float] | None:
    waits = [float(pack["waited"]) for pack in packs]
    return {"median": statistics.median(waits), "largest": max(waits)} if waits else None


def _cost(last: dict[str, Any], execution: dict[str, Any], examples: int) -> dict[str, float | None]:
    hours, gpus = float(last.get("spent", 0.0)) / 3600, execution.get("gpus_per_pack")
    local = execution.get("backend") != "ray_tune"
    share = (
        (1.0 if str(last.get("device", "")).startswith("cuda") else 0.0) if local and gpus is None else gpus
    )
    if execution.get("cpu_workers"):  # the time is that of workers with a GPU and without
        share = None
    return {
        "cpu_hours": hours * (1.0 if local else float(execution.get("cpus_per_pack", 1.0))),
        "gpu_hours": None if share is None else hours * float(share),
        "gradient_examples": examples,
    }


def _time(event: dict[str, Any]) -> float:
    try:
        return datetime.fromisoformat(event["at"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return 0.0
