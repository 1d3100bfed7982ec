"""Several objectives: which compromises are best, and that a search for few parameters finds them."""

import numpy as np
import pytest
from deap import base, tools

from evoact.genomes.kinds import Hull
from evoact.strategies import create
from evoact.strategies.selection.pareto import crowded


def by_deap(points, k):
    upwards = type("Upwards", (base.Fitness,), {"weights": (1.0,) * points.shape[1]})
    some = [type("I", (), {"fitness": upwards(p), "at": i})() for i, p in enumerate(points)]
    return {i.at for i in tools.selNSGA2(some, k)}


@pytest.mark.parametrize(("n", "k", "objectives"), [(40, 12, 2), (40, 40, 2), (60, 9, 3), (5, 1, 2)])
def test_chooses_as_deap_does_among_all(n, k, objectives):
    points = np.random.default_rng(n + k).normal(size=(n, objectives))
    found = crowded(points, k)
    assert len(found) == k
    assert set(found) == by_deap(points, k)


def test_equal_points_are_all_on_a_front():
    points = np.array([[1.0, 1.0], [1.0, 1.0], [0.0, 1.0], [0.0, 0.0]])
    assert set(crowded(points, 2)) == {0, 1}
    assert crowded(points, 9)[2:] == [2, 3]
    assert crowded(points[:0], 3) == []


def children_of(space, landscape, **options):
    """What evolution proposes last, of 300 networks."""
    strategy = create(
        "evolution", space, seed=0, networks=300, steps=1, options={"surrogate": False} | options
    )
    results = []
    while not strategy.finished:
        results += (told := [landscape.result(p) for p in strategy.ask(100)])
        strategy.tell(told)
    return [r.proposal.genome for r in results[-100:] if r.proposal.parents]


def test_both_ends_of_the_front_are_searched(space, landscape):
    """A hull costs parameters: with one objective the search goes for the best, with two for cheap ones as well."""
    exact = landscape(noise=0.0)
    alone = children_of(space, exact)
    both = children_of(space, exact, objectives=["val_metric", "n_parameters"])
    cheap = lambda genomes: np.mean([exact.n_parameters(g) <= 9 for g in genomes])  # noqa: E731
    assert cheap(both) > cheap(alone) + 0.2
    assert max(map(exact.truth, both)) > np.quantile([exact.truth(g) for g in alone], 0.5)
    assert any(isinstance(t, Hull) for g in both for s in g.sites for t in s.types)


def test_a_search_without_known_costs_goes_on(space, landscape):
    """Step times that nobody measured: no parents, but random samples."""
    genomes = children_of(space, landscape(), objectives=["val_metric", "step_seconds_solo"])
    assert genomes == []
