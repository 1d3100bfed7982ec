"""Genetic variation: pure functions from genomes of a space to genomes of that space.

They work on a genome's *layers*: for each site, the list of its blocks' activations. Operators may
leave a layer with too many or too few types or neurons; `build` repairs that, so that the result is always in
the space. Lists may be handed to any operator for sequences (of DEAP, for example) in between.
"""

import math
import random
from collections.abc import Callable, Sequence

from evoact.errors import UserError
from evoact.genomes.activation import NOBODY, is_absent
from evoact.genomes.genome import Genome, SiteGenome, canonical
from evoact.genomes.hyperparameters import LEARNING_RATE
from evoact.genomes.kinds import Activation
from evoact.genomes.layer_choices import LayerChoices
from evoact.genomes.space import SearchSpace, Settings, distinct, objects

Layers = list[list[Activation]]
Mutation = Callable[[SearchSpace, Layers, random.Random], None]


def layers_of(space: SearchSpace, genome: Genome) -> Layers:
    """Return the genome's layers, as new lists: one activation per block, for each site."""
    return space.blocks(genome)


def build(space: SearchSpace, layers: Layers, settings: Settings, random: random.Random) -> Genome:
    """Return the canonical genome with these layers, repaired to the allowed numbers of types and absent blocks."""
    sites = tuple([_fitting(space, i, layer, random) for i, layer in enumerate(layers)])
    return canonical(Genome(sites, settings), space.sites)


def _fitting(space: SearchSpace, i: int, layer: Sequence[Activation], random: random.Random) -> SiteGenome:
    """A site with this layer, repaired if it has to be."""
    site, choices = space.site_genome(space.sites[i], layer), space.layers[i]
    if choices.least_types <= len(site.types) <= choices.most_types and not is_absent(site.types[-1]):
        return site  # as nearly always
    repaired = _repaired(choices, _filled(space, i, layer, random), random)
    return space.site_genome(space.sites[i], repaired)


def _filled(
    space: SearchSpace, site: int, layer: Sequence[Activation], random: random.Random
) -> list[Activation]:
    """Absent blocks come back, as types that the layer has, while too many of them are."""
    layer = list(layer)
    absent = _places(layer, NOBODY)
    if len(absent) > space.most_absent(site):
        types = _types(layer) or [space.layers[site].fresh_activation((), random)]
        for i in random.sample(absent, len(absent) - space.most_absent(site)):
            layer[i] = random.choice(types)
    return layer


def _repaired(choices: LayerChoices, layer: Sequence[Activation], random: random.Random) -> list[Activation]:
    """Blocks of the rarest types go to others while there are too many; new types join while too few."""
    layer, types = list(layer), _types(layer)
    while len(types) > choices.most_types:
        rarest = min(types, key=layer.count)
        types.remove(rarest)
        layer = [random.choice(types) if a == rarest else a for a in layer]
        types = _types(layer)
    while len(types) < choices.least_types:
        most = max(types, key=layer.count)
        layer[layer.index(most)] = choices.fresh_activation(types, random)
        types = _types(layer)
    return layer


def _types(layer: Sequence[Activation]) -> list[Activation]:
    """The types of the neurons that are present."""
    return [activation for activation in distinct(layer) if not is_absent(activation)]


def _places(layer: Sequence[Activation], activation: Activation) -> list[int]:
    equal = {key for key, a in objects(layer).items() if a == activation}
    return [i for i, a in enumerate(layer) if id(a) in equal] if equal else []


def adopted(space: SearchSpace, genome: Genome, random: random.Random) -> Genome:
    """Return the genome carried over into a space on the same sites; itself if it is inside.

    Activations that the space does not offer are replaced, type by type, settings off its grids by the nearest on
    them, the learning rate by ratio; one that the genome has not is drawn.
    """
    layers: Layers = []
    for choices, layer in zip(space.layers, layers_of(space, genome), strict=True):
        new: dict[Activation, Activation] = {NOBODY: NOBODY}
        for activation in _types(layer):
            offered = choices.offers(activation)
            new[activation] = activation if offered else random.choice(choices.families).sample(random)
        layers.append([new[activation] for activation in layer])
    rate, given = genome.hyperparameter(LEARNING_RATE), genome.settings
    settings = {LEARNING_RATE: min(space.learning_rates, key=lambda r: abs(math.log(r / rate)))}
    for name, values in space.hyperparameters:
        wanted = given[name] if name in given else random.choice(values)
        settings[name] = min(values, key=lambda value: abs(value - wanted))
    return build(space, layers, tuple(settings.items()), random)


def carried(space: SearchSpace, genome: Genome, random: random.Random) -> Genome:
    """Carry any genome on sites of these names over into a space: shares of the neurons stay about the same.

    Counts are rounded to blocks by largest remainders (if neurons are not exchangeable, a block takes the
    type of the neuron at its place); what the space does not offer is then replaced as in `adopted`.

    Raises:
        UserError: if its sites are other ones.
    """
    names, got = [site.name for site in space.sites], [site.site for site in genome.sites]
    if names != got:
        raise UserError(f"expected a genome on the sites {', '.join(names)}, got one on {', '.join(got)}")
    layers: Layers = []
    for site, found in zip(space.sites, genome.sites, strict=True):
        blocks = len(space.block_widths(site))
        if site.symmetry == "free":
            parts = _rounded(found.counts(), blocks)
            layers.append([t for t, n in zip(found.types, parts, strict=True) for _ in range(n)])
        else:
            places = (i * len(found.assignment) // blocks for i in range(blocks))
            layers.append([found.types[found.assignment[i]] for i in places])
    return adopted(space, space.assemble(layers, genome.hyperparameters), random)


def _rounded(counts: Sequence[int], total: int) -> list[int]:
    """Parts of a total in these proportions, by largest remainders.

    >>> _rounded((5, 4, 1), 4)
    [2, 2, 0]
    """
    parts = [divmod(count * total, sum(counts)) for count in counts]
    result = [whole for whole, _ in parts]
    for i in sorted(range(len(parts)), key=lambda i: (-parts[i][1], i))[: total - sum(result)]:
        result[i] += 1
    return result


# --- mutations: each changes one layer in place, or nothing if it cannot --------------------


def _layer(
    space: SearchSpace, layers: Layers, random: random.Random
) -> tuple[list[Activation], list[Activation], LayerChoices, int]:
    """A layer with at least one neuron present, its types, what it may be made of, and how many more blocks may go."""
    i = random.randrange(len(layers))
    types = _types(layers[i])
    if not types:
        types = [space.layers[i].fresh_activation((), random)]
        layers[i][0] = types[0]
    spare = space.most_absent(i)
    return layers[i], types, space.layers[i], spare and spare - len(_places(layers[i], NOBODY))


def move_blocks(space: SearchSpace, layers: Layers, random: random.Random) -> None:
    """Some blocks of one type become another type that the layer has."""
    layer, types, choices, _ = _layer(space, layers, random)
    if len(types) < 2:
        return
    source, target = random.sample(types, 2)
    places = _places(layer, source)
    keep = len(types) == choices.least_types  # the type itself must stay
    for i in random.sample(places, random.randint(0 if keep else 1, len(places) - keep)):
        layer[i] = target


def change_activation(space: SearchSpace, layers: Layers, random: random.Random) -> None:
    """All blocks of one type take another activation: mostly a neighbour, sometimes a fresh one."""
    layer, types, choices, _ = _layer(space, layers, random)
    old = random.choice(types)
    new = choices.family_of(old).neighbour(old, random)
    if (new == old or random.random() < 0.3) and len(types) < choices.activations:
        new = choices.fresh_activation(types, random)
    for i in _places(layer, old):
        layer[i] = new


def add_type(space: SearchSpace, layers: Layers, random: random.Random) -> None:
    """Some of the blocks of one type take an activation that the layer did not have."""
    layer, types, choices, _ = _layer(space, layers, random)
    places = _places(layer, random.choice(types))
    if len(types) >= choices.most_types or len(places) < 2:
        return
    new = choices.fresh_activation(types, random)
    for i in random.sample(places, random.randint(1, len(places) - 1)):
        layer[i] = new


def drop_type(space: SearchSpace, layers: Layers, random: random.Random) -> None:
    """All blocks of one type become one other type of the layer."""
    layer, types, choices, _ = _layer(space, layers, random)
    if len(types) <= choices.least_types or len(types) < 2:
        return
    old, new = random.sample(types, 2)
    for i in _places(layer, old):
        layer[i] = new


def add_nodes(space: SearchSpace, layers: Layers, random: random.Random) -> None:
    """Some absent blocks come back as one of the layer's types (Liu & Yao 1996)."""
    layer, types, _, _ = _layer(space, layers, random)
    absent = _places(layer, NOBODY)
    if not absent:
        return
    back = random.choice(types)
    for i in random.sample(absent, random.randint(1, len(absent))):
        layer[i] = back


def remove_nodes(space: SearchSpace, layers: Layers, random: random.Random) -> None:
    """Some blocks of one type, but not all of them, become absent (Liu & Yao 1996)."""
    layer, types, _, spare = _layer(space, layers, random)
    places = _places(layer, random.choice(types))
    most = min(len(places) - 1, spare)
    if most < 1:
        return
    for j in random.sample(places, random.randint(1, most)):
        layer[j] = NOBODY


MUTATIONS: tuple[Mutation, ...] = (move_blocks, change_activation, add_type, drop_type)
WIDTH_MUTATIONS: tuple[Mutation, ...] = (add_nodes, remove_nodes)


def mutations(space: SearchSpace) -> tuple[Mutation, ...]:
    """Return the mutations that can change something in this space."""
    return MUTATIONS + WIDTH_MUTATIONS if space.varies_width else MUTATIONS


def step_learning_rate(
    space: SearchSpace, learning_rate: float, spread: float, random: random.Random
) -> float:
    """Return another learning rate of the grid, the nearest to a log-normal step by `spread` decades; at least one
    place away, and at the ends of the grid always inwards.
    """
    rates = space.learning_rates
    step = random.gauss(0, spread)
    near = [rate for rate in rates if (rate > learning_rate) == (step > 0) and rate != learning_rate]
    near = near or [rate for rate in rates if rate != learning_rate]
    wanted = math.log10(learning_rate) + step
    return min(near, key=lambda rate: abs(math.log10(rate) - wanted), default=learning_rate)


def step_setting(space: SearchSpace, name: str, value: float, random: random.Random) -> float:
    """Return a neighbouring value of the grid of another hyperparameter; itself if there is none."""
    values = space.grids[name]
    place = values.index(value)
    return random.choice([values[i] for i in (place - 1, place + 1) if 0 <= i < len(values)] or [value])


# --- recombination ------------------------------------------------------------------------------


def aligned(space: SearchSpace, layers: Layers) -> list[list[tuple[Activation, ...]]]:
    """Return the layers by group of tied sites, one row of activations per block: what crossover may exchange.

    Both parents are canonical, so equal types stand at about equal places and what the parents have
    in common is kept.
    """
    return [list(zip(*(layers[i] for i in group), strict=True)) for group in space.groups]


def layers_from(space: SearchSpace, rows: Sequence[Sequence[tuple[Activation, ...]]]) -> Layers:
    """Return the inverse of `aligned`."""
    layers: Layers = [[] for _ in space.sites]
    for group, blocks in zip(space.groups, rows, strict=True):
        for i, column in zip(group, zip(*blocks, strict=True), strict=True):
            layers[i] = list(column)
    return layers
