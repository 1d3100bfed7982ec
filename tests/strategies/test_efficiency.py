"""Strategies that learn must beat random search where there is something to learn."""

import statistics

import pytest

from evoact.genomes.choices import HullChoices, choices
from evoact.genomes.genome import Site
from evoact.genomes.space import SearchSpace
from evoact.strategies import create
from tests.strategies.conftest import best

FUNCTIONS = ("relu", "sin", "tanh", "abs")
WIDE = (Site("h", 16), Site("g", 16))


def loss(name, landscape, sites, networks, runs=4):
    """How far the truth of what is recommended lies below the optimum, mean over runs."""
    families = (choices("base", name=FUNCTIONS), HullChoices(("convex",), FUNCTIONS, (2,)))
    space = SearchSpace("s", sites, families, (1, 3), (0.003, 0.01, 0.03, 0.1))
    losses = []
    for seed in range(runs):
        strategy = create(name, space, seed=seed, networks=networks, steps=1)
        results = []
        while not strategy.finished:
            results += (told := [landscape.result(p) for p in strategy.ask(1000)])
            strategy.tell(told)
        losses.append(-landscape.truth(best(results, 1)[0].genome))
    return statistics.mean(losses)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["evolution", "hybrid"])
def test_beats_random_search(name, landscape):
    noisy = landscape(noise=0.2)
    assert loss(name, noisy, WIDE, 160) < 0.6 * loss("random", noisy, WIDE, 160)


@pytest.mark.slow
def test_optuna_beats_random_search(landscape):
    noisy, narrow = landscape(noise=0.1), WIDE[:1]
    assert loss("optuna", noisy, narrow, 80, runs=5) < 0.8 * loss("random", noisy, narrow, 80, runs=5)
