"""Search spaces: counting, sampling, membership, restriction, and what a wrong one says."""

import itertools
import math
import random
from collections import Counter

import pytest

from evoact.errors import ConfigError, UserError
from evoact.genomes.genome import (
    Base,
    Genome,
    Hull,
    Site,
    SiteGenome,
    Subnetwork,
    canonical,
    homogeneous,
)
from evoact.genomes.space import HullChoices, SearchSpace, choices, log_grid

ABC = choices("base", name=("relu", "sin", "tanh"))
HULLS = HullChoices(("convex", "linear"), ("relu", "sin", "tanh"), (2, 3), ("layer", "neuron"))
NETS = choices("subnetwork", base=("relu", "sin"), hidden=(3, 5))


def space(*sites: Site, families=(ABC,), types=(1, 3), rates=(0.01, 0.1), block=1) -> SearchSpace:
    return SearchSpace("test", sites, families, types, rates, block)


SPACES = {
    "free": space(Site("h", 6)),
    "blocks": space(Site("h", 7), block=2),
    "two layers": space(Site("h", 4), Site("g", 3), types=(1, 2)),
    "at least two": space(Site("h", 5), types=(2, 3)),
    "none": space(Site("h", 5, "none"), types=(1, 3), block=2),
    "stream": space(Site("h", 3, "stream:a"), Site("k", 3), Site("g", 3, "stream:a"), types=(1, 2)),
    "stream in blocks": space(Site("h", 5, "stream:a"), Site("g", 5, "stream:a"), types=(2, 2), block=2),
    "hulls": space(Site("h", 3), families=(HULLS,), types=(1, 2)),
    "mixed": space(Site("h", 3), families=(ABC, HULLS, NETS), types=(1, 2)),
}


@pytest.fixture(params=SPACES, ids=str)
def any_space(request) -> SearchSpace:
    return SPACES[request.param]


def everything(s: SearchSpace) -> set[Genome]:
    """Every genome by brute force: all vectors of block activations, all learning rates."""
    activations = [Base(f) for f in ABC.functions]
    layers = [
        [
            row
            for row in itertools.product(activations, repeat=len(s.block_widths(site)))
            if s.types_per_layer[0] <= len(set(row)) <= min(s.types_per_layer[1], len(activations))
        ]
        for site in s.sites
    ]
    return {s.assemble(blocks, rate) for blocks in itertools.product(*layers) for rate in s.learning_rates}


@pytest.mark.parametrize("name", ["free", "blocks", "two layers", "at least two", "none", "stream in blocks"])
def test_size_is_the_number_of_distinct_genomes(name):
    genomes = everything(SPACES[name])
    assert len(genomes) == SPACES[name].size()
    assert all(SPACES[name].contains(genome) for genome in itertools.islice(genomes, 200))


def test_size_of_families():
    assert HULLS.size() == 2 * 2 * (3 + 1)
    assert SPACES["hulls"].size() == 2 * (16 + math.comb(16, 2) * 2)


def test_size_of_a_deep_stream_is_exact_and_quick():
    sites = [Site(f"s{i}", 64, "stream:a") for i in range(18)]
    assert space(*sites, types=(1, 4)).size() > 10**100


def test_samples_are_canonical_and_inside(any_space):
    for i in range(100):
        genome = any_space.sample(random.Random(i))
        assert any_space.objection(genome) == ""
        assert canonical(genome, any_space.sites) == genome
        assert any_space.assemble(any_space.blocks(genome), genome.hyperparameter("learning_rate")) == genome


def test_samples_reach_everything():
    s = SPACES["blocks"]
    draw = random.Random(0)
    assert len({s.sample(draw) for _ in range(3000)}) == s.size()


def test_samples_are_stratified_over_counts():
    s = space(Site("h", 16), families=(choices("base", name=("relu", "sin")),), types=(1, 2))
    draw = random.Random(0)
    counts = Counter(
        dict(zip([t.label for t in site.types], site.counts(), strict=True)).get("relu", 0)
        for site in (s.sample(draw).sites[0] for _ in range(3000))
    )
    assert 0.45 < (counts[0] + counts[16]) / 3000 < 0.55  # one type as often as two
    assert min(counts[i] for i in range(1, 16)) > 60  # 100 each, where a binomial would give 0


@pytest.mark.parametrize(
    ("genome", "message"),
    [
        (homogeneous(Base("relu"), [Site("x", 6)], learning_rate=0.01), "sites"),
        (homogeneous(Base("relu"), [Site("h", 6)]), "learning_rate alone"),
        (
            homogeneous(Base("relu"), [Site("h", 6)], learning_rate=0.02),
            "expected a learning rate of 0.01, 0.1",
        ),
        (homogeneous(Base("gelu"), [Site("h", 6)], learning_rate=0.01), "got gelu"),
    ],
)
def test_objection_names_the_reason(genome, message):
    assert message in SPACES["free"].objection(genome)


def test_objection_to_blocks_and_type_counts():
    half = SiteGenome("h", (Base("relu"), Base("sin")), (0, 0, 0, 0, 1, 1, 0))
    odd = SiteGenome("h", (Base("relu"), Base("sin"), Base("tanh")), (0, 0, 0, 1, 1, 1, 2))
    rate = (("learning_rate", 0.01),)
    assert SPACES["blocks"].contains(Genome((half,), rate))
    assert "blocks of 2 neurons" in SPACES["blocks"].objection(Genome((odd,), rate))
    one = homogeneous(Base("relu"), [Site("h", 5)], learning_rate=0.01)
    assert "2 to 3 types" in SPACES["at least two"].objection(one)


def test_restrict_narrows_to_a_subspace(any_space):
    for flavour in any_space.flavours:
        narrow = any_space.restrict(flavour=flavour, learning_rates=(0.1,))
        genome = narrow.sample(random.Random(1))
        assert any_space.contains(genome)
        assert genome.hyperparameter("learning_rate") == 0.1
    assert any_space.restrict() == any_space


def test_restrict_to_functions():
    narrow = SPACES["mixed"].restrict(functions=("sin", "tanh"))
    assert narrow.functions == ("sin", "tanh")
    assert not narrow.contains(homogeneous(Base("relu"), narrow.sites, learning_rate=0.01))
    with pytest.raises(UserError, match="contains nothing"):
        SPACES["hulls"].restrict(functions=("sin",))


@pytest.mark.parametrize("family", [ABC, HULLS, NETS], ids=lambda f: type(f).__name__)
def test_families_keep_to_themselves(family):
    draw = random.Random(0)
    seen = set()
    for _ in range(500):
        activation = family.sample(draw)
        near = family.neighbour(activation, draw)
        assert family.contains(activation)
        assert family.contains(near)
        assert near != activation
        seen |= {activation, near}
    assert len(seen) == family.size()


def test_a_family_of_one_has_no_neighbour():
    assert choices("base", name=("relu",)).neighbour(Base("relu"), random.Random(0)) == Base("relu")
    only = HullChoices(("convex",), ("relu", "sin"), (2,))
    assert only.neighbour(only.sample(random.Random(0)), random.Random(0)) == Hull("convex", ("relu", "sin"))
    net = choices("subnetwork", base=("relu",), hidden=(3,))
    assert net.neighbour(Subnetwork("relu", 3), random.Random(0)) == Subnetwork("relu", 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"families": ()}, "contains nothing"),
        ({"families": (ABC, ABC)}, "at most one entry"),
        ({"types": (1, 7)}, "no more types than the 6 blocks"),
        ({"types": (1, 4), "block": 2}, "no more types than the 3 blocks"),
        ({"types": (0, 2)}, "1 <= least <= most"),
        ({"types": (3, 2)}, "1 <= least <= most"),
        ({"types": (4, 5)}, "at least 4 activations"),
        ({"rates": ()}, "learning rates above 0"),
        ({"rates": (0.0, 0.1)}, "learning rates above 0"),
        ({"rates": (0.1, math.nan)}, "learning rates above 0"),
        ({"rates": (0.1, 0.01)}, "ascending"),
        ({"block": 0}, "neurons_per_block"),
    ],
)
def test_a_wrong_space_says_what_is_wrong(changes, message):
    with pytest.raises(ConfigError, match=message):
        space(Site("h", 6), **changes)


@pytest.mark.parametrize(
    ("sites", "message"),
    [
        ([], "at least one site"),
        ([Site("h", 6), Site("h", 6)], "distinct names"),
        ([Site("h", 6, "loose")], "free, none or stream:ID"),
        ([Site("h", 6, "stream:a"), Site("g", 5, "stream:a")], "equally wide"),
    ],
)
def test_wrong_sites(sites, message):
    with pytest.raises(ConfigError, match=message):
        space(*sites)


def test_all_problems_are_reported_at_once():
    with pytest.raises(ConfigError) as error:
        space(Site("h", 6), types=(1, 9), rates=(-1.0,))
    assert len(error.value.problems) == 2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: choices("base", name=()), "at least one"),
        (lambda: choices("base", name=("relu", "relu")), "no repeated"),
        (lambda: HullChoices(("round",), ("relu", "sin"), (2,)), "Known: affine, conic, convex, linear"),
        (lambda: HullChoices(("convex",), ("relu", "sin"), (1, 2)), "sizes from 2 to 2"),
        (lambda: HullChoices(("convex",), ("relu", "sin"), (3,)), "sizes from 2 to 2"),
        (lambda: choices("subnetwork", base=("relu",), hidden=(0,)), "at least 1"),
    ],
)
def test_wrong_families(make, message):
    with pytest.raises(UserError, match=message):
        make()


def test_log_grid_rounds_and_refuses_nonsense():
    assert log_grid(0.001, 1.0, 3)[:4] == (0.001, 0.002154, 0.004642, 0.01)
    assert log_grid(0.01, 0.01, 5) == (0.01,)
    with pytest.raises(UserError, match="0 < low <= high"):
        log_grid(0.1, 0.01, 3)
