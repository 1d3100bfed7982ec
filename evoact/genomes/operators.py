"""Genetic variation: pure functions from genomes of a space to genomes of that space.

They work on a genome's *layers*: for each site, the list of its blocks' activations. Operators may
leave a layer with too many or too few types; `build` repairs that, so that the result is always in
the space. Lists may be handed to any operator for sequences (of DEAP, for example) in between.
"""

import math
import random
from collections.abc import Callable, Sequence

from evoact.genomes.genome import Activation, Genome
from evoact.genomes.space import SearchSpace

Layers = list[list[Activation]]
Mutation = Callable[[SearchSpace, Layers, random.Random], None]


def layers_of(space: SearchSpace, genome: Genome) -> Layers:
    """The genome's layers, as new lists: one activation per block, for each site."""
    return space.blocks(genome)


def build(space: SearchSpace, layers: Layers, learning_rate: float, random: random.Random) -> Genome:
    """The canonical genome with these layers, repaired to the allowed number of types."""
    return space.assemble([_repaired(space, layer, random) for layer in layers], learning_rate)


def _repaired(space: SearchSpace, layer: Sequence[Activation], random: random.Random) -> list[Activation]:
    """Blocks of the rarest types go to others while there are too many; new types join while too few."""
    layer = list(layer)
    while len(types := _types(layer)) > space.most_types:
        rarest = min(types, key=layer.count)
        types.remove(rarest)
        layer = [random.choice(types) if a == rarest else a for a in layer]
    while len(types := _types(layer)) < space.least_types:
        most = max(types, key=layer.count)
        layer[layer.index(most)] = space.fresh_activation(types, random)
    return layer


def _types(layer: Sequence[Activation]) -> list[Activation]:
    return list(dict.fromkeys(layer))


def _places(layer: Sequence[Activation], activation: Activation) -> list[int]:
    return [i for i, a in enumerate(layer) if a == activation]


def adopted(space: SearchSpace, genome: Genome, random: random.Random) -> Genome:
    """The genome carried over into a space on the same sites; itself if it is inside.

    Activations that the space does not offer are replaced, type by type, and a learning rate off its
    grid by the nearest on it, by ratio.
    """
    layers: Layers = []
    for layer in layers_of(space, genome):
        new: dict[Activation, Activation] = {}
        for activation in _types(layer):
            offered = any(family.contains(activation) for family in space.families)
            new[activation] = activation if offered else random.choice(space.families).sample(random)
        layers.append([new[activation] for activation in layer])
    rate = genome.hyperparameter("learning_rate")
    nearest = min(space.learning_rates, key=lambda r: abs(math.log(r / rate)))
    return build(space, layers, nearest, random)


# --- mutations: each changes one layer in place, or nothing where it cannot --------------------


def move_blocks(space: SearchSpace, layers: Layers, random: random.Random) -> None:
    """Some blocks of one type become another type that the layer has."""
    layer = random.choice(layers)
    types = _types(layer)
    if len(types) < 2:
        return
    source, target = random.sample(types, 2)
    places = _places(layer, source)
    keep = len(types) == space.least_types  # the type itself must stay
    for i in random.sample(places, random.randint(0 if keep else 1, len(places) - keep)):
        layer[i] = target


def change_activation(space: SearchSpace, layers: Layers, random: random.Random) -> None:
    """All blocks of one type take another activation: mostly a neighbour, sometimes a fresh one."""
    layer = random.choice(layers)
    types = _types(layer)
    old = random.choice(types)
    new = space.family_of(old).neighbour(old, random)
    if (new == old or random.random() < 0.3) and len(types) < space.activations:
        new = space.fresh_activation(types, random)
    for i in _places(layer, old):
        layer[i] = new


def add_type(space: SearchSpace, layers: Layers, random: random.Random) -> None:
    """Some of the blocks of one type take an activation that the layer did not have."""
    layer = random.choice(layers)
    types = _types(layer)
    places = _places(layer, random.choice(types))
    if len(types) >= space.most_types or len(places) < 2:
        return
    new = space.fresh_activation(types, random)
    for i in random.sample(places, random.randint(1, len(places) - 1)):
        layer[i] = new


def drop_type(space: SearchSpace, layers: Layers, random: random.Random) -> None:
    """All blocks of one type become one other type of the layer."""
    layer = random.choice(layers)
    types = _types(layer)
    if len(types) <= space.least_types or len(types) < 2:
        return
    old, new = random.sample(types, 2)
    for i in _places(layer, old):
        layer[i] = new


MUTATIONS: tuple[Mutation, ...] = (move_blocks, change_activation, add_type, drop_type)


def step_learning_rate(space: SearchSpace, learning_rate: float, random: random.Random) -> float:
    """The next lower or higher learning rate of the grid; at its ends the only neighbour."""
    rates = space.learning_rates
    i = rates.index(learning_rate) + random.choice((-1, 1))
    if len(rates) == 1:
        return learning_rate
    return rates[1 if i < 0 else len(rates) - 2 if i == len(rates) else i]


# --- recombination ------------------------------------------------------------------------------


def aligned(space: SearchSpace, layers: Layers) -> list[list[tuple[Activation, ...]]]:
    """The layers by group of tied sites, one row of activations per block: what crossover may exchange.

    Both parents are canonical, so equal types stand at about equal places and what the parents have
    in common is kept.
    """
    return [list(zip(*(layers[i] for i in group), strict=True)) for group in space.groups]


def layers_from(space: SearchSpace, rows: Sequence[Sequence[tuple[Activation, ...]]]) -> Layers:
    """The inverse of `aligned`."""
    layers: Layers = [[] for _ in space.sites]
    for group, blocks in zip(space.groups, rows, strict=True):
        for i, column in zip(group, zip(*blocks, strict=True), strict=True):
            layers[i] = list(column)
    return layers
