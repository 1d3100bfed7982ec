"""Evolution (Liu & Yao 1996; Turner & Miller 2014): which candidates survive, and which children are trained."""

from collections.abc import Sequence
from dataclasses import dataclass

from evoact.errors import UserError
from evoact.genomes.space import SearchSpace
from evoact.registry import unknown
from evoact.seeding import derive, generator, python_random
from evoact.strategies.archive import COSTS, Archive, Candidate
from evoact.strategies.selection.breeding import breed, immigrants, parents_in
from evoact.strategies.selection.pareto import best_compromises
from evoact.strategies.strategy import METRIC, WHOLE, Draft, reevaluation
from evoact.strategies.surrogate.surrogate import Surrogate, recommended, surrogate
from evoact.strategies.surrogate.thompson import survivors, winners

# A generation is at least such a part of all results so far: what a generation costs is then spread over as
# many more proposals, and as many more workers find work.
GROWTH = 16


@dataclass(frozen=True)
class Evolution:
    """Generations of `population` proposals, or of a sixteenth of all results so far if that is more.

    `startup` candidates are drawn at random. From then on a surrogate learns from all results, its posterior
    samples say which `parents` survive to breed, and which of many `offspring` are trained; at most `elites`
    of a generation are candidates known, evaluated once more. A candidate that ever failed is neither parent nor
    elite.

    With `surrogate: false` the parents are the best by shrunken mean, their children are trained unseen, and the
    elites are the best of the parents. Two settings imply that:

    With `steady_state` no worker waits for a generation. Each proposal is made from what is known at that moment, the
    parents are the best of the `population` candidates that were first evaluated last, older ones have died (Real
    et al. 2019), and a share of `elites` / `population` of the proposals evaluates one of the `elites` best of these
    once more. What is proposed then depends on the order of results.

    With several `objectives`, of which the first is the metric, the parents are the best compromises (NSGA-II, Deb et
    al. 2002). What is recommended is best by the metric.

    With `adaptive` each candidate has a strength of mutation of its own, inherited and itself mutated: how many
    mutations a child undergoes, how many blocks these flip, and how far its learning rate steps.
    """

    space: SearchSpace
    seed: int = 0
    population: int = 16
    parents: int = 16
    elites: int = 8
    tournament: int = 3
    crossover: float = 0.5
    offspring: int = 96
    startup: int = 24
    surrogate: bool | None = None
    steady_state: bool = False
    objectives: Sequence[str] = (METRIC,)
    adaptive: bool = False

    name = "evolution"
    independent = False
    from_space = True
    meta_trainings = ()
    shares = WHOLE
    remark = ""

    def __post_init__(self) -> None:
        if not 1 <= self.tournament <= self.parents:
            raise UserError(f"expected a tournament of 1 to {self.parents} parents, got {self.tournament}")
        if not 0 <= self.elites < self.population:
            raise UserError(
                f"expected fewer elites than the population of {self.population}, got {self.elites}"
            )
        if not 0 <= self.crossover <= 1:
            raise UserError(f"expected a crossover probability from 0 to 1, got {self.crossover}")
        self._check_objectives()
        if self.steady_state and self.parents > self.population:
            raise UserError(
                f"expected at most {self.population} parents with steady_state, the size of the population, "
                f"got {self.parents}"
            )
        if self.surrogate and (self.steady_state or self._costs):
            raise UserError(
                "expected surrogate to be true only without steady_state and with one objective, got true; "
                "leave it out"
            )

    def _check_objectives(self) -> None:
        for name in self.objectives:
            if name not in (METRIC, *COSTS):
                raise UserError(unknown("objective", name, (METRIC, *COSTS)))
        if self.objectives[:1] not in ([METRIC], (METRIC,)) or len(set(self.objectives)) < len(
            self.objectives
        ):
            raise UserError(
                f"expected objectives that begin with {METRIC}, each once, got {list(self.objectives)}"
            )

    @property
    def asynchronous(self) -> bool:
        return self.steady_state

    @property
    def _costs(self) -> Sequence[str]:
        return self.objectives[1:]

    @property
    def _learns(self) -> bool:
        """Whether children are chosen by a surrogate."""
        return self.surrogate is not False and not self.steady_state and not self._costs

    def propose(self, generation: int, archive: Archive) -> list[Draft]:
        size = 1 if self.steady_state else max(self.population, archive.results // GROWTH)
        seed = derive(self.seed, "evolution", generation)
        drafts = [] if len(archive) < self.startup else self._bred(size, archive, seed)
        return drafts + immigrants(self.space, size - len(drafts), seed)

    def recommend(self, k: int, archive: Archive) -> list[Candidate]:
        return archive.best(k) if self.surrogate is False else recommended(archive, k)

    def _bred(self, size: int, archive: Archive, seed: int) -> list[Draft]:
        model = surrogate(archive) if self._learns else None
        if model is not None:
            return self._foreseen(size, model, archive, seed)
        best = self._best(max(self.parents, self.elites * size // self.population), archive)
        kept = self._again(best, size, seed)
        return kept + self._children(best[: self.parents], size - len(kept), archive, seed)

    def _foreseen(self, size: int, model: Surrogate, archive: Archive, seed: int) -> list[Draft]:
        random = generator(seed, "thompson")
        chosen = survivors(model, self.parents, random)
        children = self._children(chosen, max(self.offspring, size), archive, seed)
        return winners(model, children, size, self.elites * size // self.population, random)

    def _again(self, best: Sequence[Candidate], size: int, seed: int) -> list[Draft]:
        """Those of so many proposals that evaluate a candidate once more; if each is made alone, one of the elites
        by lot, or many that are asked for together would be the same one."""
        if not self.steady_state:
            return [reevaluation(c) for c in best[: self.elites * size // self.population]]
        draw = python_random(seed, "elite")
        wanted = best and draw.random() < self.elites / self.population
        return [reevaluation(draw.choice(best[: self.elites]))] if wanted else []

    def _best(self, k: int, archive: Archive) -> list[Candidate]:
        """The candidates that may breed, the best first."""
        alive = archive.youngest(self.population) if self.steady_state else archive.usable()
        return best_compromises(archive, alive, self._costs, k) if self._costs else archive.best(k, alive)

    def _children(self, parents: Sequence[Candidate], count: int, archive: Archive, seed: int) -> list[Draft]:
        return breed(
            self.space,
            parents_in(self.space, parents),
            count,
            seed=seed,
            tournament=self.tournament,
            crossover=self.crossover,
            seen=archive.rows,
            adaptive=self.adaptive,
        )
