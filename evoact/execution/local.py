"""The whole loop in one process: ask, train, store, tell, until there is no more."""

from collections.abc import Callable, Sequence
from typing import Protocol

from evoact.records import Proposal, Result

TrainPack = Callable[[str, Sequence[Proposal]], list[Result]]


class PackSource(Protocol):
    """The source of packs that an executor drives and tells their results."""

    @property
    def finished(self) -> bool:
        """Whether every pack was told and no more will come."""
        ...

    def next_pack(self) -> tuple[str, list[Proposal]]:
        """Return a pack's name and proposals; no proposals if results must be told first, or all is done."""
        ...

    def finish_pack(self, results: Sequence[Result]) -> None:
        """Make a pack's results durable, then tell them."""
        ...


def execute(source: PackSource, train: TrainPack) -> None:
    """Run packs one after another in this process until the source has finished.

    Args:
        source: where packs come from and results go
        train: trains one pack; failures of members are results, not exceptions
    """
    while not source.finished:
        name, proposals = source.next_pack()
        if not proposals:
            break
        source.finish_pack(train(name, proposals))
