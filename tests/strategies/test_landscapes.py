"""The default search, and what is said of it, on landscapes whose truth is known: `benchmarks/landscapes.py`, small."""

import importlib
import sys
from pathlib import Path

import pytest

from evoact.genomes.genome import structure
from evoact.seeding import python_random

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def landscapes():
    """The program that measures this with more draws."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        return importlib.import_module("landscapes")
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.mark.parametrize("points", [0, 1, 3])
def test_a_mixture_helps_by_so_much(points, landscapes):
    """The best of many mixtures of the pair is better than the best function alone by that, at 0 none is better."""
    space = landscapes.SEARCH.space
    for seed in range(3):
        landscape = landscapes.Landscape(points / 100, seed)
        draw = python_random(seed)
        drawn = [space.sample(draw) for _ in range(200)]
        mixed = [genome for genome in drawn if genome.heterogeneous]
        assert len({structure(genome) for genome in mixed}) > 50
        best = max(map(landscape.truth, mixed))
        assert best <= landscape.best_alone + points / 100 + 1e-9
        assert (
            landscape.best_mixture == pytest.approx(landscape.best_alone + points / 100, abs=1e-9)
            or not points
        )


@pytest.mark.slow
def test_the_mixture_is_found_and_nothing_is_claimed_where_there_is_none(landscapes):
    """Draws are few, the bars low; `benchmarks/landscapes.py` makes more. Half of what probes become is of the pair."""
    none = [landscapes.searched(landscapes.Landscape(0, seed), 1)[0] for seed in range(6)]
    helped = [landscapes.searched(landscapes.Landscape(0.03, seed, 0.5), 1)[0] for seed in range(1000, 1006)]
    assert not any(each["gain said, none there"] for each in none + helped)
    assert not any(each["mixture found"] for each in none)
    assert any(each["mixture found"] for each in helped)
