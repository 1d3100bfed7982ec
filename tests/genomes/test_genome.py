"""JSON that is no genome is refused in one sentence, whatever its shape; what genomes are called is short."""

import copy
import json
import pickle
import random
from dataclasses import replace

import pytest

from evoact.errors import UserError
from evoact.genomes.activation_json import from_json as activation_from_json
from evoact.genomes.choices import choices
from evoact.genomes.genome import (
    Genome,
    Site,
    SiteGenome,
    canonical,
    dumps,
    fingerprint,
    from_json,
    homogeneous,
    loads,
    shared,
    shared_out,
    structure,
)
from evoact.genomes.kinds import Base, PReLU
from evoact.genomes.space import SearchSpace
from evoact.networks import NETWORKS

WHOLE = json.loads(dumps(homogeneous(Base("relu"), [Site("h", 3)], learning_rate=0.1)))
RELU, SIN = ({"kind": "base", "name": name} for name in ("relu", "sin"))


def site(**changes):
    return {"sites": [{"site": "h", "types": [RELU | changes]}], "hyperparameters": {}}


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ([], "expected a list as 'sites' of a genome, got []"),
        ({"sites": {}}, "expected a list as 'sites' of a genome"),
        ({"sites": [3]}, "expected text as 'site' of a genome, got 3"),
        ({"sites": [{"site": "h", "types": "relu"}]}, "expected a list as 'types' of a genome"),
        (
            {"sites": [{"site": "h", "types": ["relu"]}]},
            "expected an activation, keys and values with its kind",
        ),
        (site(), "expected an integer as 'count' of a genome"),
        (site(count="3"), "expected an integer as 'count' of a genome"),
        (site(count=10**12), "expected from 0 to 1,000,000 neurons at site 'h', got 1000000000000"),
        (site(count=-1), "expected from 0 to 1,000,000 neurons at site 'h', got -1"),
        (site(count=True), "expected an integer as 'count' of a genome"),
        (
            {
                "sites": [{"site": "h", "types": [RELU | {"count": 3}, SIN | {"count": -1}]}],
                "hyperparameters": {},
            },
            "expected from 0 to 1,000,000 neurons at site 'h', got -1",
        ),
        (site(neurons=3), "expected a list as 'neurons' of a genome"),
        (site(neurons=[0, 0]), "expected each neuron of site 'h' once, got neuron 0 in two types"),
        (site(neurons=[False, True]), "expected each neuron of site 'h' once, got False"),
        (site(neurons=[[0]]), "expected each neuron of site 'h' once, got [0]"),
        (site(neurons=[1]), "expected every neuron of site 'h' to have a type, got none for neuron 0"),
        (WHOLE | {"hyperparameters": [1]}, "expected keys and values as 'hyperparameters' of a genome"),
        (WHOLE | {"hyperparameters": {"a": "x"}}, "expected a finite number as a genome's 'a', got 'x'"),
        (WHOLE | {"hyperparameters": {"a": 10**400}}, "an integer of 401 digits"),
    ],
)
def test_a_genome_of_another_shape(data, sentence):
    with pytest.raises(UserError) as caught:
        from_json(data)
    assert sentence in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "3", "[" * 10**5, '{"sites": ' + "9" * 5000 + "}", "null"])
def test_a_text_that_is_no_genome(text):
    with pytest.raises(UserError, match="genome"):
        loads(text)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ("relu", "expected an activation, keys and values with its kind, got 'relu'"),
        ({"kind": ["base"]}, "expected text as activation kind, got ['base']"),
        ({"kind": "base"}, "expected text as base.name, got {'kind': 'base'} without it"),
        ({"kind": "base", "name": 3}, "expected text as base.name, got 3"),
        (
            {"kind": "hull", "hull": "convex", "functions": 3},
            "expected a list of texts as hull.functions, got 3",
        ),
        ({"kind": "hull", "hull": [], "functions": []}, "expected text as hull.hull, got []"),
        ({"kind": "maxout", "pieces": 10**9}, "expected maxout.pieces to be at most 10000, got 1000000000"),
        ({"kind": "maxout", "pieces": True}, "expected an integer as maxout.pieces, got True"),
        (
            {"kind": "captured", "curve": "a", "low": -1, "high": 1, "values": [0, "1"]},
            "expected a list of finite numbers as captured.values, got [0, '1']",
        ),
    ],
)
def test_an_activation_of_another_shape(data, sentence):
    with pytest.raises(UserError) as caught:
        activation_from_json(data)
    assert sentence in str(caught.value)


def of_types(name: str, *types: tuple[str, int]) -> SiteGenome:
    assignment = tuple(i for i, (_, n) in enumerate(types) for _ in range(n))
    return SiteGenome(name, tuple(Base(label) for label, _ in types), assignment)


def test_canonical_genomes_share_the_objects_of_their_types():
    """A million results have few different types: they are kept, pickled and compared as one."""
    made = [
        canonical(Genome((SiteGenome("h", (Base("sin"), Base("relu")), (i, 1 - i, 1)),)), [Site("h", 3)])
        for i in (0, 1)
    ]
    assert made[0].sites[0].types is made[1].sites[0].types


@pytest.mark.parametrize("symmetry", ["free", "none"])
def test_canonical_sites_are_not_copied(symmetry):
    """What breeds makes them, and what numbers proposals asks again: generations of long searches are large."""
    sites = [Site("h", 3, symmetry)]
    raw = Genome((SiteGenome("h", (Base("sin"), Base("relu")), (0, 1, 0)),))
    once = canonical(raw, sites)
    assert once != raw
    assert canonical(once, sites).sites[0] is once.sites[0]


def test_a_genome_without_sites_has_a_label():
    assert Genome(()).label == ""
    assert Genome((SiteGenome("h", (), ()),)).label == ""
    assert loads(dumps(Genome((), (("learning_rate", 0.1),)))).label == ""


def test_few_sites_are_written_out():
    genome = Genome((of_types("hidden0", ("relu", 60), ("sin", 40)), of_types("hidden1", ("tanh", 100))))
    assert genome.label == "60 relu + 40 sin | 100 tanh"
    assert Genome(genome.sites[1:]).label == "100 tanh"


def test_one_activation_everywhere():
    sites = NETWORKS["resnet56"]((3, 32, 32), 10).sites
    assert homogeneous(Base("tanh"), sites).label == f"tanh everywhere ({len(sites)} sites)"
    mixed = Genome((of_types("conv1", ("relu", 2), ("sin", 2)), of_types("fc2", ("relu", 2), ("sin", 2))))
    assert mixed.label == "2 relu + 2 sin (at 2 sites)"


def test_ordinary_networks():
    relu = (of_types("a", ("relu", 4)), of_types("b", ("relu", 3)))
    assert Genome(relu).ordinary
    assert not Genome((*relu, of_types("c", ("sin", 3)))).ordinary  # neither this nor the next one
    assert not Genome((*relu, of_types("c", ("relu", 2), ("absent", 1)))).ordinary
    assert not homogeneous(PReLU(), [Site("a", 4)]).ordinary


def test_equal_neighbours_stand_together():
    genome = Genome((of_types("a", ("relu", 4)), of_types("b", ("relu", 4)), of_types("c", ("sin", 4))))
    assert genome.label == "a to b: 4 relu (at 2 sites) | c: 4 sin"


def test_sites_whose_places_say_nothing_are_named():
    own = Genome(
        (of_types("blocks.0.act", ("relu", 3), ("sin", 1)), of_types("head.relu_site0", ("tanh", 9)))
    )
    assert own.label == "blocks.0.act: 3 relu + 1 sin | head.relu_site0: 9 tanh"
    assert Genome(own.sites[:1]).label == "3 relu + 1 sin"
    resnet = NETWORKS["resnet56"]((3, 32, 32), 10, blocks=1).sites
    assert "stage" not in shared_label(resnet)


def shared_label(sites):
    return Genome(tuple(shared_out(site, [Base("relu"), Base("sin")]) for site in sites)).label


def test_many_different_sites_are_abbreviated():
    sites = tuple(Site(f"s{i}", 64) for i in range(55))
    space = SearchSpace("s", sites, (choices("base", name=("relu", "sin", "tanh")),), (3, 3), (0.1,))
    label = space.sample(random.Random(0)).label
    assert "... 49 more sites ..." in label
    assert len(label) < 400
    assert label.count(" | ") == 6


def test_what_is_canonical_is_returned_itself():
    sites = [Site("a", 3), Site("b", 2, "none")]
    raw = Genome(
        (
            SiteGenome("a", (Base("tanh"), Base("1*sin(1*x)"), Base("abs")), (0, 1, 0)),
            SiteGenome("b", (Base("relu"), Base("relu")), (0, 1)),
        ),
        (("learning_rate", 1),),
    )
    made = canonical(raw, sites)
    assert canonical(made, sites) is made
    assert made.label == "a: 1 sin + 2 tanh | b: 2 relu"
    read = loads(dumps(made))
    again = canonical(read, sites)
    assert read == again == made == shared(read)
    assert all(a.types is b.types for a, b in zip(again.sites, made.sites, strict=True))
    assert (structure(again), fingerprint(again)) == (structure(made), fingerprint(made))
    assert fingerprint(made) != fingerprint(raw)  # what is known of one is not taken for the other


def test_names_of_a_changed_genome_are_its_own():
    genome = homogeneous(Base("relu"), [Site("h", 3)], learning_rate=0.1)
    before = dumps(genome), structure(genome), fingerprint(genome)
    changed = replace(genome, hyperparameters=(("learning_rate", 0.2),))
    after = dumps(changed), structure(changed), fingerprint(changed)
    assert [a == b for a, b in zip(after, before, strict=True)] == [False, True, False]
    assert pickle.loads(pickle.dumps(genome)) == copy.deepcopy(genome) == genome
