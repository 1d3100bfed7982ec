"""Where workers fetch packs and leave results: a plain class, which `ray_tune` makes an actor of.

It stands in a module of its own so that its process, beside the driver, need not load PyTorch.
"""

import asyncio
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal

from evoact.records import Proposal, Result

Pack = tuple[str, Sequence[Proposal]]
Answer = list[Result] | Exception
RETIRE: Literal["retire"] = "retire"  # instead of a pack: this worker is to end
MEASURE: Literal["measure"] = "measure"  # instead of a pack size: this worker is to measure it
CHOOSE: Literal["choose"] = "choose"  # the same, without measuring
MEASURE_SECONDS = 120.0  # after which another worker chooses instead


@dataclass(frozen=True, slots=True)
class Delivered:
    """The answer to a pack: from whom, and how many seconds the pack had waited for a worker."""

    pack: str
    worker: str
    waited: float
    answer: Answer


@dataclass(frozen=True, slots=True)
class Joined:
    """A worker as the exchange knows it: the lease that its process was started for, the process, as a pickled handle,
    its node, its name, when it last gave a sign of life, its kind and the largest pack of that, whether it has a GPU,
    the pack that it holds, since when, and since when it has had none.
    """

    lease: str
    process: bytes
    node: str
    name: str
    seen: float
    kind: str = ""
    size: int = 0
    gpu: bool = False
    pack: str = ""
    since: float = 0.0
    free: float = 0.0


@dataclass(frozen=True, slots=True)
class Offer:
    """A pack that is out, and the size that was asked for: workers of that size come first."""

    name: str
    proposals: Sequence[Proposal]
    size: int = 0


class Exchange:
    """Packs waiting for a worker, packs held by one, and results waiting for the driver.

    A pack is out from when it is offered until the first answer to it: a worker that was given up may yet deliver, and
    a second answer is ignored. One that is out waits here, or is held by a worker that is known here, or the driver
    has heard that its worker is gone: whatever gets lost on the way, none is left that nobody is to train. A worker is
    a process: one that its lease starts anew, elsewhere, is another.

    Workers on unlike devices take packs of the size that suits their kind, which `sizes` says, and smaller ones if
    there are no such. All methods run in one event loop, one at a time.
    """

    def __init__(
        self,
        config: dict[str, Any],
        objects: bytes = b"",
        sizes: Mapping[str, int] = MappingProxyType({}),
        idle_seconds: float | None = None,
    ):
        self.config, self.given, self.idle_seconds = config, objects, idle_seconds
        self.sizes, self.measuring = dict(sizes), dict[str, tuple[str, float]]()  # who, since when
        self.offered: deque[Offer] = deque()
        self.out: dict[str, float] = {}  # since when
        self.waited: dict[str, float] = {}
        self.workers: dict[str, Joined] = {}
        self.held: dict[str, Offer] = {}  # by worker
        # Workers that have ended, were lost or given up, and what they were called.
        self.gone: dict[str, str] = {}
        self.delivered: list[Delivered] = []
        self.most, self.leaving, self.closed = dict[bool, int](), frozenset[str](), False
        self.news = False  # somebody has joined, or is gone
        self.change = asyncio.Condition()

    async def experiment(self) -> dict[str, Any]:
        """Return the config of all packs."""
        return self.config

    async def objects(self) -> bytes:
        """Return the objects that the config names, pickled, so that this process needs nothing of them."""
        return self.given

    async def size(self, kind: str, lease: str) -> int | Literal["measure", "choose"] | None:
        """Return the pack size of a kind of worker, or that the one who asks is to measure it; None while another
        does. A lease that asks again died while it measured, as others might: it is to choose without."""
        if kind in self.sizes:
            return self.sizes[kind]
        now = time.monotonic()
        if kind not in self.measuring:
            self.measuring[kind] = lease, now
            return MEASURE
        who, since = self.measuring[kind]
        if who != lease and now - since < MEASURE_SECONDS:
            return None
        self.measuring[kind] = lease, now
        return CHOOSE

    async def measured(self, kind: str, size: int) -> int:
        """Take the size that was measured, and return the one that counts: the first."""
        return self.sizes.setdefault(kind, size)

    async def offer(self, offer: Offer) -> None:
        """Offer a pack to the first free worker that it suits, again if it was offered before."""
        self.out[offer.name] = time.monotonic()
        self.offered.append(offer)
        await self._changed()

    async def withdraw(self, larger_than: int = 0) -> list[str]:
        """Take back the packs that no worker has begun, or those of them that are too large; return their names."""
        names = [offer.name for offer in self.offered if len(offer.proposals) > larger_than]
        self.offered = deque(offer for offer in self.offered if len(offer.proposals) <= larger_than)
        for name in names:
            self.out.pop(name, None)
        return names

    async def limit(self, most: Mapping[bool, int], leaving: Sequence[str]) -> None:
        """Have so many workers with a GPU and without at most, and none on nodes that are leaving: the others end after
        their packs."""
        self.most, self.leaving = dict(most), frozenset(leaving)
        await self._changed()

    async def close(self) -> None:
        """Have all workers end after their packs."""
        self.closed = True
        await self._changed()

    async def join(
        self,
        worker: str,
        lease: str,
        process: bytes,
        node: str,
        name: str,
        kind: str = "",
        size: int = 0,
        gpu: bool = False,
    ) -> None:
        """Take in a worker, with its lease, a pickled handle of its process, its node, what people call it, its kind
        with the largest pack of that (0: any), and whether it has a GPU. One that joins again, as after a broken
        connection, is known; one that was lost meanwhile, with its node, is not taken in: another has its lease."""
        if worker in self.workers or worker in self.gone:
            return
        for other in [other for other, known in self.workers.items() if known.lease == lease]:
            self._give_back(other)
            self._forget(other)
        now = time.monotonic()
        self.workers[worker] = Joined(lease, process, node, name, now, kind, size, gpu, free=now)
        self.news = True
        await self._changed()

    async def live(self, worker: str) -> None:
        """Take a sign of life."""
        self._set(worker)

    async def take(self, worker: str, seconds: float) -> Pack | Literal["retire"] | None:
        """Return the next pack, after waiting at most so many seconds, or that this worker is to end."""
        end = time.monotonic() + seconds
        while True:
            self._give_back(worker)
            self._set(worker, pack="", since=0.0)
            if self._surplus(worker):
                self._forget(worker)
                return RETIRE
            now, offer = time.monotonic(), self._suiting(self.workers[worker].size)
            if offer is not None:
                self.offered.remove(offer)
                self.held[worker] = offer
                self.waited[offer.name] = now - self.out[offer.name]
                self._set(worker, pack=offer.name, since=now)
                return offer.name, offer.proposals
            if self.idle_seconds is not None and now - self.workers[worker].free > self.idle_seconds:
                self._forget(worker)
                return RETIRE
            try:
                async with self.change:
                    await asyncio.wait_for(self.change.wait(), end - time.monotonic())
            except TimeoutError:
                return None

    async def deliver(self, worker: str, name: str, answer: Answer) -> None:
        """Take a pack's results, the first that come; those of a pack that is not out any more are ignored."""
        held = self.held.get(worker)
        if held is not None and held.name == name:
            del self.held[worker]
            self._set(worker, pack="", since=0.0, free=time.monotonic())
        if self.out.pop(name, None) is None:
            return
        self.offered = deque(offer for offer in self.offered if offer.name != name)
        who = self.workers[worker].name if worker in self.workers else self.gone.get(worker, worker)
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

    async def collect(self, seconds: float = 0.0) -> tuple[list[Delivered], dict[str, Joined] | None]:
        """Return what was delivered since the last call, after waiting for that, or for another worker, at most so many
        seconds, and all workers if they are others than at the last call: a pack costs the same however many there are.
        """
        end = time.monotonic() + seconds
        while not self.delivered and not self.news and (left := end - time.monotonic()) > 0:
            try:
                async with self.change:
                    await asyncio.wait_for(self.change.wait(), left)
            except TimeoutError:
                break
        everyone = await self.everyone() if self.news else None
        delivered, self.delivered, self.news = self.delivered, [], False
        return delivered, everyone

    async def everyone(self) -> dict[str, Joined]:
        """Return all workers, whose times are seconds ago."""
        now = time.monotonic()
        return {
            worker: replace(w, seen=now - w.seen, since=now - w.since) for worker, w in self.workers.items()
        }

    async def lose(self, lease: str) -> Joined | None:
        """Note that the worker of a lease is gone, or given up; return what was known of it, if anything. Its pack
        stays out."""
        worker = next((worker for worker, known in self.workers.items() if known.lease == lease), None)
        return None if worker is None else self._forget(worker)

    async def end(self, name: str) -> None:
        """Wait for no answer to a pack any more."""
        self.out.pop(name, None)

    def _suiting(self, size: int) -> Offer | None:
        """The first offer of a size, else the first that is no larger."""
        own = next((offer for offer in self.offered if size in (0, offer.size) or not offer.size), None)
        return own or next((offer for offer in self.offered if len(offer.proposals) <= size), None)

    def _give_back(self, worker: str) -> None:
        """Offer again what a worker holds that asks for another: it never got it, because the connection broke."""
        held = self.held.pop(worker, None)
        if held is not None and held.name in self.out and all(o.name != held.name for o in self.offered):
            self.offered.appendleft(held)

    def _forget(self, worker: str) -> Joined | None:
        self.news = True
        self.held.pop(worker, None)
        known = self.workers.pop(worker, None)
        if known is not None:
            self.gone[worker] = known.name
        return known

    def _surplus(self, worker: str) -> bool:
        known = self.workers.get(worker)
        if self.closed or known is None or known.node in self.leaving:  # None: it was given up
            return True
        alike = sum(other.gpu == known.gpu for other in self.workers.values())
        return alike > self.most.get(known.gpu, alike)

    def _set(self, worker: str, **changes: Any) -> None:
        known = self.workers.get(worker)
        if known is not None:
            self.workers[worker] = replace(known, seen=time.monotonic(), **changes)

    async def _changed(self) -> None:
        async with self.change:
            self.change.notify_all()
