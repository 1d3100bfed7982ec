"""Which choices mattered, where it is known."""

import random

import pandas as pd

from evoact.analysis.importance import importance
from evoact.genomes.genome import Site, dumps
from evoact.genomes.space import SearchSpace, choices


def rows_of(score, direction="maximize", networks=300):
    base = choices("base", name=("relu", "sin", "abs"))
    space = SearchSpace("s", (Site("h", 16),), (base,), (1, 3), (0.01, 0.1, 1.0))
    draw = random.Random(0)
    genomes = [space.sample(draw) for _ in range(networks)]
    return pd.DataFrame(
        {
            "genome": map(dumps, genomes),
            "val_metric": [score(g) + draw.gauss(0, 0.05) for g in genomes],
            "phase": "search",
            "state": "completed",
            "direction": direction,
        }
    )


def share_of_sin(genome):
    (site,) = genome.sites
    return sum(n for t, n in zip(site.types, site.counts(), strict=True) if t.name == "sin") / 16


def test_what_decides_is_the_most_important():
    by_function = importance(rows_of(share_of_sin))
    assert max(by_function, key=by_function.get) == "h sin"
    worst = importance(rows_of(lambda g: -share_of_sin(g), "minimize"))
    assert max(worst, key=worst.get) == "h sin"
    by_rate = importance(rows_of(lambda g: -abs(g.hyperparameter("learning_rate") - 0.1)))
    assert max(by_rate, key=by_rate.get) == "learning rate"
    assert sum(by_rate.values()) > 0.99


def test_too_few_networks_say_nothing():
    assert importance(rows_of(share_of_sin, networks=5)) == {}
    assert importance(rows_of(share_of_sin).iloc[:0]) == {}
