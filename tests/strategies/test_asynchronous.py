"""Asynchronous halving: nobody waits, the best of each rung go on, and a stopped search goes on from its rows."""

import random

import pytest

from evoact.errors import UserError
from evoact.records import checkpoint_name
from evoact.strategies import create
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
        assert {c.index for c in resumed.recommend(1)} <= {p.candidate for p in together if p.rung == 2}


def test_replay_refuses_what_cannot_be_of_this_search(space, landscape):
    (last,) = finish(asha(space, networks=1, first_index=500), landscape())[-1:]
    with pytest.raises(UserError, match="expected stored proposals 0 to 179"):
        asha(space).replay([last])


def test_all_failing_still_ends(space, landscape):
    strategy = asha(space, networks=2)
    asked = proposals(finish(strategy, landscape(failing=1.0)))
    assert {p.rung for p in asked} == {0}
    assert strategy.recommend(3) == []
    assert strategy.checkpoints() == set()
