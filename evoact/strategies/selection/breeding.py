"""The breeding of candidates: DEAP's tournaments and crossover, mutations, repair.

DEAP draws from Python's global generator, so every use of it is
wrapped in `contained`, which seeds that generator and restores it afterwards.
"""

import json
import math
import random
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

from deap import tools

from evoact.genomes.genome import Genome, fingerprint
from evoact.genomes.hyperparameters import LEARNING_RATE
from evoact.genomes.space import SearchSpace
from evoact.genomes.variation import (
    Layers,
    aligned,
    build,
    layers_from,
    layers_of,
    mutations,
    step_learning_rate,
    step_setting,
)
from evoact.seeding import derive, python_random
from evoact.strategies.archive import Candidate
from evoact.strategies.strategy import Draft

# How often a child is bred anew, with two mutations more each time, before a sample takes its place.
ATTEMPTS = 3
# Chance that a child's learning rate takes a step, and the standard deviation of that, in decades; other
# hyperparameters go to a neighbour on their grid with that chance.
LEARNING_RATE_STEP, LEARNING_RATE_SPREAD = 0.25, 0.25
# At strength 1: how many mutations follow the first in the mean, and the chance of each block to be reassigned
# among its layer's types if single blocks are flipped.
MORE, FLIP = 0.3, 0.1
# Between these limits strengths adapt themselves; above, children would be random samples.
WEAKEST, STRONGEST = 0.125, 8.0


@contextmanager
def contained(seed: int) -> Iterator[None]:
    """Seed Python's global generator for DEAP, and restore its state afterwards."""
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


@dataclass(frozen=True, slots=True)
class Parent:
    """A candidate to breed from; DEAP's tournament compares `fitness`, children inherit `strength`."""

    index: int
    genome: Genome
    layers: Layers
    fitness: float
    strength: float


def parents_in(space: SearchSpace, candidates: Sequence[Candidate]) -> list[Parent]:
    """Return those of the candidates that lie in the space; the earlier one is the fitter."""
    placed = [(c, _layers(space, c.genome)) for c in candidates]
    return [
        Parent(c.index, c.genome, layers, -place, json.loads(c.context or "{}").get("strength", 1.0))
        for place, (c, layers) in enumerate(placed)
        if layers is not None
    ]


@lru_cache(maxsize=1024)
def _layers(space: SearchSpace, genome: Genome) -> Layers | None:
    """Of a genome; None if it is not in the space."""
    return layers_of(space, genome) if space.contains(genome) else None


def _adapted(strength: float, space: SearchSpace, draw: random.Random) -> float:
    """A child's strength, log-normal around its parent's (Schwefel 1981), at the rate 1 / sqrt(2 sqrt(n)) for n blocks
    (Bäck & Schwefel 1993)."""
    blocks = sum(len(space.block_widths(site)) for site in space.sites)
    strength *= math.exp(draw.gauss(0, 1) / math.sqrt(2 * math.sqrt(blocks)))
    return float(f"{min(max(strength, WEAKEST), STRONGEST):.2g}")  # few different ones are few contexts


def breed(
    space: SearchSpace,
    parents: Sequence[Parent],
    count: int,
    *,
    seed: int,
    tournament: int,
    crossover: float,
    seen: Collection[str],
    adaptive: bool = False,
) -> list[Draft]:
    """Return at most `count` new children, all in the space: tournament, crossover, mutation, repair.

    A child is new if its fingerprint is not in `seen`; if breeding gives none, nor a random sample
    does, it is left out. Parents must be in the space; without any, the drafts are random samples. Where mutations are
    `adaptive`, a child's strength of mutation is that of its parent, mutated before it is used, and stands in its
    context.
    """
    drafts: list[Draft] = []
    born: set[str] = set()
    draw = python_random(seed, "breed")
    with contained(derive(seed, "deap")):
        for _ in range(count):
            for attempt in range(ATTEMPTS + 1):
                if parents and attempt < ATTEMPTS:
                    draft = _child(space, parents, tournament, crossover, adaptive, 1 + 2 * attempt, draw)
                else:
                    draft = Draft(space.sample(draw))
                name = fingerprint(draft.genome)
                if name not in seen and name not in born:
                    born.add(name)
                    drafts.append(draft)
                    break
    return drafts


def immigrants(space: SearchSpace, count: int, seed: int) -> list[Draft]:
    """Return random samples, new or not."""
    return [Draft(space.sample(python_random(seed, "immigrant", i))) for i in range(count)]


def _child(
    space: SearchSpace,
    parents: Sequence[Parent],
    tournament: int,
    crossover: float,
    adaptive: bool,
    mutations: int,
    draw: random.Random,
) -> Draft:
    """One child; its parents are chosen by DEAP, which draws from the global generator."""
    first, second = tools.selTournament(parents, 2, tournsize=tournament)
    layers, settings = [list(layer) for layer in first.layers], dict(first.genome.hyperparameters)
    crossed = first.index != second.index and draw.random() < crossover
    if crossed:
        layers = _crossed(space, layers, second.layers, draw)
        settings = {k: draw.choice((v, second.genome.hyperparameter(k))) for k, v in settings.items()}
    strength = _adapted(first.strength, space, draw) if adaptive else 1.0
    if not crossed or mutations > 1 or draw.random() < 0.5:
        further = MORE * strength
        for _ in range(mutations + int(further) + (draw.random() < further % 1)):
            _mutate(space, layers, strength, draw)
        if draw.random() < LEARNING_RATE_STEP:
            rate = settings[LEARNING_RATE]
            settings[LEARNING_RATE] = step_learning_rate(space, rate, LEARNING_RATE_SPREAD * strength, draw)
        for name, _ in space.hyperparameters:
            if draw.random() < LEARNING_RATE_STEP:
                settings[name] = step_setting(space, name, settings[name], draw)
    ancestors = (first.index, second.index) if crossed else (first.index,)
    context = json.dumps({"strength": strength}) if adaptive else ""
    return Draft(build(space, layers, tuple(settings.items()), draw), parents=ancestors, context=context)


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


def _mutate(space: SearchSpace, layers: Layers, strength: float, draw: random.Random) -> None:
    """One mutation: one of `mutations`, or single blocks flipped among their layer's types."""
    known = mutations(space)
    choice = draw.randrange(len(known) + 1)
    if choice < len(known):
        known[choice](space, layers, draw)
        return
    layer = draw.choice(layers)
    types = list(dict.fromkeys(layer))
    assignment = [types.index(activation) for activation in layer]
    tools.mutUniformInt(assignment, 0, len(types) - 1, min(FLIP * strength, 0.5))
    layer[:] = [types[t] for t in assignment]
