"""A run: a directory that holds the resolved config, the machine, the leaderboard and artifacts.

`search` and `compare` start one, `resume` continues one; all drive the same stages through the same executor
and write every pack's rows before the strategy hears of them.
"""

import errno
import gc
import os
import platform
import shlex
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from evoact.analysis.search_summary import Summary, summarise
from evoact.config import Experiment, Plan
from evoact.config.stored_plan import plan_of
from evoact.errors import ClusterLost, SearchFailed, UserError
from evoact.execution import checkpoints, local
from evoact.execution.identity import check_unchanged, identity, name_of, trained_by
from evoact.execution.interleaved import Part
from evoact.execution.pack_size import with_pack_size
from evoact.execution.precision import as_stored, is_open, with_precision
from evoact.execution.progress import Observer
from evoact.execution.running.apart import trainer
from evoact.execution.running.islands import settled
from evoact.execution.running.kept import Kept
from evoact.execution.running.log import BEGIN, END, is_log
from evoact.execution.running.packs import Run
from evoact.execution.running.preflight import (
    check_alike,
    check_cluster,
    check_data,
    check_gpu,
    notes,
    run_directory,
)
from evoact.execution.running.stopping import stopped_by_the_keyboard
from evoact.execution.table_lookup import check_table, looked_up
from evoact.execution.warm_start import warmed
from evoact.installation import VERSION, package_versions
from evoact.leaderboard.ask.query import Leaderboard
from evoact.leaderboard.curves import TABLES, drop_orphans
from evoact.leaderboard.location import Location
from evoact.leaderboard.run_files import (
    CONFIG,
    RECORD,
    is_finished,
    parsed,
    record_of,
    trivial_of,
    write_record,
)
from evoact.leaderboard.schema import result as from_row
from evoact.leaderboard.store.compact import compact, sweep
from evoact.leaderboard.store.lock import MEASURING, Held, lock
from evoact.leaderboard.store.write import PARTS
from evoact.leaderboard.table_file import Tabular, read_table
from evoact.native.library import library
from evoact.records import COMPLETED, Result
from evoact.tasks.own.data_summary import data_record, notes_of
from evoact.training.gpu.devices import GpuLost

# What a local disk says that is full, and one that was taken away, made read-only, or is broken.
_FULL = (errno.ENOSPC, errno.EDQUOT)
_UNWRITABLE = (
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EIO,
    errno.ESTALE,
    errno.ENODEV,
    errno.ENOTCONN,
)

LOOKED_UP_TOGETHER = 8  # packs


@dataclass(frozen=True)
class Finished:
    """How a run ended: `complete`, or stopped before (`evoact resume` continues it).

    `networks` counts all that was trained, `failures` those in each state but `completed`. `summaries` says what each
    search found, by arm and repeat; what the arms of a comparison came to is for `evoact.findings` to say. `late` is a
    sentence about a search that took longer than it was to.
    """

    run_dir: str
    complete: bool
    networks: int
    failures: tuple[tuple[str, int], ...]
    summaries: Mapping[tuple[str, int], Summary]
    late: str = ""

    @property
    def summary(self) -> Summary:
        """The findings of a search.

        Raises:
            UserError: for a comparison, which has as many summaries as arms and repeats.
        """
        if len(self.summaries) != 1:
            raise UserError(
                f"expected the end of a search, got that of a comparison of {len(self.summaries)}; take one of "
                "`summaries`, or evoact.findings(run_dir)"
            )
        (found,) = self.summaries.values()
        return found


def search(
    made: Experiment,
    run_dir: str | Path | Location,
    address: str | None = None,
    observe: Observer | None = None,
    report: Callable[[str], None] = warnings.warn,
    files: Mapping[str, bytes] = MappingProxyType({}),
) -> Finished:
    """Carry out an experiment in a new run directory.

    Args:
        made: the experiment, from `evoact.config.load`
        run_dir: a directory that does not hold a run yet, or the URI of one
        address: of a running Ray cluster; None starts a local one if the config asks for Ray
        observe: called at the start and after each pack
        report: called with a sentence about parts of a warm start that are ignored, a budget too small for its
            strategy, data that trains badly, and a disk without locks
        files: what the run directory is to hold from its beginning, by path in it: data that was given in memory

    Raises:
        UserError: if the directory holds a run, or another process uses it.
        SearchFailed: if not one network could be trained, or the disk is full or broken.
    """
    made = settled(warmed(made, report), Location.of(run_dir))
    return _start(Plan.of(made), run_dir, address, observe, report, files)


def compare(
    plan: Plan,
    run_dir: str | Path | Location,
    address: str | None = None,
    observe: Observer | None = None,
    report: Callable[[str], None] = warnings.warn,
) -> Finished:
    """Carry out all arms and repeats of a comparison in a new run directory; the arguments are those of `search`.

    Raises:
        UserError: if the arms cannot spend equal budgets, the directory holds a run, or another process uses it.
        SearchFailed: if not one network could be trained, or the disk is full or broken.
    """
    check_alike(plan)
    return _start(plan, run_dir, address, observe, report)


def _start(
    plan: Plan,
    run_dir: str | Path | Location,
    address: str | None,
    observe: Observer | None,
    report: Callable[[str], None],
    files: Mapping[str, bytes] = MappingProxyType({}),
) -> Finished:
    """Carry out a plan in a new run directory."""
    home = Location.of(run_dir)
    check_cluster(plan, address)
    check_gpu(plan)
    table = _table_of(plan)
    if table is not None:
        plan = as_stored(plan, table.about["config"])
    for arm in plan.arms.values():
        if table is None:
            check_data(arm)
        else:
            check_table(arm, table)
    for name, arm in plan.arms.items():
        if arm.proposer.remark:
            report(f"{name}: {arm.proposer.remark}" if plan.compares else arm.proposer.remark)
    with run_directory(home), lock(home, report) as held:
        if home.child(CONFIG).exists():
            raise UserError(
                f"expected a new run directory, got {home.text!r}, which holds a run; "
                f"continue it with `evoact resume {shlex.quote(home.text)}` or choose another with -o"
            )
        config = plan.to_yaml().encode()
        begun = {"evoact": VERSION, "started_at": _now(), "finished_at": None, "machine": _machine()}
        if table is None:
            begun["data"] = data_record(plan.task)
            for note in (*notes_of(plan.task), *notes(plan)):
                report(note)
        for name, content in files.items():
            home.child(name).write(content)
        write_record(home, begun | identity(home, plan, parsed(config)))
        # The config is written last: a directory with a config is a run.
        home.child(CONFIG).write(config)
        try:
            plan = _measured(home, plan, address, held, report)
            return _finished(home, plan, *_carry_out(home, plan, [], table, address, observe, held))
        except UserError:
            if not home.child(PARTS).exists():  # nothing to resume: what it was asked for, it cannot do
                for name in (CONFIG, RECORD, *files, *filter(is_log, home.names())):
                    home.child(name).delete()
            raise


def resume(
    run_dir: str | Path | Location,
    address: str | None = None,
    observe: Observer | None = None,
    report: Callable[[str], None] = warnings.warn,
    plan: Plan | None = None,
) -> Finished:
    """Continue an interrupted run by replaying its rows; a finished one is left as it is.

    Rows in a damaged part are trained again.

    Args:
        run_dir: the directory of a run, or the URI of one
        address: of a running Ray cluster; None starts a local one if the config asks for Ray
        observe: called at the start and after each pack
        report: called with a sentence about each damaged part
        plan: the run's, of a caller that has read it, and its data, already

    Raises:
        UserError: if the directory is not a run, or another process uses it.
        SearchFailed: if not one network could be trained, or the disk is full or broken.
    """
    home = Location.of(run_dir)
    complete = is_finished(home)
    plan = plan or plan_of(home, data=not complete)
    if complete:
        return _finished(home, plan, complete, _by_part(plan, _stored(home, report)))
    check_cluster(plan, address)
    with lock(home, report) as held:
        plan = _measured(home, plan, address, held, report)
        for stored_table in TABLES:
            sweep(home, stored_table)
        stored, record = _stored(home, report), record_of(home)
        check_unchanged(home, plan, record)
        drop_orphans(home, stored)
        if "run" not in record:
            names = Leaderboard(home, report=lambda problem: None).to_arrow()["run"].to_pylist()
            write_record(home, record | {"run": name_of(home, names)})
        complete, results = _carry_out(home, plan, stored, _table_of(plan), address, observe, held)
        return _finished(home, plan, complete, results)


def _measured(
    home: Location, plan: Plan, address: str | None, held: Held, report: Callable[[str], None]
) -> Plan:
    """Choose and write what the config leaves open: the precision and, but on Ray, where workers of each kind find
    their own, the size of packs.

    Both are measured, unless that took the last process down, as a candidate may: the run goes on all the same then.
    """
    again = held.before is not None and held.before.training == MEASURING
    if not again and _measures(plan, address):
        held.trains(MEASURING)
    made = with_precision(plan, measured=address is None and not again)
    if plan.config.execution.backend != "ray_tune":
        made = with_pack_size(made, measured=not again)
    held.trains("")
    if made is not plan:
        if again:
            report(
                f"{home.text}: expected a measurement of packs to end, got its process lost; they are of "
                f"{made.config.packs.size} networks in {made.config.training.precision}, which was not measured"
            )
        config = made.to_yaml().encode()
        # The config last: as long as it leaves something open, nothing was trained, and this is done again.
        write_record(home, record_of(home) | {"trains": trained_by(parsed(config))})
        home.child(CONFIG).write(config)
    return made


def _measures(plan: Plan, address: str | None) -> bool:
    """Whether something is open that is measured in this process."""
    size = plan.config.packs.size == "auto" and plan.config.execution.backend == "local"
    return size or (address is None and is_open(plan))


def _stored(home: Location, report: Callable[[str], None]) -> list[Result]:
    return [from_row(row) for row in Leaderboard(home, report=report).to_arrow().to_pylist()]


def _carry_out(
    home: Location,
    plan: Plan,
    results: Sequence[Result],
    table: Tabular | None,
    address: str | None,
    observe: Observer | None,
    held: Held,
) -> tuple[bool, Mapping[Part, Kept]]:
    run, complete = Run(home, plan, results, observe, held), False
    try:
        run.log.note(BEGIN, stored=len(results), pid=os.getpid(), backend=plan.config.execution.backend)
        run.show(run.stages.phase)
        with stopped_by_the_keyboard(run), _garbage_of_the_run_alone():
            _execute(run, plan, table, address)
            complete = run.complete  # asked once: what comes next may have to be waited for
            if complete:
                run.patiently(lambda: _close(home, run.tally.total))
    except KeyboardInterrupt:  # at any moment: the rows are the checkpoint, and `resume` completes the rest
        complete = is_finished(home)
        return complete, run.stages.results
    except (GpuLost, ClusterLost) as error:
        raise SearchFailed(f"{error}; continue with `evoact resume {shlex.quote(home.text)}`") from None
    except OSError as error:
        if error.errno not in (*_FULL, *_UNWRITABLE):
            raise
        file, full = error.filename or home.child(PARTS).text, error.errno in _FULL
        what = (
            f"room for {file}, got a full disk"
            if full
            else f"a disk that takes {file}, got one that does not"
        )
        remedy = "make room" if full else "mend the disk"
        raise SearchFailed(
            f"expected {what} ({error.strerror}); {remedy} and continue with `evoact resume {shlex.quote(home.text)}`"
        ) from None
    finally:
        run.log.note(END, complete=complete, networks=run.tally.total)
        run.log.close()
    if complete:
        _check_any_worked([*run.stages.results.values()])
    return complete, run.stages.results


@contextmanager
def _garbage_of_the_run_alone() -> Iterator[None]:
    """Python's collector looks at what the run makes: to look at all objects of modules and data, too, takes a tenth of
    a second or more, which is half of a small search, and once in some thousand networks later on."""
    frozen = gc.get_freeze_count()  # by another, whose it stays
    gc.collect(1)  # what was made lately; older garbage waits for the end
    gc.freeze()
    try:
        yield
    finally:
        if not frozen:
            gc.unfreeze()


def _execute(run: Run, plan: Plan, table: Tabular | None, address: str | None) -> None:
    """Have the packs of a run trained, in this process or on Ray, or looked up."""
    if table is not None:
        # What is proposed in the order of results is to be the same each time.
        in_order = any(arm.proposer.asynchronous for arm in plan.arms.values())
        local.execute(run, looked_up(table), 1 if in_order else LOOKED_UP_TOGETHER)
    elif plan.config.execution.backend == "local":
        with trainer(run, plan) as train:
            local.execute(run, train)
    else:
        from evoact.execution.cluster import ray_tune

        ray_tune.execute(
            run, plan, address, run.home.absolute, partial(run.show, run.stages.phase), run.log.note, run.name
        )


def _close(home: Location, networks: int) -> None:
    """Finish a run whose rows are all there."""
    checkpoints.keep_only(home, frozenset())
    record = record_of(home) | {"finished_at": _now(), "networks": networks}
    for stored_table in TABLES:
        compact(home, stored_table)
    write_record(home, record)


def _table_of(plan: Plan) -> Tabular | None:
    place = plan.config.execution.table
    return None if place is None else read_table(place)


def _by_part(plan: Plan, results: Iterable[Result]) -> dict[Part, Kept]:
    parts = {part: Kept() for part in plan.parts()}
    for result in results:
        parts[result.proposal.arm, result.proposal.repeat].add(result)
    return parts


def _finished(home: Location, plan: Plan, complete: bool, results: Mapping[Part, Kept]) -> Finished:
    judge, trivial = plan.config.confirm.judge, trivial_of(record_of(home))
    summaries = {part: summarise(own, judge, trivial) for part, own in results.items()}
    failures = Counter[str]()
    for summary in summaries.values():
        failures.update(dict(summary.failures))
    networks = sum(map(len, results.values()))
    return Finished(home.text, complete, networks, tuple(sorted(failures.items())), summaries)


def _check_any_worked(results: Sequence[Kept]) -> None:
    networks = sum(map(len, results))
    if networks and all(r.state != COMPLETED for own in results for r in own):
        (most, count), *_ = Counter(r.error or r.state for own in results for r in own).most_common(1)
        failed = (
            f"all {networks} networks failed, {count} of them with"
            if networks > 1
            else "the one network failed"
        )
        raise SearchFailed(f"{failed}: {most}; fix the cause and search again in a new run directory")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _machine() -> dict[str, Any]:
    return {
        "platform": platform.platform(),
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "kernels": library() is not None,
        "packages": package_versions(),
    }
