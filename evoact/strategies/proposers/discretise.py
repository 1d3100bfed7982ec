"""Gradient proposes, evolution disposes: per-neuron hulls are trained, then each neuron keeps its best function."""

from collections.abc import Sequence
from dataclasses import dataclass

from evoact.errors import UserError
from evoact.genomes.discretised import discrete, inherited
from evoact.genomes.field_options import HULLS
from evoact.genomes.genome import Genome
from evoact.genomes.kinds import Hull
from evoact.genomes.space import SearchSpace
from evoact.records import TrainResult
from evoact.registry import unknown
from evoact.seeding import derive
from evoact.strategies.archive import ASIDE, Archive, Candidate
from evoact.strategies.proposers.evolution import Evolution
from evoact.strategies.proposers.probes import became, trained
from evoact.strategies.strategy import WHOLE, Draft
from evoact.strategies.surrogate.surrogate import recommended


@dataclass(frozen=True)
class Discretise:
    """Networks whose neurons each have a hull of all functions, then what these become, then evolution from there.

    The first generation trains `hulls` such networks at each learning rate of the space, on different
    replicates; they are no candidates themselves. The second trains the networks in which each neuron
    keeps the function that is strongest in its hull (`evoact.activations.strongest`), carried over into the
    space, with coefficients reset (Baldwin 1896). With `inherit` the functions keep their mean coefficients, as in
    `0.8*sin(x)` (Lamarck 1809), and need not be in the space. The rest of the budget is evolution's.
    """

    space: SearchSpace
    seed: int = 0
    hull: str = "convex"
    hulls: int = 2
    inherit: bool = False

    name = "discretise"
    independent = False
    from_space = False
    meta_trainings = ()
    shares = WHOLE
    asynchronous = False
    remark = ""

    def __post_init__(self) -> None:
        if self.hull not in HULLS:
            raise UserError(unknown("hull", self.hull, HULLS))
        if self.hulls < 1:
            raise UserError(f"expected hulls of at least 1, got {self.hulls}")
        if len(self.space.functions) < 2:
            raise UserError(
                f"expected a space of at least 2 base functions to choose from, got {list(self.space.functions)}"
            )

    def propose(self, generation: int, archive: Archive) -> Sequence[Draft]:
        if generation == 0:
            hull = Hull(self.hull, self.space.functions, "neuron")
            networks = [self.space.homogeneous(hull, settings) for settings in self.space.settings]
            return [Draft(g, seed=k, context=ASIDE) for k in range(self.hulls) for g in networks]
        if generation == 1:
            whole = trained(archive.aside, archive.aside)
            drafts = [Draft(self._discrete(r), parents=(r.proposal.candidate,)) for r in whole]
            return drafts or self._evolved(generation, archive)
        return self._evolved(generation, archive)

    def recommend(self, k: int, archive: Archive) -> list[Candidate]:
        return recommended(archive, k)

    def _evolved(self, generation: int, archive: Archive) -> Sequence[Draft]:
        return Evolution(self.space, derive(self.seed, "discretise"), startup=1).propose(generation, archive)

    def _discrete(self, result: TrainResult) -> Genome:
        if self.inherit:
            return inherited(*discrete(result.discretised))
        return became(self.space, result, derive(self.seed, "discretise"))
