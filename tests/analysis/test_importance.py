"""Which choices mattered, where it is known; of noise, that nothing did."""

import random

import pandas as pd
import pytest

from evoact.analysis.importance import FEWEST, MOST, importance
from evoact.genomes.choices import choices
from evoact.genomes.genome import Site, dumps
from evoact.genomes.space import SearchSpace

FUNCTIONS = ("relu", "sin", "abs")


def rows_of(score, direction="maximize", networks=300, seed=0, others=()):
    base = choices("base", name=FUNCTIONS)
    space = SearchSpace("s", (Site("h", 16),), (base,), (1, 3), (0.01, 0.1, 1.0), hyperparameters=others)
    draw = random.Random(seed)
    genomes = [space.sample(draw) for _ in range(networks)]
    return pd.DataFrame(
        {
            "genome": map(dumps, genomes),
            "val_metric": [score(g) + draw.gauss(0, 0.05) for g in genomes],
            "phase": "search",
            "rung": 0,
            "state": "completed",
            "direction": direction,
        }
    )


def share_of_sin(genome):
    (site,) = genome.sites
    return sum(n for t, n in zip(site.types, site.counts(), strict=True) if t.name == "sin") / 16


def test_what_decides_is_the_most_important():
    for rows in (rows_of(share_of_sin), rows_of(lambda g: -share_of_sin(g), "minimize")):
        found = importance(rows)
        first = found.mattered[0]
        assert (first.name, first.is_share) == ("h sin", True)
        assert first.best > 0.8 > 0.5 > first.all
        assert (
            found.choices == 5
        )  # three functions, types, the rate; the number of neurons is always the same
    (rate,) = importance(rows_of(lambda g: -abs(g.hyperparameter("learning_rate") - 0.1))).mattered
    assert (rate.name, rate.best) == ("learning rate", pytest.approx(0.1))
    assert 0.5 < rate.importance <= 1
    assert rate.all == pytest.approx(0.1, rel=0.5)  # 0.01 and 1 about as often: the mean is geometric


def test_dropout_and_settings_of_the_optimizer_are_choices():
    others = (("beta1", (0.8, 0.9)), ("dropout", (0.0, 0.2, 0.5)))
    found = importance(rows_of(lambda g: g.hyperparameter("dropout"), others=others))
    (first,) = found.mattered
    assert (first.name, first.best, first.is_share) == ("dropout", pytest.approx(0.5), False)
    (first,) = importance(rows_of(lambda g: g.hyperparameter("beta1"), others=others)).mattered
    assert (first.name, first.best) == ("optimizer beta1", pytest.approx(0.9))


@pytest.mark.slow
def test_of_noise_nothing_mattered():
    wrong = sum(
        bool(importance(rows_of(lambda g: 0.0, networks=200, seed=seed)).mattered) for seed in range(20)
    )
    assert wrong <= 4  # of 20 at level 0.05; more has probability 0.003


def test_too_few_candidates_say_nothing():
    rows = rows_of(share_of_sin)
    assert importance(rows.drop_duplicates("genome").iloc[: FEWEST - 1]) is None
    assert importance(rows.iloc[:0]) is None
    assert importance(pd.concat([rows] * 3)).candidates == min(MOST, rows["genome"].nunique())
    assert importance(rows.assign(state="diverged")) is None
    assert importance(rows.assign(rung=1)) is None
