"""Evolution with DEAP's operators: mu + lambda with elitism, on denoised scores.

The only module that imports DEAP. DEAP draws from Python's global generator, so every use of it is
wrapped in `contained`, which seeds that generator and restores it afterwards.
"""

import random
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from deap import tools

from evoact.errors import UserError
from evoact.genomes.genome import Genome, fingerprint
from evoact.genomes.operators import (
    Layers,
    aligned,
    build,
    layers_from,
    layers_of,
    mutations,
    step_learning_rate,
)
from evoact.genomes.space import SearchSpace
from evoact.seeding import derive, generator, python_random
from evoact.strategies.archive import Archive, Candidate
from evoact.strategies.strategy import WHOLE, Draft, reevaluation
from evoact.strategies.surrogate import Surrogate, recommended, surrogate
from evoact.strategies.thompson import survivors, winners

# How often a child is bred anew, with two mutations more each time, before a sample takes its place.
ATTEMPTS = 3
# Chance that a child's learning rate takes a step on the grid.
LEARNING_RATE_STEP = 0.25
# A generation is at least such a part of all results so far: what a generation costs is then spread over as
# many more proposals, and as many more workers find work.
GROWTH = 16
# Chance of each block to be reassigned among its layer's types where single blocks are flipped.
FLIP = 0.1


@contextmanager
def contained(seed: int) -> Iterator[None]:
    """Seeds Python's global generator for DEAP, and restores its state afterwards."""
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


@dataclass(frozen=True, slots=True)
class Parent:
    """A candidate to breed from; DEAP's tournament compares `fitness`."""

    index: int
    genome: Genome
    layers: Layers
    fitness: float


def parents_in(space: SearchSpace, candidates: Sequence[Candidate]) -> list[Parent]:
    """Those of the candidates that lie in the space, in their order."""
    return [
        Parent(c.index, c.genome, layers_of(space, c.genome), c.score)
        for c in candidates
        if space.contains(c.genome)
    ]


def breed(
    space: SearchSpace,
    parents: Sequence[Parent],
    count: int,
    *,
    seed: int,
    tournament: int,
    crossover: float,
    seen: Collection[str],
) -> list[Draft]:
    """At most `count` new children, all in the space: tournament, crossover, mutation, repair.

    A child is new if its fingerprint is not in `seen`; where breeding gives none, nor a random sample
    does, it is left out. Parents must be in the space; without any, the drafts are random samples.
    """
    drafts: list[Draft] = []
    born: set[str] = set()
    draw = python_random(seed, "breed")
    with contained(derive(seed, "deap")):
        for _ in range(count):
            for attempt in range(ATTEMPTS + 1):
                if parents and attempt < ATTEMPTS:
                    draft = _child(space, parents, tournament, crossover, 1 + 2 * attempt, draw)
                else:
                    draft = Draft(space.sample(draw))
                name = fingerprint(draft.genome)
                if name not in seen and name not in born:
                    born.add(name)
                    drafts.append(draft)
                    break
    return drafts


def immigrants(space: SearchSpace, count: int, seed: int) -> list[Draft]:
    """Random samples, new or not."""
    return [Draft(space.sample(python_random(seed, "immigrant", i))) for i in range(count)]


def _child(
    space: SearchSpace,
    parents: Sequence[Parent],
    tournament: int,
    crossover: float,
    mutations: int,
    draw: random.Random,
) -> Draft:
    """One child; its parents are chosen by DEAP, which draws from the global generator."""
    first, second = tools.selTournament(parents, 2, tournsize=tournament)
    layers, rate = [list(layer) for layer in first.layers], first.genome.hyperparameter("learning_rate")
    crossed = first.index != second.index and draw.random() < crossover
    if crossed:
        layers = _crossed(space, layers, second.layers, draw)
        rate = draw.choice((rate, second.genome.hyperparameter("learning_rate")))
    if not crossed or mutations > 1 or draw.random() < 0.5:
        for _ in range(mutations + (draw.random() < 0.3)):
            _mutate(space, layers, draw)
        if draw.random() < LEARNING_RATE_STEP:
            rate = step_learning_rate(space, rate, draw)
    ancestors = (first.index, second.index) if crossed else (first.index,)
    return Draft(build(space, layers, rate, draw), parents=ancestors)


def _crossed(space: SearchSpace, first: Layers, second: Layers, draw: random.Random) -> Layers:
    """Per group of tied sites: one parent's blocks whole, or two-point or uniform crossover of both's."""
    rows = []
    for a, b in zip(aligned(space, first), aligned(space, second), strict=True):
        way = draw.choice(("whole", "two-point", "uniform"))
        if way == "two-point" and len(a) > 1:
            tools.cxTwoPoint(a, b)
        elif way == "uniform":
            tools.cxUniform(a, b, 0.5)
        rows.append(draw.choice((a, b)))
    return layers_from(space, rows)


def _mutate(space: SearchSpace, layers: Layers, draw: random.Random) -> None:
    """One mutation: one of `mutations`, or single blocks flipped among their layer's types."""
    known = mutations(space)
    choice = draw.randrange(len(known) + 1)
    if choice < len(known):
        known[choice](space, layers, draw)
        return
    layer = draw.choice(layers)
    types = list(dict.fromkeys(layer))
    assignment = [types.index(activation) for activation in layer]
    tools.mutUniformInt(assignment, 0, len(types) - 1, FLIP)
    layer[:] = [types[t] for t in assignment]


@dataclass(frozen=True)
class Evolution:
    """Generations of `population` proposals, or of a sixteenth of all results so far where that is more.

    `startup` candidates are drawn at random. From then on a surrogate learns from all results, its posterior
    samples say which `parents` survive to breed, and which of many `offspring` are trained; at most `elites`
    of a generation are candidates known, evaluated once more. With `surrogate: false` the parents are the best
    by shrunken mean, their children are trained unseen, and the elites are the best of the parents.
    A candidate that ever failed is neither parent nor elite.
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
    surrogate: bool = True

    name = "evolution"
    independent = False
    shares = WHOLE
    asynchronous = False

    def __post_init__(self) -> None:
        if not 1 <= self.tournament <= self.parents:
            raise UserError(f"expected a tournament of 1 to {self.parents} parents, got {self.tournament}")
        if not 0 <= self.elites < self.population:
            raise UserError(
                f"expected fewer elites than the population of {self.population}, got {self.elites}"
            )
        if not 0 <= self.crossover <= 1:
            raise UserError(f"expected a crossover probability from 0 to 1, got {self.crossover}")

    def propose(self, generation: int, archive: Archive) -> list[Draft]:
        size = max(self.population, archive.results // GROWTH)
        seed = derive(self.seed, "evolution", generation)
        model = surrogate(archive) if self.surrogate and len(archive) >= self.startup else None
        drafts = [] if len(archive) < self.startup else self._bred(size, model, archive, seed)
        return drafts + immigrants(self.space, size - len(drafts), seed)

    def _bred(self, size: int, model: Surrogate | None, archive: Archive, seed: int) -> list[Draft]:
        elites = self.elites * size // self.population
        if model is None:
            best = archive.best(max(self.parents, elites))
            kept = [reevaluation(c) for c in best[:elites]]
            return kept + self._children(best[: self.parents], size - len(kept), archive, seed)
        random = generator(seed, "thompson")
        chosen = survivors(model, self.parents, random)
        children = self._children(chosen, max(self.offspring, size), archive, seed)
        return winners(model, children, size, elites, random)

    def _children(self, parents: Sequence[Candidate], count: int, archive: Archive, seed: int) -> list[Draft]:
        return breed(
            self.space,
            parents_in(self.space, parents),
            count,
            seed=seed,
            tournament=self.tournament,
            crossover=self.crossover,
            seen=archive.rows,
        )

    def recommend(self, k: int, archive: Archive) -> list[Candidate]:
        return recommended(archive, k) if self.surrogate else archive.best(k)
