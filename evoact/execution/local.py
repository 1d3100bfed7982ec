"""The whole loop in one process: ask, train, store, tell, until there is no more."""

import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from evoact.records import Proposal, Result

TrainPack = Callable[[str, Sequence[Proposal]], list[Result]]


@dataclass(frozen=True, slots=True)
class Work:
    """Who trained a pack, how many seconds it had waited for that, and how many workers there were."""

    worker: str
    waited: float = 0.0
    workers: int = 1


class PackSource(Protocol):
    """The source of packs that an executor drives and tells their results."""

    @property
    def finished(self) -> bool:
        """Whether every pack was told and no more will come."""
        ...

    @property
    def workers(self) -> int | None:
        """How many workers there are to be; None: as many as there is room for."""
        ...

    def next_pack(self, size: int | None = None) -> tuple[str, list[Proposal]]:
        """Return a pack's name and proposals, by default as many as the config says; no proposals if results must be
        told first, or all is done."""
        ...

    def measured(self, kind: str, size: int) -> None:
        """Take note of the pack size that a kind of worker has measured."""
        ...

    def finish_packs(self, packs: Sequence[tuple[Sequence[Result], Work]]) -> None:
        """Make the results of packs durable, at once, then tell them pack by pack."""
        ...


def execute(source: PackSource, train: TrainPack, together: int = 1) -> None:
    """Run packs one after another in this process until the source has finished.

    Args:
        source: where packs come from and results go
        train: trains one pack; failures of members are results, not exceptions
        together: so many packs are stored at once, if as many can be had before their results are told: of packs that
            take no time, more goes into making each durable than into anything else
    """
    here = Work(f"{socket.gethostname()}:{os.getpid()}")
    while not source.finished:
        packs: list[tuple[Sequence[Result], Work]] = []
        while len(packs) < together:
            name, proposals = source.next_pack()
            if not proposals:
                break
            packs.append((train(name, proposals), here))
        if not packs:
            break
        source.finish_packs(packs)
