"""Ask and tell for every generational strategy: numbering, replicates, duplicates, replay."""

from collections import deque
from collections.abc import Iterable, Set
from itertools import pairwise

from evoact.errors import UserError
from evoact.records import Proposal, Result, TrainResult, checkpoint_name, checkpoints_of
from evoact.strategies.archive import Archive
from evoact.strategies.numbering import PATIENCE, Numbering
from evoact.strategies.pending import Pending
from evoact.strategies.strategy import Proposer


class _Cohort:
    """The indices [first, end) of a generation; those below `complete` have their results."""

    def __init__(self, first: int, end: int):
        self.first, self.end, self.complete = first, end, first


class Generational:
    """A strategy that proposes generation after generation.

    A generation is formed once all results of the ones before were told (at once if the proposer
    is independent), so what is proposed depends on the *set* of results, never on their order or on
    the number of workers. A meta-training is asked for alone: it is a pack of its own.

    `numbering` and `archive` hold what the phase may spend and what is known from earlier ones.
    """

    def __init__(self, proposer: Proposer, numbering: Numbering, archive: Archive):
        self._proposer, self._numbering, self._archive = proposer, numbering, archive
        self._generation = 0  # the next to be formed
        self._empty = 0
        self._exhausted = False
        self._pending = Pending()
        self._cohorts: deque[_Cohort] = deque()  # formed, not yet absorbed
        self._arrived: dict[int, Result] = {}  # results of those
        self._stored: dict[int, Result] = {}  # of an interrupted run

    @property
    def finished(self) -> bool:
        self._refill()
        return not self._pending.open

    def ask(self, n: int) -> list[Proposal]:
        return self._pending.ask(n, self._refill)

    def tell(self, results: Iterable[Result]) -> None:
        for result in results:
            self._pending.close(result)
            self._arrived[result.proposal.index] = result
        self._absorb()

    def expected(self) -> int:
        return self._numbering.expected()

    def checkpoints(self) -> Set[str]:
        """Return those that open proposals go on from or are about to leave, and those of the generations that may
        still be promoted.
        """
        if not self._numbering.last_rung:  # none is left, and generations may be long
            return frozenset()
        needed = checkpoints_of(self._pending.open.values())
        fresh = [
            r.proposal for r in (*self._arrived.values(), *self._archive.latest) if isinstance(r, TrainResult)
        ]
        return needed | {checkpoint_name(p, p.steps) for p in fresh if p.rung < self._numbering.last_rung}

    def replay(self, results: Iterable[Result]) -> None:
        if self._generation:
            raise ValueError("expected replay before the first ask")
        self._stored = {result.proposal.index: result for result in results}
        self._numbering.check_stored(list(self._stored))
        self._absorb_stored_generations()
        while self._stored and self._may_form():
            self._form()

    # --- generations ----------------------------------------------------------------------------

    def _may_form(self) -> bool:
        waiting = self._cohorts and not self._proposer.independent
        return not waiting and not self._exhausted and not self._numbering.exhausted

    def _refill(self) -> None:
        while not self._pending.queue and self._may_form():
            self._form()

    def _form(self) -> None:
        """Numbers the drafts of the next generation; those with a stored result are told at once."""
        drafts = self._proposer.propose(self._generation, self._archive)
        first = self._numbering.next
        told = 0 if self._proposer.independent else first - self._numbering.first
        for draft in drafts:
            proposal = self._numbering.numbered(draft, self._generation, told)
            if proposal is not None:
                self._pending.open[proposal.index] = proposal
        end = self._numbering.next
        self._generation += 1
        self._empty = 0 if end > first else self._empty + 1
        self._exhausted = not drafts or self._empty == PATIENCE
        if end > first:
            self._cohorts.append(_Cohort(first, end))
        for index in range(first, end):
            if index in self._stored:
                self.tell([self._matched(index)])
            else:
                self._pending.queue.append(self._pending.open[index])

    def _absorb(self) -> None:
        """Enters complete generations into the archive, in proposal order."""
        while self._cohorts:
            cohort = self._cohorts[0]
            while cohort.complete < cohort.end and cohort.complete not in self._pending.open:
                cohort.complete += 1
            if cohort.complete < cohort.end:
                return
            self._enter([self._arrived.pop(i) for i in range(cohort.first, cohort.end)])
            self._cohorts.popleft()

    def _enter(self, generation: list[Result]) -> None:
        self._archive.add_generation(generation, promotes=self._numbering.last_rung > 0)

    # --- replay ---------------------------------------------------------------------------------

    def _matched(self, index: int) -> Result:
        result, proposal = self._stored.pop(index), self._pending.open[index]
        stored = (result.proposal.fingerprint, result.proposal.seed, result.proposal.steps)
        if stored != (proposal.fingerprint, proposal.seed, proposal.steps):
            raise UserError(
                f"expected proposal {index} to be {proposal.fingerprint} with seed {proposal.seed}, got "
                f"{stored[0]} with seed {stored[1]} in the stored run; "
                "resume with the configuration of the run"
            )
        return result

    def _absorb_stored_generations(self) -> None:
        """Takes generations whose rows are all there without forming them again.

        A generation is known to be complete when the next one's first index follows its last.
        """
        rows: dict[int, list[int]] = {}
        for index in sorted(self._stored):
            rows.setdefault(self._stored[index].proposal.generation, []).append(index)
        order = sorted(rows)
        for generation, following in pairwise(order):
            if rows[generation] != list(range(self._numbering.next, rows[following][0])):
                return
            results = [self._stored.pop(index) for index in rows[generation]]
            for result in results:
                self._numbering.enter(result.proposal)
            self._enter(results)
            self._generation = generation + 1
