"""The reduction of rows to candidates, and what verdicts say where nothing differs though luck is correlated."""

import importlib.util
import random
import sys
from pathlib import Path

import numpy as np
import pytest

from evoact.analysis.candidates import candidates, chosen, doubt

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def nulls():
    """The program that measures this with more draws."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        spec = importlib.util.spec_from_file_location("nulls", BENCHMARKS / "nulls.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules["nulls"] = module  # where its dataclasses look for their types
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(BENCHMARKS))
    return module


def row(candidate, seed, val, test=0.5, phase="confirm", state="completed", large=None, direction="maximize"):
    return {
        "candidate": candidate,
        "seed": seed,
        "phase": phase,
        "state": state,
        "direction": direction,
        "val_metric": val,
        "test_metric": test,
        "test_large_metric": large,
    }


ROWS = [
    row(0, 0, 0.9, phase="search"),
    row(1, 1000, 0.7, 0.1),
    row(1, 1001, 0.5, 0.2),
    row(2, 1000, 0.6, 0.3),
    row(2, 1001, 0.8, 0.4),
    row(3, 1000, 0.99),
    row(3, 1001, None, None, state="diverged"),
    row(2, 1002, 0.1, 0.7, phase="judge"),
    row(2, 1003, None, None, phase="judge", state="failed"),
    row(2, 1004, 0.1, 0.9, phase="judge"),
]


def test_one_reduction_whatever_the_order():
    found = candidates(ROWS)
    for seed in range(20):
        assert candidates(random.Random(seed).sample(ROWS, len(ROWS))) == found
    assert [(c.number, c.validation) for c in found.found] == [(2, pytest.approx(0.7)), (1, 0.6)]
    assert (found.excluded, found.split) == (1, "test_metric")
    best, other = found.found
    assert best.chosen_on.test.tolist() == [0.3, 0.4]
    assert (best.measured.seeds, best.measured.failed) == ((1002, 1004), 1)
    assert best.measured.test.tolist() == [0.7, 0.9]
    assert other.measured is other.chosen_on
    assert [c.number for c in candidates(ROWS, whole=False).found] == [3, 2, 1]


def test_the_larger_split_is_read_only_if_every_network_has_it():
    some = [row(1, 1000, 0.5, 0.1, large=0.2), row(2, 1000, 0.5, 0.3)]
    assert candidates(some).split == "test_metric"
    assert candidates(some[:1]).found[0].measured.test.tolist() == [0.2]
    unknown = float("nan")  # as data frames hold it
    assert candidates([row(1, 1000, 0.5, 0.1, large=unknown)]).split == "test_metric"


def test_of_errors_the_smaller_is_the_better_and_ties_go_to_whoever_came_first():
    made = [row(c, 1000, v, direction="minimize") for c, v in ((5, 0.2), (7, 0.1), (3, 0.2))]
    assert [c.number for c in candidates(made).found] == [7, 3, 5]


def test_what_was_judged_was_chosen():
    """Whoever rounds otherwise when a run is read keeps what is stored."""
    one, two = candidates([*ROWS[:5], row(1, 1002, 0.1, phase="judge")]).found
    assert (one.number, two.number, chosen([one, two]).number) == (2, 1, 1)
    assert chosen([]) is None


def test_the_doubt_is_as_often_right_as_it_says():
    """Over many choices the stated probability of a wrong one is the rate of wrong ones, and the regret the loss."""
    rng = np.random.default_rng(4)
    stated, wrong, regret, lost = [], [], [], []
    for _ in range(200):
        truth = 0.5 + 0.015 * rng.standard_normal(8)
        found = candidates(
            row(c, 1000 + s, mean + 0.02 * rng.standard_normal())
            for c, mean in enumerate(truth)
            for s in range(4)
        ).found
        said = doubt(found, "maximize")
        assert said.among == 8
        stated.append(said.probability)
        regret.append(said.regret)
        wrong.append(truth[found[0].number] < truth.max())
        lost.append(truth.max() - truth[found[0].number])
    assert np.mean(stated) == pytest.approx(np.mean(wrong), abs=0.1)
    assert np.mean(regret) == pytest.approx(np.mean(lost), rel=0.35)
    assert doubt(found[:1], "maximize") is None
    assert doubt(candidates([row(1, 1000, 0.5), row(2, 1000, 0.6)]).found, "maximize") is None


def test_the_simulation_chooses_and_judges_as_rows_do(nulls):
    rng = np.random.default_rng(0)
    truth = 0.5 + 0.01 * rng.standard_normal((5, 4))
    for rule in nulls.SEARCH:
        validation, test, judged = nulls.confirmed(truth, rule, np.random.default_rng(1))
        true, said = nulls.winners(truth, rule, np.random.default_rng(1))
        for draw in range(len(truth)):
            rows = [
                row(c, 1000 + s, validation[draw, c, s], test[draw, c, s])
                for c in range(4)
                for s in range(rule.seeds)
            ]
            number = candidates(rows).found[0].number
            rows += [
                row(number, 2000 + s, 0.0, judged[draw, number, s], phase="judge") for s in range(rule.judge)
            ]
            best = candidates(rows).found[0]
            assert truth[draw, best.number] == true[draw]
            assert best.measured.test.tolist() == said[draw].tolist()


@pytest.mark.parametrize("equal", [1, 5, 10])
def test_a_search_over_equals_says_a_gain_no_more_often_than_nominal(nulls, equal):
    """2.5 % one-sided, with two standard errors of these draws; the rule before says it in 10 % with ten candidates."""
    draws = 20_000
    today = nulls.search(nulls.SEARCH[0], [0.5] * equal, [0.5] * 3, draws)
    assert today["gain said"] <= 0.025 + 2 * (0.025 * 0.975 / draws) ** 0.5
    assert 0.93 <= today["coverage"] <= 0.97
    assert abs(today["optimism"]) < 0.05
    before = nulls.search(nulls.SEARCH[1], [0.5] * equal, [0.5] * 3, draws)
    if equal > 1:
        assert before["optimism"] > 0.5, "the fault is in these rows, or the test could not fail"
        assert before["gain said"] > 0.04


@pytest.mark.slow
@pytest.mark.parametrize(("arms", "draws"), [(1, 120), (4, 40), (10, 20)])
def test_a_comparison_of_equals_with_a_reference_that_stands_out(nulls, arms, draws):
    """Of so few draws the rates are coarse; `benchmarks/nulls.py` makes more."""
    equals = [[0.5, 0.44, 0.44], *[[0.5] * 3] * arms]
    today = nulls.comparison(nulls.COMPARISON[0], equals, draws, resamples=299)
    asked = draws * arms
    assert today["better"] <= 0.025 + 2 * (0.025 * 0.975 / asked) ** 0.5
    assert today["coverage"] >= 0.93 - 2 * (0.05 * 0.95 / draws) ** 0.5
    gain_error = 100 * (2 * (nulls.BETWEEN**2 + nulls.TEST**2 / 15) / nulls.REPEATS / draws) ** 0.5
    assert abs(today["optimism"]) < 0.05 + 2 * gain_error
