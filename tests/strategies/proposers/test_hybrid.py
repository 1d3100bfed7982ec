"""The default search: what it begins with, what it does with a small budget, and which sources it believes."""

import dataclasses
import json
import math
import random

import pytest

from evoact.genomes.activation import functions_of, is_base
from evoact.genomes.choices import HullChoices, choices
from evoact.genomes.genome import Site
from evoact.genomes.kinds import Base
from evoact.genomes.space import SearchSpace
from evoact.records import result_of
from evoact.strategies import create, proposer
from evoact.strategies.archive import ASIDE, Archive
from evoact.strategies.proposers.enumerate import baselines
from evoact.strategies.proposers.hybrid import LEAST_SHARE, SOURCES, earned
from tests.strategies.conftest import best


def run(strategy, landscape):
    results = []
    while not strategy.finished:
        results += (told := [landscape.result(p) for p in strategy.ask(50)])
        strategy.tell(told)
    return results


def generations(results):
    found = {}
    for r in results:
        found.setdefault(r.proposal.generation, []).append(r.proposal)
    return found


def source(proposal):
    if proposal.kind == "meta_train":
        return "meta-training"
    return json.loads(proposal.context)["source"] if proposal.context.startswith("{") else proposal.context


def test_begins_with_vertices_then_probes_then_what_these_became(space, landscape):
    found = generations(run(create("hybrid", space, seed=0, networks=60, steps=1), landscape()))
    assert {source(p) for p in found[0]} == {"vertex"}
    assert {p.genome.label for p in found[0]} == {"8 relu", "8 sin", "8 tanh", "8 abs"}
    assert {p.genome.hyperparameter("learning_rate") for p in found[0]} == {0.03}
    probes = [p for p in found[1] if p.context == ASIDE]
    assert {p.genome.label for p in probes} == {"8 convex(abs,relu,sin,tanh)/neuron"}
    assert len({(p.candidate, p.seed) for p in probes}) == len(probes) == 4
    known = {p.candidate: p.genome for p in found[0]}
    for p in probes:  # with the settings of vertices
        assert p.genome.hyperparameters == known[p.parents[0]].hyperparameters
    became = [p for p in found[2] if source(p) == "probe"]
    assert {p.parents for p in became} <= {(p.candidate,) for p in probes}
    assert ASIDE not in {p.context for p in found[max(found)]}  # nothing could come of it any more
    later = {source(p) for g, asked in found.items() if g > 2 for p in asked}
    assert {"child", "sample"} <= later


def test_a_large_budget_has_vertices_on_half_of_the_grid(landscape):
    space = SearchSpace(
        "w", (Site("h", 16),), (choices("base", name=("relu", "sin")),), (1, 2), (0.1, 0.2, 0.4, 0.8)
    )
    for networks, rates in ((30, {0.4}), (200, {0.2, 0.8})):
        asked = create("hybrid", space, seed=0, networks=networks, steps=1).ask(50)
        assert {p.genome.hyperparameter("learning_rate") for p in asked} == rates
        assert len(asked) == 2 * len(rates)


def test_baselines_that_are_known_are_not_paid_again(space, landscape):
    """And probes have the settings of the best of them."""
    options = {"genomes": baselines(space)}
    before = run(
        create("enumerate", space, seed=0, networks=12, steps=1, options=options), landscape(noise=0.1)
    )
    strategy = create("hybrid", space, seed=0, networks=60, steps=1, first_index=12, earlier=before)
    found = generations(run(strategy, landscape(noise=0.1)))
    probes = [p for p in found[0] if p.context == ASIDE]
    assert len(probes) == 4
    assert probes[0].genome.hyperparameter("learning_rate") == 0.03


@pytest.mark.parametrize("networks", [1, 3, 7, 23])
def test_a_small_budget_tunes_the_best_functions(networks, space, landscape):
    results = run(create("hybrid", space, seed=0, networks=networks, steps=1), landscape(noise=0.1))
    assert len(results) == networks
    assert not any(r.proposal.genome.heterogeneous for r in results)
    assert all(is_base(t) for r in results for t in r.proposal.genome.sites[0].types)
    assert len({r.proposal.structure for r in results}) == min(networks, 4)
    needed = 2 * (4 + 2 * 4)
    assert f"from {needed} networks on" in proposer("hybrid", space, 0, {}, networks).remark
    assert proposer("hybrid", space, 0, {}, needed).remark == ""
    if networks == 23:  # relu is the best function here, and 0.03 the best rate
        (c,) = best(results, 1)
        assert (c.genome.label, c.genome.hyperparameter("learning_rate")) == ("8 relu", 0.03)


@pytest.mark.parametrize("networks", [12, 17])
def test_what_can_just_be_enumerated_is_enumerated(networks, space, landscape):
    """The same networks; if the budget does not end there, replicates of the best follow."""
    noisy, found = landscape(noise=0.5), {}
    for name, most, options in (("hybrid", networks, {}), ("enumerate", 12, {"genomes": baselines(space)})):
        strategy = create(name, space, seed=3, networks=most, steps=1, options=options)
        found[name] = [(r.proposal.fingerprint, r.proposal.seed) for r in run(strategy, noisy)]
    asked, every = found["hybrid"], found["enumerate"]
    assert asked[:12] == every
    assert len(asked) == networks
    assert {name for name, _ in asked} == {name for name, _ in every}


LEARNED = {
    "outer_steps": 2,
    "inner_steps": 1,
    "batch_size": 2,
}  # twelve gradient-examples: as much as three networks


@pytest.mark.parametrize("networks", [23, 60])
def test_learned_types_compete_within_the_budget(networks, space, landscape):
    """Beside vertices and probes; how much they cost is known to who plans the budget."""
    options = {"learned": LEARNED}
    strategy = create("hybrid", space, seed=0, networks=networks, steps=2, batch_size=2, options=options)
    results = run(strategy, landscape(noise=0.1))
    assert len(results) == networks - 2
    found = generations(results)
    assert [source(p) for p in found[0]].count("meta-training") == 1
    assert {source(p) for p in found[0]} == {"meta-training", "vertex"}
    first = [p for p in found[1] if source(p) == "learned"][:3]  # both types mixed, and each alone
    assert [len(p.genome.sites[0].types) for p in first] == [2, 1, 1]
    best = max(
        (r for r in results if r.proposal.generation == 0 and r.proposal.kind == "train"),
        key=lambda r: r.score,
    )
    assert {p.genome.hyperparameters for p in first} == {best.proposal.genome.hyperparameters}
    needed = 2 * (4 + 2 * 4)
    assert any(p.genome.heterogeneous and source(p) == "child" for g in found.values() for p in g) == (
        networks - 3 >= needed
    )
    resumed = create("hybrid", space, seed=0, networks=networks, steps=2, batch_size=2, options=options)
    resumed.replay(results[:7])
    assert [r.proposal for r in run(resumed, landscape(noise=0.1))] == [r.proposal for r in results[7:]]


def test_a_meta_training_that_fails_leaves_the_search_as_it_is(space, landscape):
    options = {"learned": LEARNED}
    strategy = create("hybrid", space, seed=0, networks=23, steps=2, batch_size=2, options=options)
    results = []
    while not strategy.finished:
        told = [landscape().result(p) for p in strategy.ask(50)]
        told = [
            dataclasses.replace(r, state="failed", learned_types="") if r.proposal.kind == "meta_train" else r
            for r in told
        ]
        strategy.tell(told)
        results += told
    assert len(results) == 21
    assert "learned" not in {source(r.proposal) for r in results}


def hulls_alone():
    return SearchSpace(
        "s", (Site("h", 8),), (HullChoices(("convex",), ("relu", "sin"), (2,)),), (1, 1), (0.1,)
    )


def one_function():
    return SearchSpace("s", (Site("h", 8),), (choices("base", name=("sin",)),), (1, 1), (0.01, 0.1))


def no_functions():
    pieces = (choices("lp_pool", pieces=(2, 3)), choices("prelu"))
    return SearchSpace("s", (Site("h", 8),), pieces, (1, 2), (0.1,))


def mixed_only():
    return SearchSpace("s", (Site("h", 8),), (choices("base", name=("sin", "relu")),), (2, 2), (0.1,))


@pytest.mark.parametrize("made", [hulls_alone, one_function, no_functions, mixed_only])
def test_spaces_in_which_there_is_little_to_begin_with(made, landscape):
    space = made()
    results = run(create("hybrid", space, seed=0, networks=24, steps=1, replicates=3), landscape())
    asked = [r.proposal for r in results]
    assert 3 <= len(asked) <= 24
    assert all(p.context == ASIDE or space.contains(p.genome) for p in asked)
    assert any(p.context == ASIDE for p in asked) == (len(space.functions) > 1)


def test_probes_that_all_diverge_are_replaced(space, landscape):
    strategy, results = create("hybrid", space, seed=0, networks=40, steps=1), []
    while not strategy.finished:
        for p in strategy.ask(50):
            lost = result_of(p, "diverged", "accuracy", "maximize") if p.context == ASIDE else None
            results.append(lost or landscape().result(p))
            strategy.tell(results[-1:])
    assert len(results) == 40
    assert best(results, 1)


def test_sources_are_paid_by_what_they_earn(space, landscape):
    """Whoever's candidates are the best gets the most, and nobody is starved."""
    archive, draw = Archive(), random.Random(0)
    for i, p in enumerate(create("random", space, seed=0, networks=80, steps=1).ask(80)):
        name = SOURCES[i % len(SOURCES)]
        p = dataclasses.replace(p, context=json.dumps({"source": name}, separators=(",", ":")))
        score = draw.gauss(1.0 if name == "suggestion" else 0.0, 0.2)
        archive.add(dataclasses.replace(landscape().result(p), val_metric=score))
    shares = earned(archive)
    assert max(shares, key=shares.get) == "suggestion"
    assert min(shares.values()) == LEAST_SHARE
    assert shares["suggestion"] > 0.5


def test_homogeneous_networks_compete_to_the_end(space, landscape):
    """If one function alone is best, at a rate that was not among the first, the search finds that."""
    alone = landscape(noise=0.02, optimum=(0.0, 1.0, 0.0, 0.0))
    wide = SearchSpace("w", (Site("h", 16),), space.families, (1, 3), (0.003, 0.01, 0.03, 0.1))
    strategy = create("hybrid", wide, seed=1, networks=90, steps=1)
    (found,) = best(run(strategy, alone), 1)
    assert found.genome.sites[0].types == (Base("sin"),)
    assert found.genome.hyperparameter("learning_rate") == 0.03


def beside_pieces():
    """Functions beside kinds that no probe can be made of, and one learning rate."""
    families = (
        choices("base", name=("sin", "relu", "tanh")),
        choices("lp_pool", pieces=(2,)),
        choices("prelu"),
    )
    return SearchSpace("s", (Site("h", 8),), families, (1, 2), (0.1,))


def test_kinds_that_cannot_be_probed_are_left_out_of_probes_alone(landscape):
    space = beside_pieces()
    asked = [r.proposal for r in run(create("hybrid", space, seed=0, networks=50, steps=1), landscape())]
    probes = [p for p in asked if p.context == ASIDE]
    assert probes
    assert all(functions_of(t) for p in probes for t in p.genome.sites[0].types)
    assert any("lp_pool" in p.genome.label for p in asked)
    assert any("prelu" in p.genome.label for p in asked)


@pytest.mark.parametrize(
    "fields",
    [
        {"val_metric": 0.5},
        {"val_metric": 0.5, "train_loss": 1.0},
        {"val_metric": math.nan},
        {"val_metric": 0.0, "direction": "minimize"},
        {"state": "diverged", "val_metric": None},
    ],
)
@pytest.mark.parametrize("networks", [5, 60])
def test_results_that_tell_nothing(fields, networks, space, landscape):
    """One score for all, none at all, or errors of exactly 0: the budget is spent, and nothing raises."""
    strategy, results = create("hybrid", space, seed=0, networks=networks, steps=1), []
    while not strategy.finished:
        told = [dataclasses.replace(landscape().result(p), **fields) for p in strategy.ask(50)]
        strategy.tell(told)
        results += told
    assert len(results) == networks
    usable = fields["val_metric"] is not None and math.isfinite(fields["val_metric"])
    assert bool(best(results, 1)) == usable
