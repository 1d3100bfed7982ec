"""The strategy `bilevel`: what it proposes, what its meta-trainings count for, and what it refuses."""

import dataclasses

import pytest

from evoact.errors import UserError
from evoact.genomes.choices import choices
from evoact.genomes.genome import Site
from evoact.genomes.kinds import Captured
from evoact.genomes.meta_training import MODES, MetaTraining
from evoact.genomes.space import SearchSpace
from evoact.strategies import create
from evoact.strategies.proposers.learned_diversity import Bilevel, found_types

SPACE = SearchSpace(
    "s", (Site("h", 7), Site("g", 5)), (choices("base", name=("relu", "sin")),), (1, 1), (0.01, 0.1)
)
SMALL = {"outer_steps": 4, "inner_steps": 5, "batch_size": 10}


def search(landscape, networks=100, **options):
    strategy = create(
        "bilevel", SPACE, seed=0, networks=networks, steps=10, batch_size=20, options=SMALL | options
    )
    results = []
    while asked := strategy.ask(50):
        results += [landscape().result(p) for p in asked]
        strategy.tell(results[-len(asked) :])
    assert strategy.finished
    return results


def kinds(results):
    return [r.proposal.kind for r in results]


def test_a_meta_training_counts_for_as_many_networks_as_it_costs(landscape):
    # 4 x 5 x 10 x 3 gradient-examples are 600, those of a network 200.
    assert kinds(search(landscape, networks=10)) == ["meta_train"] + ["train"] * 7
    assert kinds(search(landscape, networks=10, mode="first_order")) == ["meta_train"] + ["train"] * 9
    assert kinds(search(landscape, networks=10, outer_steps=0)) == ["meta_train"] + ["train"] * 9
    assert kinds(search(landscape, networks=12, starts=3)) == ["meta_train"] * 3 + ["train"] * 3


def test_what_the_budget_does_not_hold_is_not_proposed(landscape):
    assert kinds(search(landscape, networks=2)) == []
    assert kinds(search(landscape, networks=8, starts=3)) == ["meta_train"] * 2 + ["train"] * 2


def test_a_meta_training_is_a_pack_of_its_own(landscape):
    strategy = create("bilevel", SPACE, seed=0, networks=100, steps=10, options=SMALL | {"starts": 2})
    first, second = strategy.ask(10), strategy.ask(10)
    assert [len(first), len(second), strategy.ask(10)] == [1, 1, []]
    strategy.tell([landscape().result(p) for p in (*first, *second)])
    assert len(strategy.ask(10)) == 10


def test_networks_are_made_of_what_was_learned(landscape):
    meta, *networks = search(landscape, networks=9)
    assert meta.proposal.genome.label.startswith("h: 3 subnetwork(sin,50) + 4 subnetwork(sin,50)")
    learned = found_types(meta)
    labels = [(r.proposal.genome.label, r.proposal.genome.hyperparameter("learning_rate")) for r in networks]
    assert len(set(labels)) == len(labels) == 6
    for result, (label, _) in zip(networks, labels, strict=True):
        for site in result.proposal.genome.sites:
            assert all(isinstance(t, Captured) for t in site.types)
            assert set(site.types) <= set(learned[site.site])
            assert max(site.counts()) - min(site.counts()) in (0, 1)
        assert label.count("captured") in (2, 4)
    assert sum(r.proposal.genome.heterogeneous for r in networks) == 2


def test_controls_are_the_activations_of_the_space(landscape):
    results = search(landscape, networks=13, controls=True)
    assert [r.proposal.genome.label for r in results[7:]] == [
        f"{name} everywhere (2 sites)" for name in ("relu", "relu", "sin", "sin")
    ]


def test_the_better_half_is_trained_on_further_replicates(landscape):
    results = search(landscape, networks=40)
    by_generation = {}
    for r in results[1:]:
        by_generation.setdefault(r.proposal.generation, []).append(r.proposal)
    assert [len(p) for p in by_generation.values()] == [6, 4, 4, 4, 4, 4, 4, 4, 3]
    assert [{p.seed for p in group} for group in by_generation.values()][:2] == [{1}, {2}]


def test_every_mode_has_its_cost():
    costs = [MetaTraining(mode, 2, 3, 10, pairs=4).gradient_examples for mode in MODES]
    assert costs == [180, 180, 60, 480]


def test_starts_differ_in_their_seed_alone():
    first, second = Bilevel(SPACE, starts=2).propose(0, None)
    assert dataclasses.replace(first, seed=1) == second


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"types": []}, "from 1 to 7 types, a neuron for each at site 'h', got 0"),
        (
            {"types": [{"kind": "scaled", "base": "sin"}] * 6},
            "from 1 to 5 types, a neuron for each at site 'g'",
        ),
        ({"types": [{"kind": "subnetwrk"}]}, "did you mean 'subnetwork'"),
        ({"types": [{"kind": "base", "name": "sin"}]}, "a type with parameters to learn"),
        ({"types": [{"kind": "maxout", "pieces": 2}]}, "one curve for all their neurons"),
        ({"types": [{"kind": "prelu", "per": "neuron"}]}, "one curve for all their neurons"),
        ({"types": [{"kind": "prelu"}, {"kind": "tabulated", "curve": "c"}]}, "types that need no file"),
        ({"starts": 0}, "starts of at least 1"),
        ({"outer_steps": -1}, "outer_steps of at least 0"),
        ({"mode": "exact"}, "unknown mode of meta-training 'exact'"),
        ({"inner_rate": 0.0}, "inner_rate above 0"),
        ({"outer_momentum": 1.0}, "outer_momentum from 0 to below 1"),
        ({"points": 3, "interpolation": "cubic"}, "points of at least 4"),
        ({"interpolation": "quintic"}, "unknown interpolation 'quintic'"),
        ({"mode": "first_order", "learn_rate": True}, "choose another mode"),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(UserError, match=message):
        Bilevel(SPACE, **options)
