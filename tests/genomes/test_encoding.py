"""Properties that hold for every genome: the encoding gives it back, operators stay in the space."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evoact.errors import UserError
from evoact.genomes.activation import NOBODY
from evoact.genomes.choices import HullChoices, Listed, choices
from evoact.genomes.encoding import Drawn, Given, decode, domains, encode
from evoact.genomes.genome import Genome, Site, canonical, dumps, fingerprint, homogeneous, loads
from evoact.genomes.kinds import Base, Hull, PReLU
from evoact.genomes.layer_choices import LayerChoices
from evoact.genomes.space import SearchSpace
from evoact.genomes.variation import (
    MUTATIONS,
    WIDTH_MUTATIONS,
    adopted,
    aligned,
    build,
    layers_from,
    layers_of,
    mutations,
    step_learning_rate,
    step_setting,
)

FAMILIES = (
    choices("base", name=("relu", "sin", "tanh")),
    HullChoices(("convex", "linear"), ("relu", "sin", "tanh", "abs"), (2, 3), ("layer", "neuron")),
    choices("subnetwork", base=("relu", "sin"), hidden=(3, 5)),
    choices("rational", per=("layer", "neuron"), initial=("tanh", "2*sin(3*x)")),
    choices("maxout", pieces=(2, 3)),
    Listed((Base("gelu"), Hull("affine", ("relu", "sin")), PReLU("neuron"), PReLU("layer"))),
)
SITES = {
    "free": (Site("h", 7), Site("g", 10)),
    "none": (Site("h", 7, "none"),),
    "stream": (Site("h", 7, "stream:a"), Site("k", 6), Site("g", 7, "stream:a")),
}

OWN = LayerChoices(
    (HullChoices(("affine", "conic"), ("identity", "sin", "cos"), (1, 2)), choices("prelu")), (1, 2), 0.5
)

spaces = st.builds(
    SearchSpace,
    name=st.just("any"),
    sites=st.sampled_from(list(SITES.values())),
    families=st.sampled_from([FAMILIES, FAMILIES[:1], FAMILIES[1:2], FAMILIES[::2], FAMILIES[2:]]),
    types_per_layer=st.sampled_from([(1, 1), (1, 3), (2, 3), (3, 3)]),
    learning_rates=st.sampled_from([(0.01,), (0.01, 0.03, 0.1)]),
    neurons_per_block=st.sampled_from([1, 2]),
    least_width=st.sampled_from([1.0, 0.6, 0.01]),
    overrides=st.sampled_from([(), (("h", OWN),)]),
    hyperparameters=st.sampled_from([(), (("momentum", (0.0, 0.9)), ("dropout", (0.0, 0.2, 0.5)))]),
)
draws = st.integers(0, 2**32).map(random.Random)
quick = settings(max_examples=60, deadline=None)


@quick
@given(spaces, draws)
def test_decoding_the_encoding_gives_the_genome(space, draw):
    genome = space.sample(draw)
    values = encode(space, genome)
    assert decode(space, Given(values)) == genome
    assert set(domains(space, values)) == set(values)


@quick
@given(spaces, draws)
def test_any_answers_decode_into_the_space(space, draw):
    genome = decode(space, Drawn(draw))
    assert space.objection(genome) == ""
    assert canonical(genome, space.sites) == genome


@quick
@given(spaces, draws)
def test_canonical_form_forgets_the_order_of_exchangeable_neurons(space, draw):
    genome = space.sample(draw)
    orders = {site.symmetry: draw.sample(range(site.neurons), site.neurons) for site in space.sites}
    mixed = []
    for site, own in zip(space.sites, genome.sites, strict=True):
        width = range(site.neurons)
        order = width if site.symmetry == "none" else orders[site.symmetry]
        if site.symmetry == "free":
            order = draw.sample(width, site.neurons)
        mixed.append(type(own)(own.site, own.types, tuple(own.assignment[i] for i in order)))
    again = canonical(Genome(tuple(mixed), genome.hyperparameters), space.sites)
    assert again == genome
    assert canonical(again, space.sites) == again
    assert fingerprint(again) == fingerprint(loads(dumps(genome)))


@quick
@given(spaces, draws, st.lists(st.sampled_from(MUTATIONS + WIDTH_MUTATIONS), min_size=1, max_size=4))
def test_mutants_stay_in_the_space(space, draw, mutations):
    genome = space.sample(draw)
    before = dumps(genome)
    layers = layers_of(space, genome)
    for mutate in mutations:
        mutate(space, layers, draw)
    rate = step_learning_rate(space, genome.hyperparameter("learning_rate"), 0.25, draw)
    stepped = {name: step_setting(space, name, v, draw) for name, v in genome.settings.items()}
    settings = (("learning_rate", rate), *stepped.items())
    assert space.objection(build(space, layers, settings, draw)) == ""
    assert dumps(genome) == before


@quick
@given(spaces, draws)
def test_any_exchange_of_rows_is_repaired_into_the_space(space, draw):
    first, second = (aligned(space, layers_of(space, space.sample(draw))) for _ in range(2))
    rows = [
        [draw.choice(pair) for pair in zip(a, b, strict=True)] for a, b in zip(first, second, strict=True)
    ]
    child = build(space, layers_from(space, rows), space.settings[0], draw)
    assert space.objection(child) == ""


def test_mutations_of_width_where_width_varies():
    narrow = SearchSpace("s", SITES["free"], FAMILIES, (1, 3), (0.01,), least_width=0.5)
    assert mutations(narrow) == MUTATIONS + WIDTH_MUTATIONS
    assert mutations(SearchSpace("s", SITES["free"], FAMILIES, (1, 3), (0.01,))) == MUTATIONS


@quick
@given(spaces, draws)
def test_absent_neurons_everywhere_are_repaired_into_the_space(space, draw):
    layers = [[NOBODY] * len(space.block_widths(site)) for site in space.sites]
    for mutate in draw.sample(MUTATIONS + WIDTH_MUTATIONS, 2):
        mutate(space, layers, draw)
    assert space.objection(build(space, layers, space.settings[0], draw)) == ""


@quick
@given(spaces, spaces, draws)
def test_a_genome_of_one_space_is_adopted_by_another(first, second, draw):
    other = replace(
        first,
        families=second.families,
        overrides=second.overrides,
        least_width=second.least_width,
        hyperparameters=second.hyperparameters,
    )
    child = adopted(other, first.sample(draw), draw)
    assert other.objection(child) == ""
    assert adopted(other, child, draw) == child


@pytest.mark.parametrize("mutate", MUTATIONS + WIDTH_MUTATIONS, ids=lambda m: m.__name__)
def test_every_mutation_changes_something(mutate):
    space = SearchSpace("s", SITES["free"], FAMILIES, (1, 3), (0.01,), least_width=0.2)
    changed = 0
    for i in range(50):
        draw = random.Random(i)
        genome = space.sample(draw)
        layers = layers_of(space, genome)
        mutate(space, layers, draw)
        changed += build(space, layers, space.settings[0], draw) != genome
    assert changed > 15


def test_learning_rate_steps_along_the_grid():
    space = SearchSpace("s", SITES["free"], FAMILIES, (1, 3), (0.01, 0.03, 0.1))
    draw = random.Random(0)
    assert {step_learning_rate(space, 0.03, 0.25, draw) for _ in range(20)} == {0.01, 0.1}
    assert {step_learning_rate(space, 0.01, 0.01, draw) for _ in range(20)} == {0.03}
    assert {step_learning_rate(space, 0.1, 0.01, draw) for _ in range(20)} == {0.03}


def test_settings_step_to_a_neighbour_on_their_grid():
    space = SearchSpace(
        "s", SITES["free"], FAMILIES, (1, 3), (0.01,), hyperparameters=(("eps", (1.0, 2.0, 3.0)),)
    )
    draw = random.Random(0)
    assert {step_setting(space, "eps", 2.0, draw) for _ in range(20)} == {1.0, 3.0}
    assert {step_setting(space, "eps", 3.0, draw) for _ in range(20)} == {2.0}
    assert step_setting(replace(space, hyperparameters=(("eps", (1.0,)),)), "eps", 1.0, draw) == 1.0


def test_a_setting_off_the_grid_becomes_the_nearest():
    space = SearchSpace(
        "s", SITES["free"], FAMILIES, (1, 3), (0.01,), hyperparameters=(("momentum", (0.0, 0.9)),)
    )
    other = replace(space, hyperparameters=(("momentum", (0.1, 0.7)),))
    for i in range(10):
        genome = space.sample(random.Random(i))
        (near,) = adopted(other, genome, random.Random(0)).settings.values()
        assert near == {0.0: 0.1, 0.9: 0.7}[genome.hyperparameter("momentum")]


def test_a_genome_outside_has_no_encoding():
    space = SearchSpace("s", SITES["free"], FAMILIES[:1], (1, 3), (0.01,))
    with pytest.raises(UserError, match="got gelu"):
        encode(space, homogeneous(Base("gelu"), space.sites, learning_rate=0.01))


def test_given_values_must_fit():
    space = SearchSpace("s", (Site("h", 4),), FAMILIES[:1], (1, 1), (0.01,))
    good = {"h.types": 1, "h.0.base.name": "relu", "h.0.share": 4, "learning_rate": 0}
    assert decode(space, Given(good)).label == "4 relu"
    with pytest.raises(UserError, match="one of relu, sin, tanh, got 'gelu'"):
        decode(space, Given(good | {"h.0.base.name": "gelu"}))
    with pytest.raises(UserError, match="integer from 1 to 1, got None"):
        decode(space, Given({}))
