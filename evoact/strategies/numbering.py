"""From drafts to proposals: ids, replicates, duplicates, and what is left of the budget."""

from collections.abc import Iterable, Sequence
from fractions import Fraction

from evoact.errors import UserError
from evoact.genomes import meta_training
from evoact.genomes.genome import Site, canonical, digest, fingerprint, structure, to_json
from evoact.records import MetaTrainProposal, Proposal, TrainProposal
from evoact.strategies.strategy import Draft, MetaDraft

# After so many generations in a row without anything new, a space counts as exhausted.
PATIENCE = 50


class Numbering:
    """All that was proposed in a phase, and how much more may be.

    The same genome, seed and steps are never proposed twice. A promoted network goes on where it stopped and
    costs its further steps alone; a meta-training counts for as many networks as it costs gradient-examples.
    """

    def __init__(
        self,
        sites: Sequence[Site],
        shares: Sequence[Fraction],
        *,
        strategy: str,
        networks: int,
        steps: int,
        batch_size: int,
        replicates: int,
        phase: str,
        first_index: int,
    ):
        numbers = {
            "networks": networks,
            "steps": steps,
            "batch_size": batch_size,
            "replicates": replicates,
        }
        for name, value in numbers.items():
            if value < 1:
                raise UserError(f"expected {name} of at least 1, got {value}")
        self.stops = tuple(max(1, int(steps * share)) for share in shares)
        self.first = self.next = first_index
        self.left = self._budget = networks * steps  # in steps
        self._sites, self._steps, self._batch_size = tuple(sites), steps, batch_size
        self._replicates, self._strategy, self._phase = replicates, strategy, phase
        self._candidates: dict[str, int] = {}
        self._used: set[int] = set()  # (candidate, seed, steps)

    @property
    def last_rung(self) -> int:
        return len(self.stops) - 1

    @property
    def exhausted(self) -> bool:
        """Whether the budget holds not even the shortest training any more."""
        return self.left < self.stops[0]

    def expected(self) -> int:
        """Return how many proposals there will be in all, if those to come cost what those up to now did."""
        asked, spent = self.next - self.first, self._budget - self.left
        return asked + self.left * (asked or 1) // (spent or self._steps)

    def numbered(self, draft: Draft | MetaDraft, generation: int, told: int) -> Proposal | None:
        """Return the numbered proposal; None if the budget does not hold it, or it was proposed already."""
        found: Proposal | None = (
            self._train(draft, generation, told)
            if isinstance(draft, Draft)
            else self._meta_train(draft, generation, told)
        )
        if found is None or _key(found) in self._used or self._cost(found) > self.left:
            return None
        self.enter(found)
        return found

    def enter(self, proposal: Proposal) -> None:
        """Take note of what was proposed, now or in the interrupted run."""
        self.know(proposal)
        self.left -= self._cost(proposal)
        self.next = max(self.next, proposal.index + 1)

    def know(self, proposal: Proposal) -> None:
        """Take note of what another phase proposed."""
        self._candidates.setdefault(proposal.fingerprint, proposal.candidate)
        self._used.add(_key(proposal))

    def check_stored(self, indices: Sequence[int]) -> None:
        """Check that stored rows can be of this search.

        Raises:
            UserError: for an index out of range.
        """
        end = self.first + self._budget // self.stops[0]
        for index in indices:
            if not self.first <= index < end:
                raise UserError(
                    f"expected stored proposals {self.first} to {end - 1}, got {index}; "
                    "resume with the configuration of the run"
                )

    def _train(self, draft: Draft, generation: int, told: int) -> TrainProposal | None:
        genome = canonical(draft.genome, self._sites)
        name = fingerprint(genome)
        candidate = self._candidates.get(name, self.next)
        seed = self._free_seed(candidate, generation) if draft.seed is None else draft.seed
        if seed is None:
            return None
        return TrainProposal(
            index=self.next,
            candidate=candidate,
            genome=genome,
            structure=structure(genome),
            fingerprint=name,
            seed=seed,
            steps=self.stops[draft.rung],
            phase=self._phase,
            rung=draft.rung,
            start=self.stops[draft.rung - 1] if draft.rung else 0,
            resumable=draft.rung < self.last_rung,
            strategy=self._strategy,
            generation=generation,
            parents=draft.parents,
            told=told,
            context=draft.context,
        )

    def _meta_train(self, draft: MetaDraft, generation: int, told: int) -> MetaTrainProposal:
        name = digest([to_json(draft.genome), meta_training.dumps(draft.settings)])
        return MetaTrainProposal(
            index=self.next,
            candidate=self._candidates.get(name, self.next),
            genome=draft.genome,
            structure=structure(draft.genome),
            fingerprint=name,
            seed=draft.seed,
            steps=draft.settings.outer_steps * draft.settings.inner_steps,
            phase=self._phase,
            strategy=self._strategy,
            generation=generation,
            told=told,
            settings=draft.settings,
        )

    def _cost(self, proposal: Proposal) -> int:
        """In steps of a network; a meta-training's in whole networks."""
        if isinstance(proposal, MetaTrainProposal):
            return worth(proposal.settings, self._steps * self._batch_size) * self._steps
        return proposal.steps - (self.stops[proposal.rung - 1] if proposal.rung else 0)

    def _free_seed(self, candidate: int, generation: int) -> int | None:
        """The generation's replicate, or the candidate's next unused one; None if all are used."""
        for step in range(self._replicates):
            seed = (generation + step) % self._replicates
            if all(_number(candidate, seed, steps) not in self._used for steps in self.stops):
                return seed
        return None


def _key(proposal: Proposal) -> int:
    return _number(proposal.candidate, proposal.seed, proposal.steps)


def _number(candidate: int, seed: int, steps: int) -> int:
    """Three numbers as one, which takes a third of their tuple's memory."""
    return (candidate << 96) | (seed << 48) | steps


def worth(settings: meta_training.MetaTraining, examples: int) -> int:
    """Return how many networks of so many gradient-examples each a meta-training costs, at least 1.

    >>> worth(meta_training.MetaTraining(outer_steps=10, inner_steps=5, batch_size=20), 800)
    4
    """
    return max(1, -(-settings.gradient_examples // examples))


def cost_of(drafts: Iterable[MetaDraft], examples: int) -> int:
    """Return how many networks of so many gradient-examples each these meta-trainings cost together."""
    return sum(worth(draft.settings, examples) for draft in drafts)
