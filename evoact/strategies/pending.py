"""Proposals on their way: asked for, or about to be, and without a result."""

from collections import deque
from collections.abc import Callable

from evoact.records import META_TRAIN, Proposal, Result


class Pending:
    """The state that both ways of asking and telling share: the queue, and all open proposals by index."""

    def __init__(self) -> None:
        self.queue: deque[Proposal] = deque()
        self.open: dict[int, Proposal] = {}

    def ask(self, n: int, refill: Callable[[], None]) -> list[Proposal]:
        """Take up to n proposals of one pack from the queue, which `refill` fills if it can.

        A meta-training is asked for alone: it is a pack of its own.
        """
        asked: list[Proposal] = []
        while len(asked) < n:
            refill()
            if not self.queue or (asked and META_TRAIN in (asked[0].kind, self.queue[0].kind)):
                break
            asked.append(self.queue.popleft())
        return asked

    def close(self, result: Result) -> None:
        """Remove the proposal of a result from the open ones.

        Raises:
            ValueError: if it is not open.
        """
        index = result.proposal.index
        if index not in self.open:
            raise ValueError(f"expected a result of a pending proposal, got index {index}")
        del self.open[index]
