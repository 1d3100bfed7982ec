"""A search on an island: now and then the best of others come ashore (Cohoon, Hegde, Martin & Richards 1987)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from evoact.errors import UserError
from evoact.genomes.genome import Genome, canonical, fingerprint
from evoact.genomes.space import SearchSpace
from evoact.strategies.archive import Archive, Candidate
from evoact.strategies.strategy import WHOLE, Draft, MetaDraft, Proposer

# Takes the generation and the genomes that leave; returns those that arrive, always the same for a generation.
Migration = Callable[[int, Sequence[Genome]], Sequence[Genome]]


@dataclass(frozen=True)
class Island:
    """Any search that learns from results, generation by generation; every so many of them its best leave, and the
    arrivals are trained with the generation's own proposals, first of all. What is known here is not trained again.
    """

    proposer: Proposer
    space: SearchSpace
    migration: Migration
    every: int
    migrants: int

    def __post_init__(self) -> None:
        check_island(self.proposer)

    @property
    def name(self) -> str:
        return self.proposer.name

    @property
    def independent(self) -> bool:
        return False

    @property
    def from_space(self) -> bool:
        return True

    @property
    def meta_trainings(self) -> Sequence[MetaDraft]:
        return ()

    @property
    def shares(self) -> Sequence[Fraction]:
        return WHOLE

    @property
    def asynchronous(self) -> bool:
        return False

    @property
    def remark(self) -> str:
        return self.proposer.remark

    def propose(self, generation: int, archive: Archive) -> Sequence[Draft | MetaDraft]:
        drafts = [*self.proposer.propose(generation, archive)]
        if not drafts or generation == 0 or generation % self.every:
            return drafts
        leaving = [candidate.genome for candidate in self.proposer.recommend(self.migrants, archive)]
        arrived = [canonical(genome, self.space.sites) for genome in self.migration(generation, leaving)]
        return [*(Draft(genome) for genome in arrived if fingerprint(genome) not in archive.rows), *drafts]

    def recommend(self, k: int, archive: Archive) -> list[Candidate]:
        return self.proposer.recommend(k, archive)


def check_island(proposer: Proposer) -> None:
    """Check that a search has generations that arrivals can join.

    Raises:
        UserError: naming one that has.
    """
    if (
        proposer.independent
        or proposer.asynchronous
        or not proposer.from_space
        or tuple(proposer.shares) != WHOLE
    ):
        raise UserError(
            f"expected a strategy on an island that learns from whole generations, such as evolution or hybrid, got "
            f"{proposer.name}; leave islands out, or unite the runs afterwards with `evoact union`"
        )
