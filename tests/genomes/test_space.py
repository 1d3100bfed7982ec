"""Search spaces: counting, sampling, membership, restriction, and what a wrong one says."""

import itertools
import math
import random
from collections import Counter

import pytest

from evoact.errors import ConfigError, UserError
from evoact.genomes.activation import NOBODY
from evoact.genomes.choices import HullChoices, Listed, choices
from evoact.genomes.genome import Genome, Site, SiteGenome, canonical, homogeneous
from evoact.genomes.hyperparameters import log_grid
from evoact.genomes.kinds import Base, Hull, Subnetwork
from evoact.genomes.layer_choices import LayerChoices
from evoact.genomes.space import SearchSpace

ABC = choices("base", name=("relu", "sin", "tanh"))
HULLS = HullChoices(("convex", "linear"), ("relu", "sin", "tanh"), (2, 3), ("layer", "neuron"))
UNITS = choices("rational", numerator=(3, 5), denominator=(2,), initial=("tanh", "relu"))
NETS = choices("subnetwork", base=("relu", "sin"), hidden=(3, 5))


OUTPUT = LayerChoices((choices("base", name=("identity", "sin")),), (1, 1))
NARROW = LayerChoices((ABC,), (1, 2), 0.5)


def space(
    *sites: Site, families=(ABC,), types=(1, 3), rates=(0.01, 0.1), block=1, width=1.0, own=(), others=()
) -> SearchSpace:
    return SearchSpace("test", sites, families, types, rates, block, width, own, others)


SPACES = {
    "free": space(Site("h", 6)),
    "blocks": space(Site("h", 7), block=2),
    "settings": space(Site("h", 3), others=(("beta1", (0.8, 0.9)), ("dropout", (0.0, 0.2, 0.5)))),
    "two layers": space(Site("h", 4), Site("g", 3), types=(1, 2)),
    "at least two": space(Site("h", 5), types=(2, 3)),
    "none": space(Site("h", 5, "none"), types=(1, 3), block=2),
    "stream": space(Site("h", 3, "stream:a"), Site("k", 3), Site("g", 3, "stream:a"), types=(1, 2)),
    "stream in blocks": space(Site("h", 5, "stream:a"), Site("g", 5, "stream:a"), types=(2, 2), block=2),
    "hulls": space(Site("h", 3), families=(HULLS,), types=(1, 2)),
    "widths": space(Site("h", 5), width=0.3),
    "widths in blocks": space(Site("h", 9), types=(2, 3), block=2, width=0.5),
    "widths of free sites": space(Site("h", 4), Site("k", 3, "none"), types=(1, 2), width=0.5),
    "own choices": space(
        Site("h", 3), Site("g", 4), Site("out", 2, "none"), own=(("out", OUTPUT), ("g", NARROW)), types=(1, 2)
    ),
    "many kinds": space(
        Site("h", 3),
        families=(
            ABC,
            HULLS,
            choices("prelu", per=("layer", "neuron")),
            choices("maxout", pieces=(2, 3)),
            UNITS,
        ),
        types=(1, 3),
    ),
    "mixed": space(Site("h", 3), families=(ABC, HULLS, NETS), types=(1, 2)),
}


@pytest.fixture(params=SPACES, ids=str)
def any_space(request) -> SearchSpace:
    return SPACES[request.param]


def everything(s: SearchSpace) -> set[Genome]:
    """Every genome by brute force: all vectors of block activations, all learning rates."""
    layers = []
    for i, (site, layer) in enumerate(zip(s.sites, s.layers, strict=True)):
        activations = [Base(f) for f in layer.families[0].functions]
        rows = itertools.product([*activations, NOBODY], repeat=len(s.block_widths(site)))
        least, most = layer.types_per_layer
        layers.append(
            [
                row
                for row in rows
                if row.count(NOBODY) <= s.most_absent(i) and least <= len(set(row) - {NOBODY}) <= most
            ]
        )
    return {s.assemble(blocks, settings) for blocks in itertools.product(*layers) for settings in s.settings}


@pytest.mark.parametrize(
    "name",
    [
        "free",
        "blocks",
        "two layers",
        "at least two",
        "none",
        "stream in blocks",
        "widths",
        "widths in blocks",
        "widths of free sites",
        "own choices",
    ],
)
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
        assert any_space.assemble(any_space.blocks(genome), genome.hyperparameters) == genome


def test_samples_reach_everything():
    s = SPACES["blocks"]
    draw = random.Random(0)
    assert len({s.sample(draw) for _ in range(3000)}) == s.size()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["widths", "widths in blocks", "own choices"])
def test_samples_reach_every_width(name):
    s = SPACES[name]
    draw = random.Random(0)
    assert len({s.sample(draw) for _ in range(20_000)}) > 0.95 * s.size()


def test_absent_neurons():
    s = SPACES["widths"]
    genome = SiteGenome("h", (NOBODY, Base("tanh")), (0, 1, 0, 0, 1))
    rate = (("learning_rate", 0.01),)
    made = canonical(Genome((genome,), rate), s.sites)
    assert made.label == "2 tanh + 3 absent"
    assert not made.heterogeneous
    assert s.contains(made)
    fewer = Genome((SiteGenome("h", (Base("tanh"), NOBODY), (0, 1, 1, 1, 1)),), rate)
    assert "at most 3 absent blocks at 'h', got 4" in s.objection(fewer)
    assert "at most 0 absent blocks" in SPACES["at least two"].objection(
        Genome((SiteGenome("h", (Base("sin"), Base("tanh"), NOBODY), (0, 0, 1, 1, 2)),), rate)
    )
    assert s.varies_width
    assert not SPACES["free"].varies_width


def test_at_least_one_neuron_of_each_type_is_present():
    s = space(Site("h", 6), types=(2, 3), width=0.01)
    assert s.most_absent(0) == 4
    assert (
        min(
            6 - dict(zip(g.sites[0].types, g.sites[0].counts(), strict=True)).get(NOBODY, 0)
            for g in (s.sample(random.Random(i)) for i in range(100))
        )
        == 2
    )


def test_the_ordinary_network_of_a_space_with_own_choices():
    genome = SPACES["own choices"].homogeneous(Base("tanh"), (("learning_rate", 0.1),))
    assert genome.label == "h: 3 tanh | g: 4 relu | out: 2 identity"
    assert SPACES["own choices"].contains(genome)


def test_restricting_leaves_own_choices_alone():
    narrow = SPACES["own choices"].restrict(functions=("sin",))
    assert narrow.overrides == SPACES["own choices"].overrides
    assert narrow.functions == ("sin",)


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
        (homogeneous(Base("relu"), [Site("h", 6)]), "expected the hyperparameters learning_rate, got {}"),
        (
            homogeneous(Base("relu"), [Site("h", 6)], learning_rate=0.02),
            "expected learning_rate to be one of 0.01, 0.1, got 0.02",
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


def test_a_flavour_must_offer_enough_types():
    families = (ABC, choices("prelu"), HullChoices(("convex", "affine"), ("relu", "sin"), (2,)))
    assert space(Site("h", 4), families=families).flavours == ("base", "prelu", "convex", "affine", "mixed")
    assert space(Site("h", 4), families=families, types=(2, 3)).flavours == ("base", "mixed")
    assert space(Site("h", 4), families=families[1:], types=(2, 3)).flavours == ("mixed",)


def test_restrict_to_functions():
    narrow = SPACES["mixed"].restrict(functions=("sin", "tanh"))
    assert narrow.functions == ("sin", "tanh")
    assert not narrow.contains(homogeneous(Base("relu"), narrow.sites, learning_rate=0.01))
    with pytest.raises(UserError, match="got an empty space"):
        SPACES["hulls"].restrict(functions=("sin",))


SINGLE = HullChoices(("convex", "conic"), ("relu", "sin"), (1, 2))
LISTED = Listed((Base("sin"), Hull("convex", ("tanh", "relu")), Hull("affine", ("relu", "tanh"))))


@pytest.mark.parametrize("family", [ABC, HULLS, NETS, UNITS, SINGLE, LISTED], ids=lambda f: f.kind)
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
    every = list(family.every())
    assert set(every) == seen
    assert len(every) == family.size()
    assert family.contains(family.first())


def test_listed_activations():
    assert LISTED.functions == ("sin", "relu", "tanh")
    narrow = LISTED.restrict(("relu", "tanh"), "given")
    assert [a.label for a in narrow.every()] == ["convex(relu,tanh)", "affine(relu,tanh)"]
    assert LISTED.restrict(("relu",), "mixed") is None
    assert LISTED.restrict(("relu", "tanh"), "convex") is None
    both = space(Site("h", 4), families=(choices("prelu"), LISTED), types=(1, 1))
    assert both.size() == 4 * 2
    assert both.flavours == ("prelu", "given", "mixed")
    assert [g.label for g in both.ordinary()][::2] == [
        "4 prelu",
        "4 sin",
        "4 convex(relu,tanh)",
        "4 affine(relu,tanh)",
    ]
    only = Listed((Base("sin"),))
    assert only.neighbour(Base("sin"), random.Random(0)) == Base("sin")


def test_a_family_of_one_has_no_neighbour():
    assert choices("base", name=("relu",)).neighbour(Base("relu"), random.Random(0)) == Base("relu")
    only = HullChoices(("convex",), ("relu", "sin"), (2,))
    assert only.neighbour(only.sample(random.Random(0)), random.Random(0)) == Hull("convex", ("relu", "sin"))
    net = choices("subnetwork", base=("relu",), hidden=(3,))
    assert net.neighbour(Subnetwork("relu", 3), random.Random(0)) == Subnetwork("relu", 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"families": ()}, "got an empty space"),
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
        ({"families": (ABC, LISTED)}, "each activation once, got sin as given and by its kind"),
        ({"width": 0.0}, "least_width above 0"),
        ({"width": 1.5}, "least_width above 0 and at most 1, got 1.5"),
        ({"own": (("out", OUTPUT),)}, "unknown site 'out'"),
        ({"own": (("h", LayerChoices((ABC,), (4, 5))),)}, "at least 4 activations .* at site 'h'"),
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
        (lambda: HullChoices(("round",), ("relu", "sin"), (2,)), "[Kk]nown: affine, conic, convex, linear"),
        (lambda: HullChoices(("convex",), ("relu", "sin"), (1, 2)), "sizes from 2 to 2"),
        (lambda: HullChoices(("convex",), ("relu", "sin"), (3,)), "sizes from 2 to 2"),
        (lambda: HullChoices(("convex", "conic"), ("relu", "sin"), (1,)), "size of at least 2 for convex"),
        (lambda: choices("subnetwork", base=("relu",), hidden=(0,)), "at least 1"),
        (lambda: choices("subnetwork", base=("relu",)), "options for subnetwork.hidden, got none"),
        (lambda: choices("prelu", par=("layer",)), "unknown field of prelu 'par'; did you mean 'per'"),
        (lambda: choices("prelu", per=("layers",)), "did you mean 'layer'"),
        (lambda: Listed(()), "at least one"),
        (lambda: Listed((Base("sin"), Hull("convex", ("1*sin(x)",)))), "no repeated"),
        (lambda: Listed((Base("absent"),)), "got 'absent'; least_width"),
        (lambda: choices("preluu"), "unknown activation kind 'preluu'; did you mean 'prelu'"),
        (lambda: choices("base", name=("relu", "1*relu(x)")), "no repeated"),
        (lambda: choices("base", name=("relu", "absent")), "got 'absent'; least_width"),
    ],
)
def test_wrong_families(make, message):
    with pytest.raises(UserError, match=message):
        make()


def test_log_grid_rounds_and_refuses_nonsense():
    assert log_grid(0.001, 1.0, 3)[:4] == (0.001, 0.002154, 0.004642, 0.01)
    assert log_grid(0.01, 0.01, 5) == (0.01,)
    assert log_grid(0.0032, 0.1, 2) == (0.0032, 0.01012, 0.032, 0.1)  # 0.1012, if nobody had rounded
    assert log_grid(0.001, 0.032, 2)[-1] == 0.03162
    assert log_grid(0.001, 0.09, 2)[-1] == 0.03162
    with pytest.raises(UserError, match="0 < low <= high"):
        log_grid(0.1, 0.01, 3)
