"""Where workers fetch packs and leave results: a plain class, which `ray_tune` makes an actor of.

It stands in a module of its own so that its process, beside the driver, need not load PyTorch.
"""

import asyncio
import pickle
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from evoact.records import Proposal, Result

Pack = tuple[str, Sequence[Proposal]]
Answer = list[Result] | Exception
RETIRE: Literal["retire"] = "retire"  # instead of a pack: this worker is to end


def portable(error: Exception) -> Exception:
    """Return the error itself if it can be sent to another process, else one with the same text that can."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


@dataclass(frozen=True, slots=True)
class Delivered:
    """The answer to a pack: from whom, and how many seconds the pack had waited for a worker."""

    pack: str
    worker: str
    waited: float
    answer: Answer


@dataclass(frozen=True, slots=True)
class Joined:
    """A worker as the exchange knows it: its process, its node, when it last gave a sign of life, and the pack that it
    holds, since when.
    """

    process: Any
    node: str
    name: str
    seen: float
    pack: str = ""
    since: float = 0.0


class Exchange:
    """Packs waiting for a worker, packs held by one, and results waiting for the driver.

    A pack is out from when it is offered until the first answer to it: a worker that was given up may yet deliver, and
    a second answer is ignored. All methods run in one event loop, one at a time.
    """

    def __init__(self, config: dict[str, Any], objects: bytes = b""):
        self.config, self.given = config, objects
        self.offered: deque[Pack] = deque()
        self.out: dict[str, float] = {}  # since when
        self.waited: dict[str, float] = {}
        self.workers: dict[str, Joined] = {}
        self.delivered: list[Delivered] = []
        self.most, self.leaving, self.closed = 2**31, frozenset[str](), False
        self.change = asyncio.Condition()

    async def experiment(self) -> dict[str, Any]:
        """Return the config of all packs."""
        return self.config

    async def objects(self) -> bytes:
        """Return the objects that the config names, pickled, so that this process needs nothing of them."""
        return self.given

    async def offer(self, name: str, proposals: Sequence[Proposal]) -> None:
        """Offer a pack to the first free worker, again if it was offered before."""
        self.out[name] = time.monotonic()
        self.offered.append((name, proposals))
        await self._changed()

    async def withdraw(self) -> list[str]:
        """Take back the packs that no worker has begun; return their names."""
        names = [name for name, _ in self.offered]
        self.offered.clear()
        for name in names:
            self.out.pop(name, None)
        return names

    async def limit(self, most: int, leaving: Sequence[str]) -> None:
        """Have so many workers at most, and none on nodes that are leaving: the others end after their packs."""
        self.most, self.leaving = most, frozenset(leaving)
        await self._changed()

    async def close(self) -> None:
        """Have all workers end after their packs."""
        self.closed = True
        await self._changed()

    async def join(self, worker: str, process: Any, node: str, name: str) -> None:
        """Take in a worker, with a handle of its process, its node, and what people call it."""
        self.workers[worker] = Joined(process, node, name, time.monotonic())

    async def live(self, worker: str) -> None:
        """Take a sign of life."""
        self._set(worker)

    async def take(self, worker: str, seconds: float) -> Pack | Literal["retire"] | None:
        """Return the next pack, after waiting at most so many seconds, or that this worker is to end."""
        end = time.monotonic() + seconds
        while True:
            self._set(worker, pack="", since=0.0)
            if self._surplus(worker):
                self.workers.pop(worker, None)
                return RETIRE
            if self.offered:
                name, proposals = self.offered.popleft()
                now = time.monotonic()
                self.waited[name] = now - self.out[name]
                self._set(worker, pack=name, since=now)
                return name, proposals
            try:
                async with self.change:
                    await asyncio.wait_for(self.change.wait(), end - time.monotonic())
            except TimeoutError:
                return None

    async def deliver(self, worker: str, name: str, answer: Answer) -> None:
        """Take a pack's results, the first that come; those of a pack that is not out any more are ignored."""
        self._set(worker, pack="", since=0.0)
        if self.out.pop(name, None) is None:
            return
        self.offered = deque(pack for pack in self.offered if pack[0] != name)
        who = self.workers[worker].name if worker in self.workers else worker
        self.delivered.append(Delivered(name, who, self.waited.pop(name, 0.0), answer))
        await self._changed()

    async def swap(
        self, worker: str, name: str, answer: Answer, seconds: float
    ) -> Pack | Literal["retire"] | None:
        """Take a pack's results and return the next pack, in one call."""
        await self.deliver(worker, name, answer)
        return await self.take(worker, seconds)

    async def refuse(self, error: Exception) -> None:
        """Take the reason why a worker cannot train any pack."""
        self.delivered.append(Delivered("", "", 0.0, error))
        await self._changed()

    async def collect(self, seconds: float = 0.0) -> tuple[list[Delivered], dict[str, Joined]]:
        """Return what was delivered since the last call, after waiting for that at most so many seconds, and all
        workers, whose times are seconds ago.
        """
        end = time.monotonic() + seconds
        while not self.delivered and (left := end - time.monotonic()) > 0:
            try:
                async with self.change:
                    await asyncio.wait_for(self.change.wait(), left)
            except TimeoutError:
                break
        delivered, self.delivered = self.delivered, []
        now = time.monotonic()
        ago = {
            worker: replace(w, seen=now - w.seen, since=now - w.since) for worker, w in self.workers.items()
        }
        return delivered, ago

    async def lose(self, worker: str) -> Joined | None:
        """Note that a worker is gone, or given up; return what was known of it. Its pack stays out."""
        return self.workers.pop(worker, None)

    async def end(self, name: str) -> None:
        """Wait for no answer to a pack any more."""
        self.out.pop(name, None)

    def _surplus(self, worker: str) -> bool:
        known = self.workers.get(worker)
        return (
            self.closed
            or len(self.workers) > self.most
            or known is None  # it was given up
            or known.node in self.leaving
        )

    def _set(self, worker: str, **changes: Any) -> None:
        known = self.workers.get(worker)
        if known is not None:
            self.workers[worker] = replace(known, seen=time.monotonic(), **changes)

    async def _changed(self) -> None:
        async with self.change:
            self.change.notify_all()
