"""Ask and tell for searches that promote as results come in."""

import math
from collections import deque
from collections.abc import Iterable, Set
from typing import Protocol

from evoact.records import Proposal, Result, checkpoint_name, checkpoints_of
from evoact.strategies.archive import Archive, Candidate
from evoact.strategies.numbering import PATIENCE, Numbering
from evoact.strategies.strategy import Draft, MetaDraft, Promoter, Proposer, promotion


class PromotingProposer(Proposer, Promoter, Protocol):
    """A proposer that can say who is promoted."""


class Asynchronous:
    """A strategy that never waits: it promotes whoever can be, from the highest rung down, else begins anew.

    The arguments are those of `generational.Generational`. What is proposed depends on the order of results.
    Replay therefore asks for nothing again: what was in training when the run stopped is given up, and may be
    promoted or proposed anew under another index.
    """

    def __init__(self, proposer: PromotingProposer, numbering: Numbering, archive: Archive):
        self._proposer, self._numbering, self._archive = proposer, numbering, archive
        self._rungs: list[list[Result]] = [[] for _ in proposer.shares]
        self._gone_on: set[int] = set()  # the indices of those that were promoted
        self._drafts: deque[Draft | MetaDraft] = deque()  # for the first rung
        self._generation = -1  # of those
        self._exhausted = False
        self._queue: deque[Proposal] = deque()
        self._open: dict[int, Proposal] = {}

    @property
    def finished(self) -> bool:
        self._refill()
        return not self._open

    def ask(self, n: int) -> list[Proposal]:
        asked: list[Proposal] = []
        while len(asked) < n:
            self._refill()
            if not self._queue:
                break
            asked.append(self._queue.popleft())
        return asked

    def tell(self, results: Iterable[Result]) -> None:
        for result in results:
            index = result.proposal.index
            if index not in self._open:
                raise ValueError(f"expected a result of a pending proposal, got index {index}")
            del self._open[index]
            self._enter(result)

    def replay(self, results: Iterable[Result]) -> None:
        if self._generation >= 0:
            raise ValueError("expected replay before the first ask")
        stored = sorted(results, key=lambda r: r.proposal.index)
        self._numbering.check_stored([r.proposal.index for r in stored])
        for result in stored:
            self._numbering.enter(result.proposal)
            self._generation = max(self._generation, result.proposal.generation)
            self._enter(result)
        rising = {(r.proposal.fingerprint, r.proposal.seed, r.proposal.rung) for r in stored}
        for result in stored:
            p = result.proposal
            if (p.fingerprint, p.seed, p.rung + 1) in rising:
                self._gone_on.add(p.index)

    def recommend(self, k: int) -> list[Candidate]:
        return self._proposer.recommend(k, self._archive)

    def expected(self) -> int:
        return self._numbering.expected()

    def checkpoints(self) -> Set[str]:
        """Those that open proposals go on from or are about to leave, and those of all who may still be promoted."""
        needed = checkpoints_of(self._open.values())
        waiting = [
            r.proposal
            for told in self._rungs[:-1]
            for r in told
            if r.score is not None and math.isfinite(r.score)
        ]
        return needed | {checkpoint_name(p, p.steps) for p in waiting if p.index not in self._gone_on}

    def _enter(self, result: Result) -> None:
        self._rungs[result.proposal.rung].append(result)
        self._archive.add(result)

    def _refill(self) -> None:
        if self._queue or self._exhausted:
            return
        proposal = self._promotion() or self._beginning()
        if proposal is None:
            self._exhausted = self._numbering.exhausted or not self._open
            return
        self._open[proposal.index] = proposal
        self._queue.append(proposal)

    def _promotion(self) -> Proposal | None:
        for told in reversed(self._rungs[:-1]):
            for result in self._proposer.promotable(told):
                p = result.proposal
                if p.index in self._gone_on:
                    continue
                found = self._numbering.numbered(promotion(p), p.generation, self._told)
                if found is not None:
                    self._gone_on.add(p.index)
                    return found
        return None

    def _beginning(self) -> Proposal | None:
        for _ in range(PATIENCE):
            while self._drafts:
                found = self._numbering.numbered(self._drafts.popleft(), self._generation, self._told)
                if found is not None:
                    return found
            if self._numbering.exhausted:
                return None
            self._generation += 1
            self._drafts.extend(self._proposer.begin(self._generation, self._archive))
        return None

    @property
    def _told(self) -> int:
        return sum(map(len, self._rungs))
