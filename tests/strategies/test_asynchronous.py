"""Searches that never wait: halving, where the best of each rung go on, and evolution in a steady state."""

import random

import pytest

from evoact.errors import UserError
from evoact.records import checkpoint_name
from evoact.strategies import create
from tests.strategies.conftest import best
from tests.strategies.test_conformance import EVOLVING, finish, proposals

STEPS, ETA = 18, 3
RANDOM = {"name": "random", "batch": 5}


def asha(space, networks=20, proposes=RANDOM, **more):
    options = {"asynchronous": True, "eta": ETA, "rungs": 3, "proposes": proposes}
    return create(
        "successive_halving", space, seed=0, networks=networks, steps=STEPS, options=options, **more
    )


@pytest.mark.parametrize("proposes", [RANDOM, EVOLVING])
def test_the_budget_is_spent_and_nothing_twice(space, landscape, proposes):
    strategy = asha(space, proposes=proposes)
    asked = proposals(finish(strategy, landscape(failing=0.2)))
    assert strategy.finished
    assert strategy.ask(3) == []
    assert [p.index for p in asked] == list(range(len(asked)))
    spent = sum(p.steps - p.start for p in asked)
    assert 20 * STEPS - 2 < spent <= 20 * STEPS
    assert len({(p.candidate, p.seed, p.rung) for p in asked}) == len(asked)
    assert {(p.rung, p.start, p.steps, p.resumable) for p in asked} == {
        (0, 0, 2, True),
        (1, 2, 6, True),
        (2, 6, 18, False),
    }
    assert all(parent < p.index for p in asked for parent in p.parents)


def test_a_worker_never_waits(space):
    """However many are in training, there is always something to do."""
    strategy = asha(space)
    assert len(strategy.ask(50)) == 50


def test_whoever_is_among_the_best_goes_on(space, landscape):
    """One after the other: a promotion is among the best third of its rung at that time, and highest rungs come
    first; a network begins only where nobody can be promoted."""
    strategy, told, gone_on = asha(space), [[], [], []], set()
    while asked := strategy.ask(1):
        (p,) = asked
        able = []
        for rung in (1, 0):
            best = sorted(told[rung], key=lambda r: (-r.score, r.proposal.index))[: len(told[rung]) // ETA]
            able += [r.proposal for r in best if r.proposal.index not in gone_on]
        if p.rung == 0:
            cheapest = min((STEPS // ETA ** (1 - q.rung) - q.steps for q in able), default=0)
            left = 20 * STEPS - sum(r.proposal.steps - r.proposal.start for rung in told for r in rung)
            assert not able or left < cheapest
        else:
            expected = next(q for q in able if q.rung == p.rung - 1)
            assert (p.fingerprint, p.seed) == (expected.fingerprint, expected.seed)
            gone_on.add(expected.index)
            assert checkpoint_name(expected, p.start) in strategy.checkpoints()
        result = landscape().result(p)
        strategy.tell([result])
        told[p.rung].append(result)
    assert len(told[0]) > len(told[1]) > len(told[2]) > 0


def test_a_stopped_search_goes_on(space, landscape):
    """What was in training is given up: its index is not used again, its budget is."""
    for kept in (0, 1, 10, 40):
        strategy, stored = asha(space), []
        draw = random.Random(kept)
        waiting = []
        while len(stored) < kept:
            waiting += strategy.ask(4)
            draw.shuffle(waiting)
            result = landscape().result(waiting.pop())
            strategy.tell([result])
            stored.append(result)
        resumed = asha(space)
        resumed.replay(stored)
        rest = finish(resumed, landscape())
        together = proposals(stored + rest)
        assert len({p.index for p in together}) == len(together)
        assert len({(p.candidate, p.seed, p.rung) for p in together}) == len(together)
        spent = sum(p.steps - p.start for p in together)
        assert 20 * STEPS - 2 < spent <= 20 * STEPS
        assert {c.index for c in best(stored + rest, 1)} <= {p.candidate for p in together if p.rung == 2}


def test_replay_refuses_what_cannot_be_of_this_search(space, landscape):
    (last,) = finish(asha(space, networks=1, first_index=500), landscape())[-1:]
    with pytest.raises(UserError, match="expected stored proposals 0 to 179"):
        asha(space).replay([last])


STEADY = {"steady_state": True, "population": 12, "parents": 6, "elites": 3, "startup": 8}
SEVERAL = {"objectives": ("val_metric", "n_parameters"), "adaptive": True}


def steady(space, networks=60, options=STEADY, **more):
    return create("evolution", space, seed=0, networks=networks, steps=1, options=options, **more)


@pytest.mark.parametrize("options", [STEADY, STEADY | SEVERAL])
def test_a_steady_state_spends_its_budget(space, landscape, options):
    strategy = steady(space, options=options)
    results = finish(strategy, landscape(failing=0.2))
    asked = proposals(results)
    assert strategy.finished
    assert [p.index for p in asked] == list(range(60))
    assert len({(p.candidate, p.seed) for p in asked}) == 60
    assert all(space.contains(p.genome) for p in asked)
    assert sum(bool(p.parents) for p in asked) > 30
    assert {p.context == "" for p in asked if p.parents} == (
        {True, False} if "adaptive" in options else {True}
    )
    failed = {r.proposal.candidate for r in results if r.score is None or r.score != r.score}
    assert not failed & {c.index for c in best(results, 5)}


def test_a_steady_state_never_waits(space):
    assert len(steady(space).ask(50)) == 50


def test_the_old_have_no_children(space, landscape):
    """With one at a time, parents are among the last candidates that were first evaluated, and the best are not
    parents for ever."""
    strategy, born = steady(space, networks=150, options=STEADY | {"elites": 0}), []
    while asked := strategy.ask(1):
        assert set(asked[0].parents) <= set(born[-12:])
        assert not asked[0].parents or len(born) >= 8
        strategy.tell([landscape(noise=0.0).result(p) for p in asked])
        born += [p.candidate for p in asked]
    assert len(born) == len(set(born)) == 150


def test_a_share_of_a_steady_state_is_evaluated_again(space, landscape):
    asked = proposals(finish(steady(space, networks=200), landscape()))
    again = sum(p.candidate != p.index for p in asked)
    assert 200 * 3 / 12 / 2 < again < 200 * 3 / 12 * 1.5


def test_a_stopped_steady_state_goes_on(space, landscape):
    """Where nothing was in training it goes on exactly as it would have."""
    strategy, whole = steady(space), []
    while asked := strategy.ask(1):
        whole += [landscape().result(p) for p in asked]
        strategy.tell(whole[-1:])
    resumed = steady(space)
    resumed.replay(reversed(whole[:25]))
    rest = []
    while asked := resumed.ask(1):
        rest += [landscape().result(p) for p in asked]
        resumed.tell(rest[-1:])
    assert proposals(rest) == proposals(whole[25:])


def test_all_failing_still_ends(space, landscape):
    strategy = asha(space, networks=2)
    results = finish(strategy, landscape(failing=1.0))
    assert {p.rung for p in proposals(results)} == {0}
    assert best(results, 3) == []
    assert strategy.checkpoints() == set()
