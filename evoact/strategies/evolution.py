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
    MUTATIONS,
    Layers,
    aligned,
    build,
    layers_from,
    layers_of,
    step_learning_rate,
)
from evoact.genomes.space import SearchSpace
from evoact.seeding import derive, python_random
from evoact.strategies.archive import Archive
from evoact.strategies.strategy import Draft

# How often a child that was seen before is bred anew; after that it is a re-evaluation.
ATTEMPTS = 8
# Chance that a child's learning rate takes a step on the grid.
LEARNING_RATE_STEP = 0.25
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
    fitness: float


def parents_among(archive: Archive, rows: Sequence[int], scores: Sequence[float], most: int) -> list[Parent]:
    """The best `most` of these archive rows by score, the best first; ties go to the earlier row."""
    order = sorted(range(len(rows)), key=lambda i: (-scores[i], rows[i]))[:most]
    return [Parent(archive.index(rows[i]), archive.genome(rows[i]), scores[i]) for i in order]


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
    """Children of the parents, all in the space: tournament, crossover, mutation, repair.

    Children whose fingerprint is in `seen` are bred anew a few times. Parents must be in the space;
    without any, the drafts are random samples.
    """
    if not parents:
        return [Draft(space.sample(python_random(seed, "immigrant", i))) for i in range(count)]
    drafts: list[Draft] = []
    born: set[str] = set()
    for i in range(count):
        for attempt in range(ATTEMPTS):
            with contained(derive(seed, "child", i, attempt)):
                draft = _child(space, parents, tournament, crossover)
            name = fingerprint(draft.genome)
            if name not in seen and name not in born:
                break
        born.add(name)
        drafts.append(draft)
    return drafts


def _child(space: SearchSpace, parents: Sequence[Parent], tournament: int, crossover: float) -> Draft:
    """One child; draws from the global generator, as DEAP does."""
    draw = random.Random(random.getrandbits(64))
    first, second = tools.selTournament(list(parents), 2, tournsize=tournament)
    layers, rate = layers_of(space, first.genome), first.genome.hyperparameter("learning_rate")
    crossed = first.index != second.index and draw.random() < crossover
    if crossed:
        layers = _crossed(space, layers, layers_of(space, second.genome), draw)
        rate = draw.choice((rate, second.genome.hyperparameter("learning_rate")))
    if not crossed or draw.random() < 0.5:
        for _ in range(1 + (draw.random() < 0.3)):
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
    """One mutation: one of `MUTATIONS`, or single blocks flipped among their layer's types."""
    choice = draw.randrange(len(MUTATIONS) + 1)
    if choice < len(MUTATIONS):
        MUTATIONS[choice](space, layers, draw)
        return
    layer = draw.choice(layers)
    types = list(dict.fromkeys(layer))
    assignment = [types.index(activation) for activation in layer]
    tools.mutUniformInt(assignment, 0, len(types) - 1, FLIP)
    layer[:] = [types[t] for t in assignment]


@dataclass(frozen=True)
class Evolution:
    """Generations of `population` proposals: `elites` re-evaluated on fresh replicates, the rest children.

    The `parents` best of all candidates so far, by shrunken mean, compete in tournaments to breed.
    A candidate that ever failed is neither parent nor elite.
    """

    space: SearchSpace
    seed: int = 0
    population: int = 32
    parents: int = 16
    elites: int = 8
    tournament: int = 3
    crossover: float = 0.5

    name = "evolution"
    independent = False

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
        rows = archive.usable()
        scores = archive.posterior(rows).mean
        best = parents_among(archive, rows.tolist(), scores.tolist(), max(self.parents, self.elites))
        elites = [Draft(parent.genome, parents=(parent.index,)) for parent in best[: self.elites]]
        return elites + breed(
            self.space,
            [parent for parent in best[: self.parents] if self.space.contains(parent.genome)],
            self.population - len(elites),
            seed=derive(self.seed, "evolution", generation),
            tournament=self.tournament,
            crossover=self.crossover,
            seen=archive.rows,
        )
