"""Optuna's samplers by name: each asks what it can, and is told the scores."""

import numpy as np
import pytest

from evoact.strategies import create
from evoact.strategies.proposers.optuna_search import SAMPLERS, Told, suggest


def asked(sampler, history, count=12, seed=3):
    found = []
    suggest(
        history,
        count,
        seed,
        lambda c: found.append((c.integer("a", 0, 20), c.integer("b", 0, 20), c.category("c", ("x", "y")))),
        sampler,
    )
    return found


def told(n, score):
    """Trials that get better towards a = 15, b = 5, c = y."""
    draw = np.random.default_rng(0)
    domains = {"a": (0, 20), "b": (0, 20), "c": ("x", "y")}
    history = []
    for _ in range(n):
        a, b, c = int(draw.integers(21)), int(draw.integers(21)), "xy"[int(draw.integers(2))]
        history.append(Told({"a": a, "b": b, "c": c}, domains, score(a, b, c)))
    return history


def distance(a, b, c):
    return abs(a - 15) + abs(b - 5) + 5 * (c == "x")


@pytest.mark.parametrize("sampler", sorted(SAMPLERS))
def test_every_sampler_learns(sampler):
    slow = sampler == "gp"
    history = told(30 if slow else 200, lambda *at: -float(distance(*at)))
    found = asked(sampler, history, 2 if slow else 12)
    assert slow or found == asked(sampler, history)
    drawn = np.mean([distance(*t.values.values()) for t in history])
    assert np.mean([distance(*at) for at in found]) < 0.75 * drawn
    assert len(set(found)) > 1


@pytest.mark.parametrize("sampler", sorted(SAMPLERS))
def test_nothing_but_failures_is_no_obstacle(sampler):
    assert len(asked(sampler, told(15, lambda *at: None), 2)) == 2


def test_a_search_with_it(space, landscape):
    options = {"sampler": "cmaes", "batch": 6, "elites": 1, "startup": 12}
    strategy = create("optuna", space, seed=0, networks=24, steps=1, options=options)
    results = []
    while not strategy.finished:
        results += (more := [landscape(failing=0.1).result(p) for p in strategy.ask(6)])
        strategy.tell(more)
    assert len(results) == 24
    assert all(space.contains(r.proposal.genome) for r in results)
    resumed = create("optuna", space, seed=0, networks=24, steps=1, options=options)
    resumed.replay(results[:20])
    assert [p.genome for p in resumed.ask(9)] == [r.proposal.genome for r in results[20:]]
