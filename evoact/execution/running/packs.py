"""Between stages and executor: names packs, makes their rows durable, writes the log, and does what its owner asks."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence, Set
from dataclasses import replace
from itertools import chain, islice
from queue import Empty, SimpleQueue
from typing import TypeVar

from evoact.config import Plan
from evoact.execution import checkpoints
from evoact.execution.interleaved import Interleaved
from evoact.execution.local import Work
from evoact.execution.progress import Observer, Tally
from evoact.execution.running import scale, stopping
from evoact.execution.running.islands import Migrations
from evoact.execution.running.log import FAULT, PACK, SILENT_SECONDS, Log
from evoact.leaderboard.curves import TABLES
from evoact.leaderboard.location import Location
from evoact.leaderboard.run_files import CONFIG, record_of
from evoact.leaderboard.store.compact import Rolling
from evoact.leaderboard.store.lock import Held
from evoact.leaderboard.store.write import write_part
from evoact.records import COMPLETED, FRESH, PHASES, UNLIMITED, Proposal, Result

LOOK_SECONDS = 2.0  # between two looks at what the owner asks for
LOOK_SECONDS_REMOTE = 15.0
LONGEST_WAIT_SECONDS = 60.0  # between two tries to reach an object store

T = TypeVar("T")


class Run:
    """A source of packs for executors: those of a plan, from where the stored results stand."""

    def __init__(
        self,
        home: Location,
        plan: Plan,
        results: Sequence[Result],
        observe: Observer | None,
        held: Held,
    ):
        self.home, self.plan, self.observe, self.held = home, plan, observe, held
        self.name = record_of(home)["run"]  # as when it began, whatever the directory is called now
        self.tally = Tally(results)
        self.checkpoints_kept: Set[str] | None = None
        self.rolling = {table.folder: Rolling(home, table) for table in TABLES}
        self.log, self.packs = Log(home), 0
        self.stopping = False  # begins no more packs
        self.open = 0  # networks in training
        self.networks: int | None = None  # the budget that is asked for, until nothing is in training
        self.looked = float("-inf")
        self.migrations = self._migrations()
        self.stages = Interleaved(
            plan, results, self.migrations
        )  # last: an island may have to wait for others
        self.log.say = lambda text: self.show(self.stages.phase, text)

    @property
    def complete(self) -> bool:
        return self.stages.finished

    @property
    def finished(self) -> bool:
        stopping.check()
        return self.stopping or self.stages.finished

    @property
    def workers(self) -> int | None:
        return self.plan.config.execution.workers

    def next_pack(self, size: int | None = None) -> tuple[str, list[Proposal]]:
        self.held.check()
        self._look()
        if self.stopping or (self.networks is not None and not self._with_budget()):
            return "", []
        proposals = self.stages.ask(size or self.plan.pack_size)
        self.open += len(proposals)
        if self.checkpoints_kept != (needed := self.stages.checkpoints()):
            self.patiently(lambda: checkpoints.keep_only(self.home, needed))
            self.checkpoints_kept = needed
        return (pack_name(proposals[0]) if proposals else ""), proposals

    def measured(self, kind: str, size: int) -> None:
        self.log.note("pack size", kind=kind, size=size)
        self._change(scale.with_pack_size_of(self.plan, kind, size))

    def finish_packs(self, packs: Sequence[tuple[Sequence[Result], Work]]) -> None:
        self.held.check()
        config = self.plan.config
        results = [result for of_pack, _ in packs for result in of_pack]
        stored = self.patiently(
            lambda: write_part(
                self.home,
                results,
                run=self.name,
                task=config.task.name,
                network=config.network.name,
                wrote=lambda folder, name, rows: self.rolling[folder].wrote(name, rows),
            )
        )
        for rolling in self.rolling.values():
            self.patiently(rolling.roll)
        rest = iter(stored)
        for of_pack, work in packs:
            self._tell([*islice(rest, len(of_pack))], work)

    def _tell(self, stored: Sequence[Result], work: Work) -> None:
        """Take a pack that is stored."""
        self.stages.tell(stored)
        self.open -= len(stored)
        self.tally.add(stored)
        progress = self.tally.progress(stored[0].proposal.phase, self.stages.expected)
        self._note(stored, work, progress.seconds_left)
        if self.observe:
            self.observe(replace(progress, results=stored))

    def _migrations(self) -> Migrations | None:
        if self.plan.compares or self.plan.config.islands is None:
            return None

        def go_on() -> None:
            self.held.check()
            if self.stopping:
                raise KeyboardInterrupt

        def say(text: str) -> None:
            if self.observe:
                planned = self.plan.networks_by_phase.__getitem__
                self.observe(replace(self.tally.progress("search", planned), waiting=text))

        return Migrations(self.plan.first, self.home, go_on, say, self.log.note)

    def patiently(self, write: Callable[[], T]) -> T:
        """Write something, which can be begun again; to an object store that does not answer, or refuses these
        credentials, until it does."""
        seconds = 1.0
        while True:
            try:
                return write() if self.home.local is not None else self._when_it_answers(write)
            except OSError as error:
                if self.home.local is not None or self.stopping:
                    raise
                reason = str(error).splitlines()[0][:200]
            self.log.note(FAULT, what="store out of reach", reason=reason)
            self.show(self.stages.phase, f"waiting for {self.home.text}: {reason}")
            time.sleep(seconds)
            seconds = min(LONGEST_WAIT_SECONDS, 2 * seconds)

    def _when_it_answers(self, write: Callable[[], T]) -> T:
        """Write to an object store in a thread, because on Linux a request has no time limit: one that takes requests
        and says nothing is waited for, which is said, and Ctrl-C is heard meanwhile."""
        done, begun, said = SimpleQueue[tuple[list[T], BaseException | None]](), time.monotonic(), False

        def attempt() -> None:
            try:
                done.put(([write()], None))
            except BaseException as error:
                done.put(([], error))

        threading.Thread(target=attempt, name="writing", daemon=True).start()
        while True:
            try:
                found, error = done.get(timeout=SILENT_SECONDS)
                break
            except Empty:
                said, silent = True, f"no answer for {time.monotonic() - begun:.0f} s"
                self.show(self.stages.phase, f"waiting for {self.home.text}: {silent}")
        if said:  # only now: the log lies there, too
            self.log.note(FAULT, what="store out of reach", reason=silent)
        if error is not None:
            raise error
        return found[0]

    def show(self, phase: str, waiting: str = "") -> None:
        if self.observe:
            self.observe(replace(self.tally.progress(phase, self.stages.expected), waiting=waiting))

    def _note(self, stored: Sequence[Result], work: Work, left: float | None) -> None:
        """Write a pack's line of the log."""
        first, states = stored[0], Counter(r.state for r in stored if r.state != COMPLETED)
        phase = first.proposal.phase
        self.packs += 1
        self.log.note(
            PACK,
            pack=first.pack,
            phase=phase,
            networks=len(stored),
            worker=work.worker,
            device=first.device,
            waited=round(work.waited, 4),
            trained=round(max(0.0, first.finished_at - first.started_at), 4),
            workers=work.workers,
            packs=self.packs,
            planned={name: n for name in PHASES if 0 < (n := self.stages.expected(name)) < UNLIMITED},
            spent=round(self.tally.seconds, 3),
            left=None if left is None else round(left, 1),
            **({"failures": dict(states)} if states else {}),
        )

    def _look(self) -> None:
        """Take up what the owner asks for."""
        now = time.monotonic()
        if now - self.looked < (LOOK_SECONDS if self.home.local else LOOK_SECONDS_REMOTE):
            return
        self.looked = now
        asked = self.patiently(lambda: scale.asked(self.home))
        if asked is None:
            return
        if asked.workers is not None and asked.workers != self.workers:
            self.log.note("scale", workers=asked.workers, before=self.workers)
            self._change(scale.with_workers(self.plan, asked.workers))
        if asked.networks is None:
            scale.done(self.home)
        else:
            self.networks = asked.networks

    def _with_budget(self) -> bool:
        """Go on under the budget that is asked for, if nothing is in training, as a run resumed under it would: with
        the rows of one that had it from its start."""
        if self.open:
            return False
        networks, self.networks = self.networks, None
        results = [*chain.from_iterable(self.stages.results.values())]
        if networks is not None and not any(r.proposal.phase in FRESH for r in results):
            # What was trained cannot be undone.
            networks = max(networks, sum(r.proposal.phase == "search" for r in results))
            self.log.note("scale", networks=networks, before=self.plan.networks_by_phase["search"])
            self._change(scale.with_networks(self.plan, networks))
            self.stages = Interleaved(self.plan, results, self.migrations)
        scale.done(self.home)
        return True

    def _change(self, plan: Plan) -> None:
        self.plan = plan
        self.patiently(lambda: self.home.child(CONFIG).write(plan.to_yaml().encode()))


def pack_name(first: Proposal) -> str:
    """Return a pack's name, from the first of its proposals."""
    scope = f"{first.arm}-{first.repeat}-" if first.arm else ""
    return f"{scope}{first.phase}-{first.index:07d}"
