"""What every strategy owes to what executes it, over the table of strategies."""

import dataclasses
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from evoact.errors import UserError
from evoact.genomes.genome import canonical, dumps, fingerprint, structure
from evoact.strategies import STRATEGIES, create, proposer, strategy_class
from evoact.strategies.archive import ASIDE, Archive
from tests.strategies.conftest import Landscape, small_space

NETWORKS = 40
OPTIONS = {
    "bilevel": {"starts": 3, "outer_steps": 1, "inner_steps": 1, "batch_size": 1},
    "discretise": {"hulls": 2},
    "enumerate": {"seeds": (0, 1, 2, 3)},
    "evolution": {"population": 12, "parents": 6, "elites": 3, "offspring": 30, "startup": 12},
    "hybrid": {"batch": 8, "elites": 2, "offspring": 30},
    "optuna": {"batch": 8, "elites": 2, "startup": 8},
    "random": {"batch": 16},
    "successive_halving": {"eta": 2, "rungs": 3},
}
EVOLVING = {"name": "evolution", "population": 8, "parents": 4, "elites": 2}
OPTIONS["successive_halving"]["proposes"] = EVOLVING
# The same strategies with settings that make others of them.
OPTIONS["evolution, two objectives"] = OPTIONS["evolution"] | {
    "objectives": ("val_metric", "n_parameters"),
    "adaptive": True,
}
OPTIONS["hybrid, learned types"] = OPTIONS["hybrid"] | {"learned": OPTIONS["bilevel"] | {"starts": 1}}
OPTIONS["optuna, nsga2"] = OPTIONS["optuna"] | {"sampler": "nsga2"}
STEPS = 10
# Most proposals have a budget: of networks that are trained to their end, or of those that none is promoted of.
MOST = {"successive_halving": NETWORKS * STEPS // 2}
LEARNING = ("bilevel", "hybrid, learned types")  # they make activations of their own


@pytest.fixture(params=sorted(OPTIONS))
def name(request) -> str:
    return request.param


def strategy_of(name):
    return name.partition(",")[0]


def new(name, space, seed=0, networks=NETWORKS, **more):
    options = OPTIONS[name]
    return create(
        strategy_of(name), space, seed=seed, networks=networks, steps=STEPS, options=options, **more
    )


def test_every_strategy_is_here():
    assert {strategy_of(name) for name in OPTIONS} == set(STRATEGIES)


def finish(strategy, landscape, shuffle=0, n=7):
    """Runs a search with results told in a shuffled order, a few at a time; its results by index."""
    draw = random.Random(shuffle)
    waiting, results = [], {}
    while not strategy.finished:
        asked = strategy.ask(n)
        assert len(asked) <= n
        waiting += asked
        draw.shuffle(waiting)
        told = [landscape.result(p) for p in waiting[: draw.randint(1, 5)]]
        waiting = waiting[len(told) :]
        strategy.tell(told)
        results |= {r.proposal.index: r for r in told}
    return [results[i] for i in sorted(results)]


def proposals(results):
    return [r.proposal for r in results]


def own_best(name, space, results, k):
    """The best candidates by the strategy's own rule."""
    return proposer(strategy_of(name), space, 0, OPTIONS[name], NETWORKS).recommend(k, Archive.of(results))


def test_the_budget_is_spent_and_no_more(name, space, landscape):
    strategy = new(name, space)
    assert strategy.expected() == NETWORKS
    results = finish(strategy, landscape())
    asked = proposals(results)
    assert abs(strategy.expected() - len(asked)) <= (1 if name == "successive_halving" else 0)
    assert [p.index for p in asked] == list(range(len(asked)))
    if name == "successive_halving":
        spent = sum(p.steps - p.start for p in asked)
        assert NETWORKS * STEPS - STEPS < spent <= NETWORKS * STEPS < STEPS * len(asked)
    else:
        assert len(asked) == NETWORKS
    assert strategy.finished
    assert strategy.ask(5) == []


def test_proposals_are_canonical_inside_and_never_repeated(name, space, landscape):
    asked = proposals(finish(new(name, space), landscape()))
    assert len({(p.fingerprint, p.seed, p.steps) for p in asked}) == len(asked) >= NETWORKS
    first = {}
    for p in asked:
        if p.kind == "train":
            assert name in LEARNING or p.context == ASIDE or space.objection(p.genome) == ""
            assert canonical(p.genome, space.sites) == p.genome
            assert all(parent < p.index for parent in p.parents)
            assert (p.structure, p.fingerprint) == (structure(p.genome), fingerprint(p.genome))
        assert p.candidate == first.setdefault(p.fingerprint, p.index)
        assert p.strategy == strategy_of(name)


def test_the_facts_of_a_strategy_are_what_it_does(name, space, landscape):
    asked = proposals(finish(new(name, space), landscape()))
    idea = proposer(strategy_of(name), space, 0, OPTIONS[name])
    plain = all(p.kind == "train" and not space.objection(p.genome) and p.steps == STEPS for p in asked)
    assert idea.from_space == plain
    assert len(idea.meta_trainings) == sum(p.kind == "meta_train" for p in asked)


def test_order_of_tells_and_size_of_asks_do_not_matter(name, space, landscape):
    one = finish(new(name, space), landscape(), shuffle=1, n=1)
    other = finish(new(name, space), landscape(), shuffle=2, n=100)
    assert proposals(one) == proposals(other)


@pytest.mark.slow
def test_a_space_of_every_kind_of_choice(name, rich, landscape):
    if name in LEARNING:
        with pytest.raises(UserError, match="got some of output; leave"):
            new(name, rich)
        return
    results = finish(new(name, rich), landscape())
    for p in proposals(results):
        assert p.context == ASIDE or rich.objection(p.genome) == ""
    resumed = new(name, rich)
    resumed.replay(results[:23])
    assert proposals(results[23:]) == proposals(finish(resumed, landscape()))
    labels = " ".join(p.genome.label for p in proposals(results))
    assert name == "enumerate" or ("absent" in labels and "linear(" in labels)


def test_another_seed_proposes_otherwise(name, space, landscape):
    one, other = (proposals(finish(new(name, space, seed), landscape())) for seed in (0, 1))
    assert (one == other) == (name in ("enumerate", "bilevel"))  # those draw nothing themselves


def proposed():
    """By strategy, whom it proposes at which replicate."""
    found = {}
    for name in STRATEGIES:
        strategy, found[name] = new(name, small_space(), seed=3, networks=30), []
        while not strategy.finished:
            asked = strategy.ask(9)
            found[name] += [[p.fingerprint, p.seed] for p in asked]
            strategy.tell([Landscape().result(p) for p in asked])
    return found


@pytest.mark.slow
def test_the_same_seed_proposes_the_same_in_another_process():
    """Whatever the order of sets there, which goes by the seed of hashes."""
    script = "import json, tests.strategies.test_conformance as t; print(json.dumps(t.proposed()))"
    variables = os.environ | {"PYTHONHASHSEED": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    there = subprocess.check_output([sys.executable, "-c", script], env=variables, text=True)
    here = proposed()
    assert json.loads(there) == here
    assert all(len(asked) >= 30 for asked in here.values())


def test_the_global_generator_is_left_alone(name, space, landscape):
    random.seed(7)
    expected = random.Random(7).random()
    finish(new(name, space), landscape())
    assert random.random() == expected


@pytest.mark.slow
def test_replay_continues_from_every_kill_point(name, space, landscape):
    whole = finish(new(name, space), landscape())
    seldom = {"optuna": 13, "hybrid": 13, "successive_halving": 13, "evolution": 9, "discretise": 9}
    for killed_after in range(0, len(whole) + 1, seldom.get(strategy_of(name), 1)):
        draw = random.Random(killed_after)
        # what was stored when the process died: finished generations and some of the running ones
        strategy, stored, waiting = new(name, space), [], []
        while len(stored) < killed_after:
            waiting += strategy.ask(5)
            draw.shuffle(waiting)
            result = landscape().result(waiting.pop())
            strategy.tell([result])
            stored.append(result)
        draw.shuffle(stored)
        resumed = new(name, space)
        resumed.replay(stored)
        rest = finish(resumed, landscape(), shuffle=killed_after)
        assert len(rest) == len(whole) - killed_after
        together = sorted(stored + rest, key=lambda r: r.proposal.index)
        assert proposals(together) == proposals(whole)


def test_replay_asks_again_for_a_lost_row(name, space, landscape):
    whole = finish(new(name, space), landscape())
    resumed = new(name, space)
    resumed.replay([r for r in whole if r.proposal.index != 5])
    asked = resumed.ask(10)
    assert [p.index for p in asked] == [5]
    resumed.tell([landscape().result(p) for p in asked])
    assert resumed.finished


def test_replay_refuses_the_rows_of_another_run(name, space, landscape):
    stored = finish(new(name, space), landscape())[:3]
    changed = dataclasses.replace(stored[1].proposal, fingerprint="0" * 16)
    with pytest.raises(UserError, match="resume with the configuration of the run"):
        new(name, space).replay([stored[0], dataclasses.replace(stored[1], proposal=changed)])
    most = MOST.get(name, NETWORKS)
    far = dataclasses.replace(stored[1].proposal, index=most)
    with pytest.raises(UserError, match=f"0 to {most - 1}"):
        new(name, space).replay([dataclasses.replace(stored[1], proposal=far)])


def test_failures_are_values(name, space, landscape):
    results = finish(new(name, space), landscape(failing=0.3))
    trained = [r for r in results if r.proposal.kind == "train"]
    sick = [r for r in trained if r.score is None or r.score != r.score]
    failed = {r.proposal.candidate for r in sick}
    assert failed
    recommended = own_best(name, space, results, 5)
    assert recommended
    assert not failed & {candidate.index for candidate in recommended}
    for p in proposals(trained):  # whoever failed before the generation is no parent
        earlier = {r.proposal.candidate for r in trained if r.proposal.generation < p.generation}
        broken = {r.proposal.candidate for r in sick if r.proposal.generation < p.generation}
        assert set(p.parents) <= earlier - broken


def test_all_failing_still_ends(name, space, landscape):
    results = finish(new(name, space), landscape(failing=1.0))
    # Without a meta-training that worked there is nothing to make networks of.
    assert len(results) == (3 if name == "bilevel" else MOST.get(name, NETWORKS))
    assert own_best(name, space, results, 3) == []


def test_what_is_never_told_blocks_or_is_passed_but_never_asked_again(name, space, landscape):
    strategy = new(name, space)
    lost = strategy.ask(1)
    seen = {p.index for p in lost}
    while asked := strategy.ask(4):
        assert not seen & {p.index for p in asked}
        seen |= {p.index for p in asked}
        strategy.tell([landscape().result(p) for p in asked])
    assert not strategy.finished
    assert (len(seen) == NETWORKS) == strategy_class(strategy_of(name)).independent


def test_only_pending_proposals_can_be_told(name, space, landscape):
    strategy = new(name, space)
    (asked,) = strategy.ask(1)
    strategy.tell([landscape().result(asked)])
    with pytest.raises(ValueError, match="expected a result of a pending proposal, got index 0"):
        strategy.tell([landscape().result(asked)])


@pytest.mark.slow
def test_phases_share_indices_candidates_and_evaluations(name, space, landscape):
    before = finish(create("enumerate", space, seed=0, networks=12, steps=10), landscape())
    strategy = new(name, space, first_index=12, earlier=before)
    after = finish(strategy, landscape())
    both = proposals(before + after)
    assert [p.index for p in both] == list(range(len(both)))
    assert len({(p.fingerprint, p.seed, p.steps) for p in both}) == len(both)
    first = {}
    assert all(p.candidate == first.setdefault(p.fingerprint, p.index) for p in both)
    resumed = new(name, space, first_index=12, earlier=random.Random(0).sample(before, len(before)))
    resumed.replay(random.Random(1).sample(after[:17], 17))  # both as they came in
    assert proposals(after[17:]) == proposals(finish(resumed, landscape()))


def test_recommendations_come_best_first(name, space, landscape):
    best = own_best(name, space, finish(new(name, space), landscape()), 10)
    scores = [c.score for c in best[: 3 if name == "successive_halving" else 10]]  # then come lower rungs
    assert scores == sorted(scores, reverse=True)
    assert len({dumps(c.genome) for c in best}) == len(best) == 10


def test_settings_are_checked(name, space):
    with pytest.raises(UserError, match="unknown setting of strategy"):
        create(strategy_of(name), space, seed=0, networks=5, steps=5, options={"populaton": 3})
    with pytest.raises(UserError, match="expected networks of at least 1, got 0"):
        new(name, space, networks=0)


def test_unknown_strategy_names_the_nearest(space):
    with pytest.raises(UserError, match="did you mean 'evolution'"):
        create("evolutoin", space, seed=0, networks=5, steps=5)


def test_importing_the_table_imports_no_framework():
    code = "import sys, evoact.strategies; print({'deap', 'optuna', 'torch'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"
