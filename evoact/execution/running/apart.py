"""Packs trained in a process of their own beside the run, for one whose last process died while it trained.

A pack that takes that process down, such as by a crash in a library or too little memory, is halved until the member at
fault is alone; if it does so again, it fails, as on Ray.
"""

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.connection import Connection, Pipe
from typing import Any

from evoact.config import Plan, read_plan
from evoact.errors import SearchFailed, portable
from evoact.execution.local import TrainPack
from evoact.execution.running.log import FAULT
from evoact.execution.running.packs import Run
from evoact.execution.worker import PackTrainer, failed
from evoact.leaderboard.location import Location
from evoact.records import Proposal, Result
from evoact.registry import remembered

READY = "ready"
LATE_SECONDS = 60.0  # beyond what a pack may take, after which its process is killed
END_SECONDS = 2.0  # for a process to end by itself


class Apart:
    """Trains packs in another process, which is started anew when it dies."""

    def __init__(self, plan: Plan, gpu: bool, home: Location, note: Callable[..., None]):
        """`note` is called with lines of the log: an event and its fields; the other arguments are those of
        `PackTrainer`."""
        self.plan, self.note = plan, note
        self.begun = {"plan": plan.plain(), "gpu": gpu, "home": home.absolute}
        self.process: subprocess.Popen[bytes] | None = None
        self.wire: Connection | None = None
        self.late = 0.0  # seconds that the last pack was waited for in vain

    def __call__(self, pack: str, proposals: Sequence[Proposal]) -> list[Result]:
        """Results in the order of the proposals.

        Raises:
            Exception: what is no member's failure, as it was raised there.
            SearchFailed: if no process starts.
        """
        # Of a pack somebody is at fault; one alone may have had bad luck.
        attempts = 1 if len(proposals) > 1 else 1 + self.plan.config.execution.max_failures
        for _ in range(attempts):
            answer = self._answer(pack, proposals)
            if isinstance(answer, Exception):
                raise answer
            if answer is not None:
                return answer
            ended, late = self.end(), self.late
            reason = f"no result within {late:.0f} s" if late else f"the process that trained it {ended}"
            self.note(FAULT, what="process hung" if late else "process lost", pack=pack, reason=reason)
        if len(proposals) == 1:
            state, died = ("timed_out", f"did not end within {late:.0f} s") if late else ("failed", ended)
            error = f"its process {died}, in {attempts} of {attempts} attempts"
            return failed(pack, proposals, self.plan, error, state)
        half = len(proposals) // 2
        return [*self(f"{pack}a", proposals[:half]), *self(f"{pack}b", proposals[half:])]

    def _answer(self, pack: str, proposals: Sequence[Proposal]) -> list[Result] | Exception | None:
        """What the process says of a pack; nothing if it died, or was killed because it is late."""
        wire = self.wire or self._started()
        seconds, self.late = self.plan.config.packs.timeout_seconds, 0.0
        # A hung member is found there by halving, each half with a limit of its own.
        lease = None if seconds is None else 2 * len(proposals) * seconds + LATE_SECONDS
        with suppress(OSError, EOFError):
            wire.send((pack, proposals))
            if wire.poll(lease):
                answer: list[Result] | Exception = wire.recv()
                return answer
            self.late = lease or 0.0
            self._kill()
        return None

    def _started(self) -> Connection:
        """Start a process, which imports what this one would, from the same places."""
        here, there = Pipe()
        with there:
            code = (
                f"import sys; sys.path[:] = {sys.path!r}; "
                f"from evoact.execution.running.apart import serve; serve({there.fileno()})"
            )
            self.process = subprocess.Popen(
                [sys.executable, "-c", code], pass_fds=[there.fileno()], stdin=subprocess.DEVNULL
            )
        self.wire, answer = here, None
        with suppress(OSError, EOFError):
            here.send(self.begun)
            answer = here.recv()
        if isinstance(answer, Exception):
            raise answer
        if answer != READY:
            raise SearchFailed(f"expected a process that trains packs to start, got one that {self.end()}")
        return here

    def _kill(self) -> None:
        if self.process is not None:
            self.process.kill()

    def end(self) -> str:
        """End the process, if there is one; return how it ended."""
        process, self.process = self.process, None
        if self.wire is not None:
            self.wire.close()  # of which it hears
            self.wire = None
        if process is None:
            return "is gone"
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=END_SECONDS)
        process.kill()
        code = process.wait()
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"


@contextmanager
def trainer(run: Run, plan: Plan) -> Iterator[TrainPack]:
    """Hold what trains a run's packs on this machine: this process, or one apart if the last one died of a pack, as far
    as can be told; objects of the program's own are not sent there."""
    gpu, before = plan.config.execution.gpus_per_pack != 0, run.held.before
    other = None
    if before is not None and before.training and not remembered(plan.to_yaml()):
        run.log.note("apart", died=str(before), pack=before.training)
        run.show(run.stages.phase, f"starting a process apart: the last one died in {before.training}")
        other = Apart(plan, gpu, run.home, run.log.note)
    train = other or PackTrainer(plan, gpu, run.home)

    def told(pack: str, proposals: Sequence[Proposal]) -> list[Result]:
        run.held.trains(pack)
        results = train(pack, proposals)
        run.held.trains("")
        return results

    try:
        yield told
    finally:
        if other is not None:
            other.end()


def serve(descriptor: int) -> None:
    """Train packs for the process at the other end of a pipe, until that is gone.

    Signals reach all processes of a terminal or a job: it is the other one that stops, and ends this one.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    wire, told = Connection(descriptor), queue.SimpleQueue[Any]()
    threading.Thread(target=_listen, args=(wire, told), daemon=True).start()
    train = _or_error(partial(_trainer, **told.get()))
    wire.send(train if isinstance(train, Exception) else READY)
    while True:
        pack, proposals = told.get()
        wire.send(_or_error(partial(train, pack, proposals)))


def _listen(wire: Connection, told: queue.SimpleQueue[Any]) -> None:
    """Hand on what is told; end this process, also in the middle of a pack, when nobody is there any more."""
    with suppress(EOFError, ConnectionError):
        while True:
            told.put(wire.recv())
    os._exit(1)


def _trainer(plan: dict[str, Any], gpu: bool, home: str) -> PackTrainer:
    return PackTrainer(read_plan(plan), gpu, Location.of(home))


def _or_error(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except Exception as error:
        return portable(error)
