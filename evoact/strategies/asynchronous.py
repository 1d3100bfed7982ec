"""Ask and tell for searches that never wait for a generation to end."""

import bisect
import heapq
import math
from collections import deque
from collections.abc import Iterable, Set
from fractions import Fraction
from itertools import pairwise

from evoact.records import Proposal, Result, TrainProposal, TrainResult, checkpoint_name, checkpoints_of
from evoact.strategies.archive import Archive
from evoact.strategies.numbering import PATIENCE, Numbering
from evoact.strategies.pending import Pending
from evoact.strategies.strategy import Draft, MetaDraft, Proposer, merit, promotion


class _Rung:
    """The results of one length of training, of which a share goes on to the next."""

    def __init__(self, share: Fraction):
        self.checkpoints: set[str] = set()  # of those that wait
        self._share, self._told = share, 0
        self._ranking: list[tuple[float, int]] = []  # the merit of all that are fit
        # A heap of those that have not gone on.
        self._waiting: list[tuple[tuple[float, int], TrainProposal]] = []

    def add(self, result: TrainResult, gone_on: bool) -> None:
        self._told += 1
        if result.score is None or not math.isfinite(result.score):
            return
        bisect.insort(self._ranking, merit(result))
        if not gone_on:
            heapq.heappush(self._waiting, (merit(result), result.proposal))
            self.checkpoints.add(checkpoint_name(result.proposal, result.proposal.steps))

    def pop(self) -> TrainProposal | None:
        """Return the best that waits, if it is among the best share of all."""
        places = min(int(self._told * self._share), len(self._ranking))
        if not places or not self._waiting or self._waiting[0][0] > self._ranking[places - 1]:
            return None
        proposal = heapq.heappop(self._waiting)[1]
        self.checkpoints.remove(checkpoint_name(proposal, proposal.steps))
        return proposal


class Asynchronous:
    """A strategy that never waits: it promotes any network that it can, from the highest rung down, else begins a new
    one.

    Of each rung as many go on as their training gets longer: of networks that are trained three times as long,
    the best third of all that ended there up to now. The arguments are those of `generational.Generational`.

    What is proposed depends on the order of results. Replay therefore asks for nothing again: what was in training
    when the run stopped is given up, and may be promoted or proposed anew under another index.
    """

    def __init__(self, proposer: Proposer, numbering: Numbering, archive: Archive):
        self._proposer, self._numbering, self._archive = proposer, numbering, archive
        self._rungs = [_Rung(Fraction(a) / Fraction(b)) for a, b in pairwise(proposer.shares)]
        self._told = 0
        self._drafts: deque[Draft | MetaDraft] = deque()  # for the first rung
        self._generation = -1  # of those
        self._exhausted = False
        self._pending = Pending()

    @property
    def finished(self) -> bool:
        self._refill()
        return not self._pending.open

    def ask(self, n: int) -> list[Proposal]:
        return self._pending.ask(n, self._refill)

    def tell(self, results: Iterable[Result]) -> None:
        for result in results:
            self._pending.close(result)
            self._enter(result, gone_on=False)

    def replay(self, results: Iterable[Result]) -> None:
        if self._generation >= 0:
            raise ValueError("expected replay before the first ask")
        stored = sorted(results, key=lambda r: r.proposal.index)
        self._numbering.check_stored([r.proposal.index for r in stored])
        known = {(r.proposal.fingerprint, r.proposal.seed, r.proposal.rung) for r in stored}
        for result in stored:
            p = result.proposal
            self._numbering.enter(p)
            self._generation = max(self._generation, p.generation)
            self._enter(result, gone_on=(p.fingerprint, p.seed, p.rung + 1) in known)

    def expected(self) -> int:
        return self._numbering.expected()

    def checkpoints(self) -> Set[str]:
        """Return those that open proposals go on from or are about to leave, and those of all who may still be
        promoted.
        """
        return checkpoints_of(self._pending.open.values()).union(*(rung.checkpoints for rung in self._rungs))

    def _enter(self, result: Result, gone_on: bool) -> None:
        self._told += 1
        self._archive.add(result)
        if isinstance(result, TrainResult) and result.proposal.rung < len(self._rungs):
            self._rungs[result.proposal.rung].add(result, gone_on)

    def _refill(self) -> None:
        if self._pending.queue or self._exhausted:
            return
        proposal = self._promotion() or self._beginning()
        if proposal is None:
            self._exhausted = self._numbering.exhausted or not self._pending.open
            return
        self._pending.open[proposal.index] = proposal
        self._pending.queue.append(proposal)

    def _promotion(self) -> Proposal | None:
        for rung in reversed(self._rungs):
            while best := rung.pop():
                # None if the budget does not hold it, and so never will, or it was trained as long before.
                if found := self._numbering.numbered(promotion(best), best.generation, self._told):
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
            self._drafts.extend(self._proposer.propose(self._generation, self._archive))
        return None
