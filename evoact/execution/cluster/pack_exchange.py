"""Where workers fetch packs and leave results: a plain class, which `ray_tune` makes an actor of.

It stands in a module of its own so that its process, beside the driver, need not load PyTorch.
"""

import asyncio
import pickle
from collections import deque
from collections.abc import Sequence
from typing import Any

from evoact.records import Proposal, Result

Pack = tuple[str, Sequence[Proposal]]
Answer = list[Result] | Exception


def portable(error: Exception) -> Exception:
    """Return the error itself if it can be sent to another process, else one with the same text that can."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


class Exchange:
    """Packs waiting for a worker, packs held by one, and results waiting for the driver.

    A pack is held from the moment it is handed out until its results are in or its worker is `lost`,
    so that none gets lost with its worker. All methods run in one event loop, one at a time.
    """

    def __init__(self, config: dict[str, Any]):
        self.config = config
        self.offered: deque[Pack] = deque()
        self.waiting: dict[str, asyncio.Future[Pack]] = {}
        self.held: dict[str, str] = {}
        self.answers: list[tuple[str, Answer]] = []

    async def experiment(self) -> dict[str, Any]:
        """Return the config of all packs."""
        return self.config

    async def offer(self, name: str, proposals: Sequence[Proposal]) -> None:
        """Offer a pack to the first free worker."""
        for worker, future in list(self.waiting.items()):
            del self.waiting[worker]
            if not future.done():
                self.held[worker] = name
                future.set_result((name, proposals))
                return
        self.offered.append((name, proposals))

    async def take(self, worker: str, seconds: float) -> Pack | None:
        """Return the next pack, after waiting at most so many seconds."""
        if self.offered:
            name, proposals = self.offered.popleft()
            self.held[worker] = name
            return name, proposals
        future = self.waiting[worker] = asyncio.get_running_loop().create_future()
        done, _ = await asyncio.wait([future], timeout=seconds)
        if done:
            return None if future.cancelled() else future.result()
        if self.waiting.get(worker) is future:
            del self.waiting[worker]
        return None

    async def deliver(self, worker: str, name: str, answer: Answer) -> None:
        """Take a pack's results; those of a worker that was given up are ignored."""
        if self.held.get(worker) == name:
            del self.held[worker]
            self.answers.append((name, answer))

    async def refuse(self, error: Exception) -> None:
        """Take the reason why a worker cannot train any pack."""
        self.answers.append(("", error))

    async def collect(self) -> list[tuple[str, Answer]]:
        """Return what was delivered since the last call."""
        answers, self.answers = self.answers, []
        return answers

    async def lose(self, worker: str) -> str | None:
        """Note that a worker's process is gone; return the name of the pack it held."""
        future = self.waiting.pop(worker, None)
        if future is not None:
            future.cancel()
        return self.held.pop(worker, None)
