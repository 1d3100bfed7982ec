"""Ask and tell for every generational strategy: numbering, replicates, duplicates, replay."""

from collections import deque
from collections.abc import Iterable, Sequence, Set
from dataclasses import replace
from itertools import pairwise

from evoact.errors import UserError
from evoact.genomes import meta_training
from evoact.genomes.genome import Site, canonical, digest, fingerprint, structure, to_json
from evoact.records import META_TRAIN, Proposal, Result, checkpoint_name
from evoact.strategies.archive import Archive, Candidate
from evoact.strategies.strategy import Draft, MetaDraft, Proposer

# After so many generations in a row without anything new, a space counts as exhausted.
PATIENCE = 50


class _Cohort:
    """The indices [first, end) of a generation; those below `complete` have their results."""

    def __init__(self, first: int, end: int):
        self.first, self.end, self.complete = first, end, first


class Generational:
    """A strategy that proposes generation after generation, worth at most `networks` networks in all.

    A generation is formed once all results of the ones before were told (at once where the proposer
    is independent), so what is proposed depends on the *set* of results, never on their order or on
    the number of workers. The same genome, seed and steps are never proposed twice. A promoted network goes on
    where it stopped and costs its further steps alone. A meta-training counts for
    as many networks as it costs gradient-examples, and is asked for alone: it is a pack of its own.

    Args:
        proposer: what to propose.
        sites: the network's activation sites.
        networks: the budget.
        steps: the budget of each network.
        batch_size: examples of a step, which tell how many networks a meta-training is worth.
        replicates: seeds rotate over 0 .. replicates - 1, one per generation.
        first_index: where the ask index starts; the phases of a run share it.
        earlier: the complete results of earlier phases of the run: their candidates keep their ids,
            and those of as many steps count as evaluated.
    """

    def __init__(
        self,
        proposer: Proposer,
        sites: Sequence[Site],
        *,
        networks: int,
        steps: int,
        batch_size: int = 100,
        replicates: int = 10,
        phase: str = "search",
        first_index: int = 0,
        earlier: Iterable[Result] = (),
    ):
        at_least_one = {
            "networks": networks,
            "steps": steps,
            "batch_size": batch_size,
            "replicates": replicates,
        }
        for name, value in at_least_one.items():
            if value < 1:
                raise UserError(f"expected {name} of at least 1, got {value}")
        self._proposer = proposer
        self._sites = tuple(sites)
        self._steps = steps
        self._batch_size = batch_size
        self._stops = tuple(max(1, int(steps * share)) for share in proposer.shares)
        self._replicates = replicates
        self._phase = phase
        self._first = first_index
        self._next = first_index
        self._networks = networks
        self._left = networks * steps  # of the budget, in steps
        self._archive = Archive()
        self._candidates: dict[str, int] = {}
        self._used: set[tuple[int, int, int]] = set()  # (candidate, seed, steps)
        self._generation = 0  # the next to be formed
        self._empty = 0
        self._exhausted = False
        self._queue: deque[Proposal] = deque()
        self._open: dict[int, Proposal] = {}  # proposals without a result, by index
        self._cohorts: deque[_Cohort] = deque()  # formed, not yet absorbed
        self._arrived: dict[int, Result] = {}  # results of those
        self._stored: dict[int, Result] = {}  # of an interrupted run
        for result in sorted(earlier, key=lambda r: r.proposal.index):
            self._candidates.setdefault(result.proposal.fingerprint, result.proposal.candidate)
            if result.proposal.steps == steps:
                self._used.add(_key(result.proposal))
                whole = replace(result.proposal, rung=len(self._stops) - 1)
                self._archive.add(replace(result, proposal=whole))

    @property
    def finished(self) -> bool:
        self._refill()
        return not self._open

    def ask(self, n: int) -> list[Proposal]:
        asked: list[Proposal] = []
        while len(asked) < n:
            self._refill()
            if not self._queue or (asked and META_TRAIN in (asked[0].kind, self._queue[0].kind)):
                break
            asked.append(self._queue.popleft())
        return asked

    def tell(self, results: Iterable[Result]) -> None:
        for result in results:
            index = result.proposal.index
            if index not in self._open:
                raise ValueError(f"expected a result of a pending proposal, got index {index}")
            del self._open[index]
            self._arrived[index] = result
        self._absorb()

    def recommend(self, k: int) -> list[Candidate]:
        if not self._arrived:
            return self._proposer.recommend(k, self._archive)
        archive = self._archive.copy()
        for index in sorted(self._arrived):
            archive.add(self._arrived[index])
        return self._proposer.recommend(k, archive)

    def expected(self) -> int:
        asked, budget = self._next - self._first, self._networks * self._steps
        return asked + self._left * (asked or 1) // ((budget - self._left) or self._steps)

    def checkpoints(self) -> Set[str]:
        """Those that open proposals go on from, and those of the generations that may still be promoted."""
        needed = {checkpoint_name(p, p.start) for p in self._open.values() if p.start}
        fresh = [r.proposal for r in (*self._arrived.values(), *self._archive.latest)]
        return needed | {checkpoint_name(p, p.steps) for p in fresh if p.rung < len(self._stops) - 1}

    def replay(self, results: Iterable[Result]) -> None:
        if self._next > self._first or self._generation:
            raise ValueError("expected replay before the first ask")
        self._stored = {result.proposal.index: result for result in results}
        end = self._first + self._networks * self._steps // self._stops[0]
        for index in self._stored:
            if not self._first <= index < end:
                raise UserError(
                    f"expected stored proposals {self._first} to {end - 1}, got {index}; "
                    "resume with the configuration of the run"
                )
        self._absorb_stored_generations()
        while self._stored and self._may_form():
            self._form()

    # --- generations ----------------------------------------------------------------------------

    def _may_form(self) -> bool:
        waiting = self._cohorts and not self._proposer.independent
        return not waiting and not self._exhausted and self._left >= self._stops[0]

    def _refill(self) -> None:
        while not self._queue and self._may_form():
            self._form()

    def _form(self) -> None:
        """Numbers the drafts of the next generation; those with a stored result are told at once."""
        drafts = self._proposer.propose(self._generation, self._archive)
        first = self._next
        told = 0 if self._proposer.independent else first - self._first
        for draft in drafts:
            proposal = self._numbered(draft, told)
            if proposal is not None:
                self._open[proposal.index] = proposal
        self._generation += 1
        self._empty = 0 if self._next > first else self._empty + 1
        self._exhausted = not drafts or self._empty == PATIENCE
        if self._next > first:
            self._cohorts.append(_Cohort(first, self._next))
        for index in range(first, self._next):
            if index in self._stored:
                self.tell([self._matched(index)])
            else:
                self._queue.append(self._open[index])

    def _numbered(self, draft: Draft | MetaDraft, told: int) -> Proposal | None:
        """None where the budget does not hold it, or it was proposed already."""
        if isinstance(draft, MetaDraft):
            return self._numbered_meta(draft, told)
        genome = canonical(draft.genome, self._sites)
        name = fingerprint(genome)
        candidate = self._candidates.get(name, self._next)
        steps, start = self._stops[draft.rung], self._stops[draft.rung - 1] if draft.rung else 0
        seed = self._free_seed(candidate) if draft.seed is None else draft.seed
        if seed is None or (candidate, seed, steps) in self._used or steps - start > self._left:
            return None
        self._candidates[name] = candidate
        return self._entered(
            Proposal(
                index=self._next,
                candidate=candidate,
                genome=genome,
                structure=structure(genome),
                fingerprint=name,
                seed=seed,
                steps=steps,
                phase=self._phase,
                rung=draft.rung,
                start=start,
                resumable=draft.rung < len(self._stops) - 1,
                strategy=self._proposer.name,
                generation=self._generation,
                parents=draft.parents,
                told=told,
                context=draft.context,
            )
        )

    def _numbered_meta(self, draft: MetaDraft, told: int) -> Proposal | None:
        name = digest([to_json(draft.genome), meta_training.dumps(draft.meta_training)])
        proposal = Proposal(
            index=self._next,
            candidate=self._candidates.setdefault(name, self._next),
            genome=draft.genome,
            structure=structure(draft.genome),
            fingerprint=name,
            seed=draft.seed,
            steps=draft.meta_training.outer_steps * draft.meta_training.inner_steps,
            phase=self._phase,
            strategy=self._proposer.name,
            generation=self._generation,
            told=told,
            meta_training=draft.meta_training,
        )
        if _key(proposal) in self._used or self._cost(proposal) > self._left:
            return None
        return self._entered(proposal)

    def _entered(self, proposal: Proposal) -> Proposal:
        self._used.add(_key(proposal))
        self._left -= self._cost(proposal)
        self._next += 1
        return proposal

    def _cost(self, proposal: Proposal) -> int:
        """In steps of a network; a meta-training's in whole networks."""
        if proposal.meta_training is not None:
            return worth(proposal.meta_training, self._steps * self._batch_size) * self._steps
        start = self._stops[proposal.rung - 1] if proposal.rung else 0
        return proposal.steps - start

    def _free_seed(self, candidate: int) -> int | None:
        """The generation's replicate, or the candidate's next unused one; None if all are used."""
        for step in range(self._replicates):
            seed = (self._generation + step) % self._replicates
            if all((candidate, seed, steps) not in self._used for steps in self._stops):
                return seed
        return None

    def _absorb(self) -> None:
        """Enters complete generations into the archive, in proposal order."""
        while self._cohorts:
            cohort = self._cohorts[0]
            while cohort.complete < cohort.end and cohort.complete not in self._open:
                cohort.complete += 1
            if cohort.complete < cohort.end:
                return
            self._archive.add_generation([self._arrived.pop(i) for i in range(cohort.first, cohort.end)])
            self._cohorts.popleft()

    # --- replay ---------------------------------------------------------------------------------

    def _matched(self, index: int) -> Result:
        result, proposal = self._stored.pop(index), self._open[index]
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
            if rows[generation] != list(range(self._next, rows[following][0])):
                return
            results = [self._stored.pop(index) for index in rows[generation]]
            for proposal in (result.proposal for result in results):
                self._candidates.setdefault(proposal.fingerprint, proposal.candidate)
                self._used.add(_key(proposal))
                self._left -= self._cost(proposal)
            self._archive.add_generation(results)
            self._next = rows[following][0]
            self._generation = generation + 1


def _key(proposal: Proposal) -> tuple[int, int, int]:
    return proposal.candidate, proposal.seed, proposal.steps


def worth(settings: meta_training.MetaTraining, examples: int) -> int:
    """How many networks of so many gradient-examples each a meta-training costs, at least 1.

    >>> worth(meta_training.MetaTraining(outer_steps=10, inner_steps=5, batch_size=20), 800)
    4
    """
    return max(1, -(-settings.gradient_examples // examples))
