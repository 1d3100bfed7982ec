"""The contract between a search and what executes it: ask and tell, by id, in any order.

Strategies know neither how networks are trained nor where. Most are *generational*: a pure function
from the archive to the next generation of drafts, wrapped by `evoact.strategies.generational`, which
does all the bookkeeping once for all of them.
"""

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from evoact.genomes.genome import Genome, fingerprint
from evoact.genomes.meta_training import MetaTraining
from evoact.records import Proposal, Result, TrainProposal, TrainResult
from evoact.strategies.archive import Archive, Candidate


class Strategy(Protocol):
    """The interface between execution and a search."""

    @property
    def finished(self) -> bool:
        """Whether all that was proposed was told and nothing more will come."""
        ...

    def ask(self, n: int) -> list[Proposal]:
        """Return up to n proposals; none means that more must be told first, or that the search has finished."""
        ...

    def tell(self, results: Iterable[Result]) -> None:
        """Take results of pending proposals, in any order; failures are results too.

        Raises:
            ValueError: for a result whose proposal is not pending.
        """
        ...

    def replay(self, results: Iterable[Result]) -> None:
        """Take the stored results of an interrupted run, in any order, before the first ask.

        Afterwards the strategy is where it was: it proposes what is still missing, then what an
        undisturbed run would have.

        Raises:
            UserError: if the results cannot be of this search.
        """
        ...

    def expected(self) -> int:
        """Return how many proposals there will be in all, if those to come cost what those up to now did."""
        ...

    def checkpoints(self) -> Set[str]:
        """Return the names of the checkpoints from which a training may yet continue."""
        ...


@dataclass(frozen=True, slots=True)
class Draft:
    """A genome to be evaluated, before it is numbered.

    `seed` None takes the replicate of the generation, or the candidate's next unused one; a draft
    whose seed was used, or whose candidate has used all replicates, is dropped. `rung` says how often
    it was promoted, and how long it is trained.
    """

    genome: Genome
    parents: tuple[int, ...] = ()
    seed: int | None = None
    context: str = ""
    rung: int = 0

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.genome)


def promotion(p: TrainProposal) -> Draft:
    """Return the same network on the next rung."""
    return Draft(p.genome, (p.candidate,), p.seed, p.context, p.rung + 1)


def reevaluation(candidate: Candidate) -> Draft:
    """Return the same network on its next unused replicate."""
    return Draft(candidate.genome, parents=(candidate.index,))


def merit(result: TrainResult) -> tuple[float, int]:
    """Return what results of one rung are ordered by, the best first; ties go to the one proposed first."""
    return -(result.score or 0.0), result.proposal.index


@dataclass(frozen=True, slots=True)
class MetaDraft:
    """A meta-training, before it is numbered: the types of `genome`, which is not canonical, are to be learned
    from start number `seed`."""

    genome: Genome
    settings: MetaTraining
    seed: int


METRIC = "val_metric"  # the column that every search is for
WHOLE = (Fraction(1),)  # the `shares` of a search that trains every network to its end


class Proposer(Protocol):
    """The idea of a generational search, a pure function: same generation and archive, same drafts.

    `name` is the strategy's name in the leaderboard. Where `independent` holds, drafts do not depend
    on results, and generations need not wait for each other. `shares` are the parts of the steps after
    which networks of each rung stand, rising to 1. Where `asynchronous` holds, generations do not wait for each
    other, and networks are promoted as results come in: `evoact.strategies.asynchronous` drives such a search.
    If `from_space` holds, all networks are genomes of the space and are trained to their end, once on each
    replicate. `meta_trainings` are those with which it begins. `remark` is what a user should know of this search
    before it begins, such as that its budget is small; empty for nothing.
    """

    @property
    def name(self) -> str: ...

    @property
    def independent(self) -> bool: ...

    @property
    def from_space(self) -> bool: ...

    @property
    def meta_trainings(self) -> Sequence[MetaDraft]: ...

    @property
    def shares(self) -> Sequence[Fraction]: ...

    @property
    def asynchronous(self) -> bool: ...

    @property
    def remark(self) -> str: ...

    def propose(self, generation: int, archive: Archive) -> Sequence[Draft | MetaDraft]:
        """Return the drafts of a generation, from the results of the ones before; none ends the search."""
        ...

    def recommend(self, k: int, archive: Archive) -> list[Candidate]:
        """Return at most k candidates, the best first, by the search's own rule: those that leave an island. What is
        confirmed is chosen by one rule for all, `strategies.surrogate.surrogate.recommended`."""
        ...
