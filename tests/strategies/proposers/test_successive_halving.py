"""Rungs: who is promoted, what it costs, which checkpoints are still wanted."""

import json
from itertools import pairwise

import pytest

from evoact.errors import UserError
from evoact.records import checkpoint_name
from evoact.strategies import create, proposer
from tests.strategies.conftest import best
from tests.strategies.test_conformance import finish, proposals

STEPS = 18


def halving(space, networks=10, **options):
    return create("successive_halving", space, seed=0, networks=networks, steps=STEPS, options=options)


def brackets(asked):
    """The generations as lists of proposals, a bracket for each one of rung 0."""
    found = []
    for generation in sorted({p.generation for p in asked}):
        members = [p for p in asked if p.generation == generation]
        assert len({p.rung for p in members}) == 1
        if members[0].rung == 0:
            found.append([])
        found[-1].append(members)
    return found


def test_the_best_third_goes_on_from_where_it_stopped(space, landscape):
    strategy = halving(space, proposes={"name": "random", "batch": 18})
    results = finish(strategy, landscape())
    score = {r.proposal.index: r.score for r in results}
    for rungs in brackets(proposals(results))[:-1]:
        assert [len(members) for members in rungs] == [18, 6, 2]
        assert [members[0].steps for members in rungs] == [2, 6, 18]
        assert [members[0].start for members in rungs] == [0, 2, 6]
        assert [members[0].resumable for members in rungs] == [True, True, False]
        for lower, upper in pairwise(rungs):
            best = sorted(lower, key=lambda p: (-score[p.index], p.index))[: len(upper)]
            assert {(p.fingerprint, p.seed) for p in best} == {(p.fingerprint, p.seed) for p in upper}
            assert all(p.candidate in {q.candidate for q in lower} for p in upper)


def test_every_bracket_is_a_generation_of_the_other_search(space, landscape):
    """Its first ones are what that search proposes on its own, as long as nothing is learnt."""
    evolving = {"name": "evolution", "population": 9, "parents": 4, "elites": 2}
    asked = proposals(finish(halving(space, proposes=evolving), landscape()))
    settings = {key: value for key, value in evolving.items() if key != "name"}
    alone = create("evolution", space, seed=0, networks=9, steps=STEPS, options=settings)
    first = brackets(asked)[0][0]
    assert [p.genome for p in first] == [p.genome for p in proposals(finish(alone, landscape()))]
    later = [p for bracket in brackets(asked)[1:] for p in bracket[0]]
    assert any(p.parents for p in later)


def test_the_last_rung_recommends(space, landscape):
    """Scores of short trainings do not compare with those of long ones, however high."""
    strategy = halving(space, proposes={"name": "random", "batch": 9})
    results = finish(strategy, landscape())
    whole = {r.proposal.candidate for r in results if r.proposal.rung == 2}
    order = best(results, len(whole) + 3)
    assert {c.index for c in order[: len(whole)]} == whole
    assert not {c.index for c in order[len(whole) :]} & whole
    scores = [c.score for c in order[: len(whole)]]
    assert scores == sorted(scores, reverse=True)


def test_only_checkpoints_that_may_be_wanted_are_kept(space, landscape):
    strategy = halving(space, networks=3, proposes={"name": "random", "batch": 9})
    assert strategy.checkpoints() == set()
    told = {}
    while asked := strategy.ask(4):
        assert all(checkpoint_name(p, p.steps) in strategy.checkpoints() for p in asked if p.resumable)
        for p in asked:
            if p.start:
                before = told[p.fingerprint, p.seed, p.start]
                assert checkpoint_name(before, p.start) in strategy.checkpoints()
        strategy.tell([landscape().result(p) for p in asked])
        told |= {(p.fingerprint, p.seed, p.steps): p for p in asked}
        kept = strategy.checkpoints()
        assert len(kept) <= 9 + 3
        assert all(checkpoint_name(p, p.steps) in kept for p in asked if p.resumable)
        assert not any(checkpoint_name(p, p.steps) in kept for p in asked if not p.resumable)


def test_a_bracket_in_which_all_fail_is_followed_by_another(space, landscape):
    asked = proposals(
        finish(halving(space, networks=2, proposes={"name": "random", "batch": 9}), landscape(failing=1.0))
    )
    assert {p.rung for p in asked} == {0}
    assert len(asked) == 2 * STEPS // 2


def test_around_the_default_search(space, landscape):
    """Its probes are left out, its budget is what the first rungs have, and it learns which sources pay."""
    results = finish(halving(space, networks=30, proposes="hybrid"), landscape(noise=0.1))
    asked = proposals(results)
    assert all(space.contains(p.genome) for p in asked)
    assert sum(p.steps - p.start for p in asked) == pytest.approx(30 * STEPS, abs=STEPS)
    first = brackets(asked)[0]
    assert {p.genome.label for p in first[0]} == {"8 relu", "8 sin", "8 tanh", "8 abs"}
    assert [len(members) for members in first] == [4, 1, 1]
    sources = {json.loads(p.context)["source"] for p in asked if p.context}
    assert {"vertex", "child", "sample"} <= sources
    assert any(p.genome.heterogeneous for p in asked if p.rung == 2)


def test_a_budget_too_small_for_mixtures_is_that_of_the_first_rungs(space):
    """30 networks begin over a hundred, enough for mixtures; three begin eleven."""
    made = {n: proposer("successive_halving", space, 0, {"proposes": "hybrid"}, n) for n in (3, 30)}
    assert made[30].remark == ""
    assert made[3].remark.startswith("of 3 networks successive_halving begins 11: 11 networks, baselines")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"eta": 1}, "expected eta and rungs of at least 2, got 1 and 3"),
        ({"rungs": 1}, "expected eta and rungs of at least 2, got 3 and 1"),
        ({"proposes": {"batch": 3}}, "expected the name of a search in strategy.proposes, got none"),
        ({"proposes": {"name": "random", "batch": "x"}}, "expected settings of strategy 'random' in"),
        (
            {"proposes": {"name": "hybrid", "probes": 2}},
            "expected no probes in strategy.proposes, .* got 2; leave",
        ),
        ({"proposes": {"name": "randon"}}, "unknown strategy 'randon'; did you mean 'random'"),
        ({"proposes": {"name": "random", "bath": 3}}, "unknown setting of strategy 'random' 'bath'"),
        (
            {"proposes": {"name": "evolution", "steady_state": True}},
            "expected a search by generations, for the metric alone",
        ),
        (
            {"proposes": {"name": "evolution", "objectives": ["val_metric", "n_parameters"]}},
            "leave steady_state and objectives out",
        ),
        (
            {"proposes": {"name": "successive_halving"}},
            "expected a search that trains every network to the end in strategy.proposes, got .successive_halving",
        ),
    ],
)
def test_settings(space, options, expected):
    with pytest.raises(UserError, match=expected):
        halving(space, **options)
