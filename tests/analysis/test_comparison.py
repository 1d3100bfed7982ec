"""Known effects, known noise: the right verdict at the right rate, and figures that can be checked by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from evoact.analysis.bootstrap import bca_interval, blocks, resampled_means
from evoact.analysis.comparison import findings, holm
from evoact.analysis.verdicts import Verdict, fewest_repeats, verdict
from evoact.analysis.winners import COLUMNS, ArmResult, Winner, arm_results
from evoact.errors import UserError

DRAWS = 200
BETWEEN, WITHIN = 0.010, 0.015  # standard deviations between repeats, and between seeds of a repeat


def arm(name, means, rng, seeds=10, within=WITHIN, scores=None):
    """An arm whose winners have these true means, one for each repeat."""
    winners = {}
    for repeat, mean in enumerate(means):
        test = rng.normal(mean, within, seeds)
        made = None if scores is None else scores(test)
        winners[repeat] = Winner(
            name, repeat, 0, "", "", mean, tuple(range(seeds)), test, made, 100, None, None
        )
    return ArmResult(name, winners, (), 0, 0, 0, 0, 0.0, "")


def compared(gains, repeats, seed, draws=DRAWS):
    """The gains found for arms with these true gains, in each of many comparisons."""
    found = {name: [] for name in gains}
    for draw in range(draws):
        rng = np.random.default_rng([seed, draw])
        arms = [arm("reference", rng.normal(0.5, BETWEEN, repeats), rng)]
        arms += [arm(n, rng.normal(0.5 + g, BETWEEN, repeats), rng) for n, g in gains.items()]
        result = findings(arms, reference="reference", metric="accuracy", direction="maximize", resamples=499)
        for gain in result.against:
            found[gain.arm].append(gain)
    return found


@pytest.fixture(scope="module")
def draws():
    return compared({"none": 0.0, "small": 0.004, "large": 0.03, "worse": -0.03}, repeats=10, seed=1)


def rate(gains, *wanted):
    return sum(gain.verdict in wanted for gain in gains) / len(gains)


@pytest.mark.slow
def test_no_small_and_large_effects_get_their_verdict(draws):
    # Any false finding among all comparisons happens in at most 5 % of them; more than 9 % of 200 draws would
    # have a probability of 1 % by chance.
    assert rate(draws["none"], Verdict.BETTER, Verdict.WORSE) <= 0.09
    assert rate(draws["large"], Verdict.BETTER) >= 0.95
    assert rate(draws["worse"], Verdict.WORSE) >= 0.95
    assert rate(draws["small"], Verdict.WORSE) <= 0.02
    assert 0.5 <= rate(draws["small"], Verdict.NOT_SHOWN) < 1.0
    assert rate(draws["small"], Verdict.BETTER) > 0.0


@pytest.mark.slow
def test_equivalence_is_found_where_it_is_and_not_where_it_is_not(draws):
    def verdicts(name):
        ends = [(gain.difference.low, gain.difference.high, gain.p_holm) for gain in draws[name]]
        return [verdict(low, high, p, 10, 4, equivalence=0.02) for low, high, p in ends]

    within = (Verdict.EQUIVALENT, Verdict.SLIGHTLY_BETTER, Verdict.SLIGHTLY_WORSE)
    assert sum(v in within for v in verdicts("none")) / DRAWS >= 0.9
    assert sum(v in within for v in verdicts("large")) / DRAWS <= 0.05


def test_a_single_winner_confirmed_on_many_seeds_shows_nothing():
    """However exactly each winner is known, repeats that differ are few."""
    found = compared({"large": 0.03}, repeats=3, seed=2, draws=10)
    assert {gain.verdict for gain in found["large"]} == {Verdict.TOO_FEW}


@pytest.mark.slow
def test_intervals_cover_the_truth_with_variance_on_all_levels():
    """The estimand is the mean over all repeats that there could be, on all examples that there could be."""
    covered = 0
    for draw in range(DRAWS):
        rng = np.random.default_rng([4, draw])
        # 200 test examples, shared by both arms: as large a part of the variance as the others.
        easy = rng.normal(0, 0.25, 200)
        arms = [
            arm(name, rng.normal(mean, 0.02, 12), rng, 5, 0.02, lambda t, e=gain * easy: t[:, None] + e)
            for name, mean, gain in (("reference", 0.5, 1.0), ("arm", 0.53, 0.5))
        ]
        for made in arms:  # the metric is the mean over the examples
            for winner in made.winners.values():
                winner.test[:] = winner.scores.mean(axis=1)
        result = findings(arms, reference="reference", metric="accuracy", direction="maximize", resamples=499)
        assert result.examples
        (gain,) = result.against
        covered += gain.difference.low <= 0.03 <= gain.difference.high
    # Over twelve repeats a bootstrap interval is a little narrow, seeds drawn again make it a little wide.
    assert 0.90 <= covered / DRAWS <= 0.99


def test_figures_recomputed_by_hand():
    rng = np.random.default_rng(5)
    a, b = rng.normal(0.52, BETWEEN, 10), rng.normal(0.50, BETWEEN, 10)
    arms = [arm("b", b, rng), arm("a", a, rng)]
    result = findings(arms, reference="b", metric="accuracy", direction="maximize")
    (gain,) = result.against
    mine, theirs = ([w.test.mean() for w in made.winners.values()] for made in (arms[1], arms[0]))
    assert gain.difference.value == pytest.approx(np.mean(mine) - np.mean(theirs))
    assert gain.p == gain.p_holm == pytest.approx(stats.wilcoxon(mine, theirs).pvalue)
    assert gain.superiority == pytest.approx(np.mean([x > y for x in mine for y in theirs]))
    plain = stats.bootstrap((np.subtract(mine, theirs),), np.mean, method="BCa", rng=rng).confidence_interval
    assert gain.difference.low == pytest.approx(plain.low, abs=0.004)
    assert gain.difference.high == pytest.approx(plain.high, abs=0.004)
    assert [s.arm.name for s in result.standings] == ["b", "a"]
    assert result.standings[1].interval.low < np.mean(mine) < result.standings[1].interval.high


def test_a_minimised_metric_turns_the_signs():
    rng = np.random.default_rng(6)
    arms = [arm("b", rng.normal(0.5, BETWEEN, 10), rng), arm("a", rng.normal(0.4, BETWEEN, 10), rng)]
    result = findings(arms, reference="b", metric="mse", direction="minimize")
    (gain,) = result.against
    assert gain.difference.value == pytest.approx(0.1, abs=0.02)
    assert (gain.verdict, gain.superiority) == (Verdict.BETTER, 1.0)
    interval = result.standings[1].interval
    assert interval.low < interval.value < interval.high
    assert interval.value == pytest.approx(0.4, abs=0.02)


def test_the_share_that_scale_explains():
    rng = np.random.default_rng(7)
    means = {"plain": 0.40, "scaled": 0.46, "learned": 0.48, "same": 0.40}
    arms = [arm(name, rng.normal(mean, 0.004, 12), rng) for name, mean in means.items()]
    result = findings(arms, reference="plain", scaled="scaled", metric="accuracy", direction="maximize")
    gains = {gain.arm: gain for gain in result.against}
    share = gains["learned"].share
    assert share.value == pytest.approx(0.75, abs=0.1)
    assert share.low < share.value < share.high
    assert gains["scaled"].share is None  # of itself it explains all
    assert gains["same"].difference.low <= 0 <= gains["same"].difference.high
    assert gains["same"].share is None  # of nothing there is no share


def test_the_best_arms_of_two_groups_are_compared():
    rng = np.random.default_rng(8)
    means = {"plain": 0.4, "hull": 0.45, "variational": 0.47, "evolved": 0.5, "lost": 0.9}
    arms = [arm(name, rng.normal(mean, 0.004, 10), rng) for name, mean in means.items()]
    arms[-1] = ArmResult("lost", {}, tuple(range(10)), 0, 0, 0, 0, 0.0, "RuntimeError: x")
    groups = {"hull": "gradient", "variational": "gradient", "evolved": "evolved", "lost": "evolved"}
    result = findings(arms, reference="plain", groups=groups, metric="accuracy", direction="maximize")
    (gain,) = result.between
    assert (gain.arm, gain.other) == ("variational", "evolved")
    assert gain.verdict is Verdict.WORSE
    assert result.fewest == fewest_repeats(4)
    assert {s.arm.name: s.mean is None for s in result.standings}["lost"]


def test_a_larger_arm_is_compared_with_its_control():
    rng = np.random.default_rng(15)
    means = {"plain": 0.4, "large": 0.5, "plain as large as large": 0.495, "other": 0.4}
    arms = [arm(name, rng.normal(mean, 0.004, 12), rng) for name, mean in means.items()]
    controls = {"plain as large as large": ["large"], "plain as large as lost": ["lost"]}
    result = findings(arms, reference="plain", controls=controls, metric="accuracy", direction="maximize")
    (gain,) = result.between
    assert (gain.arm, gain.other) == ("large", "plain as large as large")
    assert gain.difference.value == pytest.approx(0.005, abs=0.005)
    assert [gain.arm for gain in result.against] == ["large", "plain as large as large", "other"]


def test_repeats_without_a_winner_are_left_out_of_pairs():
    rng = np.random.default_rng(9)
    arms = [arm("plain", rng.normal(0.5, BETWEEN, 10), rng), arm("other", rng.normal(0.52, BETWEEN, 10), rng)]
    winners = {r: w for r, w in arms[1].winners.items() if r not in (2, 5)}
    arms[1] = ArmResult("other", winners, (2, 5), 0, 0, 0, 0, 0.0, "")
    (gain,) = findings(arms, reference="plain", metric="accuracy", direction="maximize").against
    kept = [r for r in range(10) if r not in (2, 5)]
    difference = [arms[1].winners[r].mean - arms[0].winners[r].mean for r in kept]
    assert (gain.repeats, gain.difference.value) == (8, pytest.approx(np.mean(difference)))
    with pytest.raises(UserError, match=r"expected winners of the reference arm 'plain', got none \(boom\)"):
        findings(
            [ArmResult("plain", {}, (), 0, 0, 0, 0, 0.0, "boom"), arms[1]],
            reference="plain", metric="accuracy", direction="maximize",
        )  # fmt: skip


def test_equal_arms_and_single_repeats():
    rng = np.random.default_rng(10)
    same = arm("a", [0.5] * 8, rng, within=0.0)
    (gain,) = findings(
        [same, arm("b", [0.5] * 8, rng, within=0.0)], reference="a", metric="m", direction="maximize"
    ).against
    assert (gain.difference.low, gain.difference.high, gain.p) == (0.0, 0.0, 1.0)
    assert gain.verdict is Verdict.NOT_SHOWN
    one = [arm("a", [0.5], rng), arm("b", [0.6], rng)]
    result = findings(one, reference="a", metric="m", direction="maximize")
    assert result.against[0].verdict is Verdict.TOO_FEW
    assert math.isinf(result.against[0].difference.low)
    assert result.standings[0].interval is None


# --- the parts ------------------------------------------------------------------------------------


def test_holm_is_uniformly_better_than_bonferroni():
    p = [0.001, 0.3, 0.012, 0.04]
    corrected = holm(p)
    assert corrected == pytest.approx([0.004, 0.3, 0.036, 0.08])
    assert all(ours <= min(1, 4 * raw) for ours, raw in zip(corrected, p, strict=True))


def test_fewer_repeats_than_fewest_can_never_pass():
    for comparisons in (1, 3, 9):
        n = fewest_repeats(comparisons)
        assert stats.wilcoxon(np.arange(1.0, n + 1)).pvalue * comparisons < 0.05
        assert stats.wilcoxon(np.arange(1.0, n)).pvalue * comparisons >= 0.05
        assert verdict(1, 2, 0.0, n - 1, comparisons) is Verdict.TOO_FEW


@pytest.mark.parametrize(
    ("low", "high", "p", "equivalence", "expected"),
    [
        (0.1, 0.4, 0.01, 0.0, Verdict.BETTER),
        (0.1, 0.4, 0.06, 0.0, Verdict.NOT_SHOWN),  # test and interval must agree
        (-0.1, 0.4, 0.01, 0.0, Verdict.NOT_SHOWN),
        (-0.4, -0.1, 0.01, 0.0, Verdict.WORSE),
        (0.1, 0.4, 0.01, 0.5, Verdict.SLIGHTLY_BETTER),
        (-0.4, -0.1, 0.01, 0.5, Verdict.SLIGHTLY_WORSE),
        (0.1, 0.6, 0.01, 0.5, Verdict.BETTER),
        (-0.1, 0.4, 0.3, 0.5, Verdict.EQUIVALENT),
        (-0.6, 0.4, 0.3, 0.5, Verdict.NOT_SHOWN),
    ],
)
def test_verdicts(low, high, p, equivalence, expected):
    assert verdict(low, high, p, 10, 1, equivalence) is expected


def test_all_three_levels_are_resampled():
    """The variance of the resampled means is the sum of those of the levels that vary."""
    rng = np.random.default_rng(11)
    repeat, example = rng.normal(0, 1, 40), rng.normal(0, 1, 400)

    def spread(of_repeat, of_seed, of_example):
        seeds = rng.normal(0, of_seed, (40, 10))
        arm = [of_repeat * repeat[r] + seeds[r][:, None] + of_example * example[None] for r in range(40)]
        return resampled_means([arm], resamples=3000).std()

    assert spread(1, 0, 0) == pytest.approx(repeat.std() / math.sqrt(40), rel=0.1)
    assert spread(0, 0, 1) == pytest.approx(example.std() / math.sqrt(400), rel=0.1)
    # Drawing repeats carries their seeds' means along; drawing seeds anew adds their variance once more.
    assert spread(0, 1, 0) == pytest.approx(math.sqrt(2 / 400), rel=0.15)


def test_arms_are_resampled_together():
    rng = np.random.default_rng(12)
    arm = [rng.normal(0, 1, (5, 50)) for _ in range(8)]
    drawn = resampled_means([arm, [scores + 0.3 for scores in arm]], resamples=200)
    assert (drawn[1] - drawn[0]).std() < 1e-5
    assert drawn[0].std() > 0.01


def test_blocks_keep_the_mean():
    scores = np.random.default_rng(13).random((3, 2000)) < 0.4
    assert blocks(scores).shape == (3, 500)
    assert blocks(scores).mean(axis=1) == pytest.approx(scores.mean(axis=1))
    assert blocks(scores[:, :7], most=3).shape == (3, 3)


@pytest.mark.parametrize("n", [499, 598, 1001, 1499])
def test_blocks_weigh_the_examples_that_they_hold(n):
    """Also where their sizes differ: the mean and its spread are those without blocks."""
    rng = np.random.default_rng(n)
    scores = (rng.random((4, n)) < rng.permutation(np.linspace(0.1, 0.9, n))).astype(float)
    found = blocks(scores)
    assert found.mean(axis=1) == pytest.approx(scores.mean(axis=1), abs=1e-12)
    drawn = resampled_means([[found]], resamples=4000)[0]
    spread = scores.mean(axis=0).std() / math.sqrt(n)
    assert drawn.mean() == pytest.approx(scores.mean(), abs=0.1 * spread)
    whole = resampled_means([[scores]], resamples=4000)[0]
    assert drawn.std() == pytest.approx(whole.std(), rel=0.1)


@pytest.mark.parametrize("n", [4, 10, 37])
@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_the_bca_interval_is_that_of_scipy(n, level):
    values = np.random.default_rng(n).exponential(size=n)
    expected = stats.bootstrap(
        (values,),
        np.mean,
        confidence_level=level,
        n_resamples=999,
        method="BCa",
        rng=np.random.default_rng(0),
    )
    interval = tuple(expected.confidence_interval)
    assert bca_interval(values, level, expected.bootstrap_distribution) == pytest.approx(interval, rel=1e-9)
    assert bca_interval(values, level, resamples=999) == pytest.approx(interval, rel=1e-9)


def test_without_spread_between_units_the_percentiles_are_left():
    drawn = np.random.default_rng(14).normal(0, 1, 2000)
    low, high = bca_interval(np.zeros(5), distribution=drawn)
    assert (low, high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])))


# --- from rows to winners ---------------------------------------------------------------------------


def rows_of(*networks):
    """Rows with these (arm, repeat, candidate, seed, phase, state, val, test)."""
    names = ("arm", "repeat", "candidate", "seed", "phase", "state", "val_metric", "test_metric")
    rows = pd.DataFrame(networks, columns=list(names))
    fill = {
        "metric": "accuracy",
        "direction": "maximize",
        "genome": "{}",
        "artifact": "",
        "error": "",
        "gradient_examples": 10,
    }
    fill |= {"test_large_metric": None, "train_seconds": 0.5, "n_parameters": 7, "kind": "train"}
    for name in COLUMNS:
        if name not in rows:
            rows[name] = fill.get(name)
    return rows


def test_winners_are_chosen_by_validation_alone():
    rows = rows_of(
        ("a", 0, 1, 0, "search", "completed", 0.99, None),
        ("a", 0, 1, 1000, "confirm", "completed", 0.6, 0.9),
        ("a", 0, 1, 1001, "confirm", "completed", 0.6, 0.9),
        ("a", 0, 2, 1001, "confirm", "completed", 0.8, 0.2),
        ("a", 0, 2, 1000, "confirm", "completed", 0.6, 0.1),
        ("a", 0, 3, 1000, "confirm", "completed", 0.99, 0.99),  # failed on one seed: stands aside
        ("a", 0, 3, 1001, "confirm", "diverged", None, None),
        ("a", 1, 1, 1000, "confirm", "diverged", None, None),
        ("b", 0, 1, 0, "search", "failed", None, None),
    )
    a, b = arm_results(rows, repeats=2, judged=False)
    winner = a.winners[0]
    assert (winner.candidate, winner.validation, winner.test.tolist()) == (2, pytest.approx(0.7), [0.1, 0.2])
    assert (a.lost, a.networks, a.failures, a.gradient_examples) == ((1,), 8, 2, 10)
    assert (b.winners, b.lost, b.failures) == ({}, (0, 1), 1)
    assert [r.name for r in arm_results(rows, ("b", "c", "a"))] == ["b", "c", "a"]
    assert all(not r.winners for r in arm_results(rows)), "whoever is to be judged has not been yet"


def test_winners_are_judged_on_seeds_that_did_not_choose_them():
    rows = rows_of(
        ("a", 0, 1, 1000, "confirm", "completed", 0.6, 0.9),
        ("a", 0, 2, 1000, "confirm", "completed", 0.7, 0.9),
        ("a", 0, 2, 1001, "judge", "completed", 0.1, 0.4),
        ("a", 0, 2, 1002, "judge", "diverged", None, None),
        ("a", 0, 2, 1003, "judge", "completed", 0.1, 0.2),
        ("a", 1, 1, 1000, "confirm", "completed", 0.6, 0.9),  # not judged yet
        ("a", 2, 1, 1000, "confirm", "completed", 0.6, 0.9),
        ("a", 2, 1, 1001, "judge", "diverged", None, None),
    )
    (a,) = arm_results(rows)
    assert list(a.winners) == [0]
    assert a.lost == (1, 2)
    winner = a.winners[0]
    assert (winner.candidate, winner.validation, winner.seeds) == (2, 0.7, (1001, 1003))
    assert winner.test.tolist() == [0.4, 0.2]


def test_the_larger_test_split_and_the_scores_of_examples_where_there_are_any():
    rows = rows_of(
        ("a", 0, 1, 1000, "confirm", "completed", 0.6, 0.9),
        ("a", 0, 1, 1001, "confirm", "completed", 0.6, 0.8),
    )
    rows["test_large_metric"] = [0.75, 0.25]
    rows["artifact"] = ["x", "y"]
    kept = {"x": np.array([1, 1, 1, 0], bool), "y": np.array([0, 1, 0, 0], bool)}
    (result,) = arm_results(rows, read=kept.get, judged=False)
    assert result.winners[0].test.tolist() == [0.75, 0.25]
    assert result.winners[0].scores.tolist() == [[1, 1, 1, 0], [0, 1, 0, 0]]
    (result,) = arm_results(rows, read={"x": kept["x"]}.get, judged=False)
    assert result.winners[0].scores is None


@pytest.mark.slow
def test_the_best_of_a_group_is_not_chosen_by_the_repeats_that_judge_it():
    """Of four equal arms the best over ten repeats has been lucky in them: it gains 0.3 points that it is not worth."""
    groups = {"reference": "", "alone": "one", **{f"arm{i}": "many" for i in range(4)}}
    gains, named = [], set()
    for draw in range(60):
        rng = np.random.default_rng([5, draw])
        arms = [arm(name, rng.normal(0.5, BETWEEN, 10), rng, seeds=3) for name in groups]
        result = findings(
            arms, reference="reference", metric="accuracy", direction="maximize", groups=groups, resamples=99
        )
        (gain,) = result.between
        assert gain.reason == "best of one against best of many"
        gains.append(-gain.difference.value)
        named.add(gain.other)
    assert abs(np.mean(gains)) < 2.5 * np.std(gains) / 60**0.5
    assert any(" of 10" in name for name in named), "who was chosen is said"
