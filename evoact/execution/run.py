"""A run: a directory that holds the resolved config, the machine, the leaderboard and artifacts.

`search` and `compare` start one, `resume` continues one; all drive the same stages through the same executor
and write every pack's rows before the strategy hears of them.
"""

import errno
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
from evoact.config.meta_checks import check_meta_training
from evoact.config.stored_plan import plan_of
from evoact.errors import ClusterLost, SearchFailed, UserError
from evoact.execution import checkpoints, local
from evoact.execution.identity import check_unchanged, identity, name_of
from evoact.execution.interleaved import Part
from evoact.execution.pack_size import with_pack_size
from evoact.execution.precision import as_stored, with_precision
from evoact.execution.progress import Observer
from evoact.execution.running.islands import settled
from evoact.execution.running.kept import Kept
from evoact.execution.running.log import BEGIN, END, is_log
from evoact.execution.running.packs import Run
from evoact.execution.running.stopping import stopped_by_the_keyboard
from evoact.execution.table_lookup import check_table, looked_up
from evoact.execution.warm_start import warmed
from evoact.execution.worker import PackTrainer
from evoact.installation import VERSION, package_versions
from evoact.leaderboard.ask.query import Leaderboard
from evoact.leaderboard.curves import TABLES, drop_orphans
from evoact.leaderboard.location import Location
from evoact.leaderboard.run_files import (
    CONFIG,
    RECORD,
    TRACKED,
    is_finished,
    made_or_refused,
    parsed,
    record_of,
    trivial_of,
    write_record,
)
from evoact.leaderboard.schema import result as from_row
from evoact.leaderboard.store.compact import compact, sweep
from evoact.leaderboard.store.lock import Held, lock
from evoact.leaderboard.store.write import PARTS
from evoact.leaderboard.table_file import Tabular, read_table
from evoact.native.library import library
from evoact.networks.own.module_network import ModuleNetwork
from evoact.records import COMPLETED, Result
from evoact.tasks.own.data_summary import data_record, notes_of
from evoact.tasks.own.in_memory import FOLDER
from evoact.tasks.own.splitting import FEWEST
from evoact.trackers import EVENTS
from evoact.training.gpu.devices import GpuLost, gpu_here, unlike_memories, without_gpu

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


@dataclass(frozen=True)
class Finished:
    """How a run ended: `complete`, or stopped before (`evoact resume` continues it).

    `networks` counts all that was trained, `failures` those in each state but `completed`. `summaries` says what each
    search found, by arm and repeat; what the arms of a comparison came to is for `evoact.findings` to say.
    """

    run_dir: str
    complete: bool
    networks: int
    failures: tuple[tuple[str, int], ...]
    summaries: Mapping[tuple[str, int], Summary]

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
        report: called with a sentence about what of a warm start is ignored, about a budget too small for its strategy,
            about data that trains badly, and about a disk without locks
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
    plan.check_budgets()
    if plan.config.warm_start is not None:
        raise UserError(
            f"expected a comparison without warm_start, because all arms must start alike, got one from "
            f"{plan.config.warm_start.run}; leave it out"
        )
    if plan.config.islands is not None:
        raise UserError(
            "expected a comparison without islands, because each of its arms is a search of its own, got some; leave "
            "them out"
        )
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
    _check_cluster(plan, address)
    _check_gpu(plan)
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
    with _made(home), lock(home, report) as held:
        if home.child(CONFIG).exists():
            raise UserError(
                f"expected a new run directory, got {home.text!r}, which holds a run; "
                f"continue it with `evoact resume {shlex.quote(home.text)}` or choose another with -o"
            )
        plan = _sized(with_precision(plan, elsewhere=address is not None))
        config = plan.to_yaml().encode()
        begun = {"evoact": VERSION, "started_at": _now(), "finished_at": None, "machine": _machine()}
        if table is None:
            begun["data"] = data_record(plan.task)
            for note in (*notes_of(plan.task), *_network_notes(plan), *_gpu_notes(plan)):
                report(note)
        for name, content in files.items():
            home.child(name).write(content)
        write_record(home, begun | identity(home, plan, parsed(config)))
        # The config is written last: a directory with a config is a run.
        home.child(CONFIG).write(config)
        try:
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
    _check_cluster(plan, address)
    plan = _sized(plan)
    with lock(home, report) as held:
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


def _sized(plan: Plan) -> Plan:
    """The plan with a size of packs; on Ray, workers of each kind find their own."""
    return plan if plan.config.execution.backend == "ray_tune" else with_pack_size(plan)


def _stored(home: Location, report: Callable[[str], None]) -> list[Result]:
    return [from_row(row) for row in Leaderboard(home, report=report).to_arrow().to_pylist()]


def _network_notes(plan: Plan) -> Iterable[str]:
    """What is slow in people's own networks."""
    networks = [arm.network for arm in plan.arms.values() if isinstance(arm.network, ModuleNetwork)]
    return dict.fromkeys(note for network in networks for note in network.notes)


def _gpu_notes(plan: Plan) -> Iterable[str]:
    """What is to be known of the GPUs here, if packs train on them."""
    execution = plan.config.execution
    if execution.backend == "local" and execution.gpus_per_pack != 0 and (unlike := unlike_memories()):
        yield unlike


@contextmanager
def _made(home: Location) -> Iterator[None]:
    """Hold a run directory that can be written to; one that was not there goes again if nothing came of the run."""
    with made_or_refused(home):
        there = home.exists()
        home.filesystem.create_dir(home.path, recursive=True)
        if home.local is None:  # who may list a bucket may not be let write there
            probe = home.child(".probe")
            probe.write(b"")
            probe.delete()
    home.child(RECORD).check_writable()
    _check_empty(home)
    try:
        yield
    except UserError:
        if not there:
            home.delete_if_empty()
        raise


def _check_empty(home: Location) -> None:
    """Refuse a directory with foreign files; a search that ended before it wrote its config may be repeated."""
    if home.child(CONFIG).exists():  # a run: refused under the lock
        return
    own = (RECORD, TRACKED, FOLDER, EVENTS)
    foreign = [name for name in home.entries() if name not in own and not is_log(name)]
    if foreign:
        raise UserError(
            f"expected a new or empty run directory, got {home.text!r}, which holds {foreign[0]!r} and is not "
            "a run; choose another with -o"
        )


def check_data(made: Experiment) -> None:
    """Check that there are enough examples for what is asked of them.

    Raises:
        UserError: if a split, or a batch, or the budget does not fit.
    """
    for name, split in made.task.splits().items():
        if len(split) < FEWEST:
            raise UserError(
                f"expected at least {FEWEST} examples in the {name} split, got {len(split)}; give it more"
            )
    examples, size = len(made.task.splits()["train"]), made.training.batch_size
    if size > examples:
        raise UserError(
            f"expected training.batch_size of at most {examples}, the training examples, got {size}"
        )
    if made.networks < 1:  # epochs are steps only now that the examples are counted
        raise UserError(
            f"expected budget.gradient_examples of at least {made.steps * size} for one network, "
            f"got {made.config.budget.gradient_examples}"
        )
    check_meta_training(made, counted=True, examples=examples)


def _check_gpu(plan: Plan) -> None:
    """On Ray the cluster says what it has."""
    execution = plan.config.execution
    if execution.backend == "local" and execution.gpus_per_pack and not gpu_here():
        raise UserError(
            f"expected a GPU for execution.gpus_per_pack {execution.gpus_per_pack:g}, got {without_gpu()}; "
            "add --set execution.gpus_per_pack=0 or search on Ray, on a cluster with GPUs"
        )


def _check_cluster(plan: Plan, address: str | None) -> None:
    """Before anything is written: an address is for Ray, and somebody answers there."""
    if plan.config.execution.backend == "ray_tune":
        from evoact.execution.cluster import ray_cluster

        ray_cluster.check_cluster(address)
    elif address is not None:
        raise UserError(
            f"expected execution.backend ray_tune with --address, got {plan.config.execution.backend}; "
            "add --set execution.backend=ray_tune or leave --address out"
        )


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
        with stopped_by_the_keyboard(run):
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


def _execute(run: Run, plan: Plan, table: Tabular | None, address: str | None) -> None:
    """Have the packs of a run trained, in this process or on Ray, or looked up."""
    if table is not None:
        local.execute(run, looked_up(table))
    elif plan.config.execution.backend == "local":
        local.execute(run, PackTrainer(plan, gpu=plan.config.execution.gpus_per_pack != 0, home=run.home))
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
        raise SearchFailed(
            f"all {networks} networks failed, {count} of them with: {most}; "
            "fix the cause and search again in a new run directory"
        )


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
