"""What verdicts say where nothing differs, where the truth is known, and what a rule of confirmation costs in power.

    python benchmarks/nulls.py [--quick] [--json FILE]

Synthetic: candidates with known true means, and networks whose luck in validation and in test has the standard
deviations and the correlation of `benchmarks/tables/mnist1d_smooth.parquet` (2.2 and 1.9 points; 0.80 over 58,140
networks). Choices are made for all draws at once, by the rule of `evoact.analysis.candidates` (a test compares
them); intervals and verdicts are those of evoact. Under the rule of
today (chosen on some fresh seeds, judged on others) and under the one before (chosen and judged on the same).
Real: whole searches over one function in two spellings, `sin` and `-1*sin(-1*x)`, whose true gain is 0.
"""

import math
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from reporting import Row, arguments, report
from scipy.stats import ttest_ind

from evoact.analysis.comparison import findings
from evoact.analysis.verdicts import LEVEL, Verdict
from evoact.analysis.winners import ArmResult, Winner
from evoact.report.search_text import welch_interval

VALIDATION, TEST, LUCK = 0.022, 0.019, 0.80  # standard deviations of seeds, and their correlation
BETWEEN = 0.006  # of a search's candidates, from one repeat to the next
REPEATS = 10


@dataclass(frozen=True)
class Rule:
    """How many seeds choose and how many judge (0: those of the choice)."""

    name: str
    seeds: int
    judge: int


# Of a search with five candidates and three baselines, of a comparison with three candidates: at equal cost each.
SEARCH = (Rule("two stages", 2, 7), Rule("same seeds", 5, 0))
COMPARISON = (Rule("two stages", 5, 15), Rule("same seeds", 10, 0))


def luck(shape: tuple[int, ...], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """What seeds add to validation and to test metrics, both of this shape."""
    shared, own = rng.standard_normal(shape), rng.standard_normal(shape)
    return VALIDATION * shared, TEST * (LUCK * shared + (1 - LUCK**2) ** 0.5 * own)


def confirmed(
    truth: np.ndarray, rule: Rule, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What confirmations give of candidates with these true means [draws, candidates]: validation and test metrics
    [draws, candidates, seeds] on the seeds that choose, and what each would get where it is judged."""
    validation, test = (truth[:, :, None] + each for each in luck((*truth.shape, rule.seeds), rng))
    judged = truth[:, :, None] + luck((*truth.shape, rule.judge), rng)[1] if rule.judge else test
    return validation, test, judged


def winners(truth: np.ndarray, rule: Rule, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The true means [draws] of the candidates that win, and their test metrics [draws, seeds]."""
    validation, _, judged = confirmed(truth, rule, rng)
    best = validation.mean(axis=2).argmax(axis=1)
    draws = np.arange(len(truth))
    return truth[draws, best], judged[draws, best]


def search(
    rule: Rule, found: Sequence[float], baselines: Sequence[float], draws: int, seed: int = 0
) -> dict[str, float]:
    """Verdicts on best found minus best baseline, with these true means. Under the rule before, one seed of the search
    picks the only baseline that is confirmed."""
    rng = np.random.default_rng(seed)
    homogeneous = np.tile(baselines, (draws, 1))
    if not rule.judge:
        picked = (homogeneous + luck(homogeneous.shape, rng)[0]).argmax(axis=1)
        homogeneous = np.take_along_axis(homogeneous, picked[:, None], axis=1)
    (true_a, a), (true_b, b) = (
        winners(truth, rule, rng) for truth in (np.tile(found, (draws, 1)), homogeneous)
    )
    gains, truths = a.mean(axis=1) - b.mean(axis=1), true_a - true_b
    interval = ttest_ind(a, b, axis=1, equal_var=False).confidence_interval(LEVEL)
    return {
        "optimism": 100 * float((gains - truths).mean()),
        "true": 100 * float(truths.mean()),
        "gain said": float((interval.low > 0).mean()),
        "coverage": float(((interval.low <= truths) & (truths <= interval.high)).mean()),
    }


def racing(candidates: int, seeds: int, spread: float, draws: int, seed: int = 0) -> dict[str, float]:
    """How far the chosen candidate truly is behind the best, in points, and how often it is another one: with `seeds`
    each, and by sequential halving (Karnin et al. 2013) at the same cost, in which the better half goes on to more of
    the same seeds. True means have the standard deviation `spread`, in points."""
    rng = np.random.default_rng(seed)
    truth = spread / 100 * rng.standard_normal((draws, candidates))
    scores = truth[:, :, None] + luck((draws, candidates, candidates * seeds), rng)[0]
    halved = np.zeros_like(truth)
    left, each, alive = candidates * seeds, 0, candidates
    rounds = math.ceil(math.log2(candidates))
    for i in range(rounds):
        more = min(left // alive, max(1, left // (rounds - i) // alive))
        each, left = each + more, left - more * alive
        halved += scores[:, :, : max(1, each)].mean(axis=2)
        alive = (alive + 1) // 2
        worst = np.argsort(-halved, axis=1)[:, alive:]
        halved = np.zeros_like(truth)
        np.put_along_axis(halved, worst, -np.inf, axis=1)
    found = {}
    for name, chosen in (
        ("same seeds", scores[:, :, :seeds].mean(axis=2).argmax(axis=1)),
        ("halving", halved.argmax(axis=1)),
    ):
        behind = truth.max(axis=1) - truth[np.arange(draws), chosen]
        found[f"{name}: behind the best"] = 100 * float(behind.mean())
        found[f"{name}: another is the best"] = float((behind > 0).mean())
    return found


def comparison(
    rule: Rule, arms: Sequence[Sequence[float]], draws: int, seed: int = 0, resamples: int = 499
) -> dict[str, float]:
    """Verdicts on arms, the first of which is the reference; of each the true means of its candidates, which vary
    together from repeat to repeat."""
    gains, truths, covered, better, any_better = [], [], 0, 0, 0
    for draw in range(draws):
        rng = np.random.default_rng([seed, draw])
        results, worth = [], []
        for name, means in enumerate(arms):
            shift = BETWEEN * rng.standard_normal((REPEATS, 1))
            true, test = winners(np.array(means) + shift, rule, rng)
            worth.append(float((true - shift[:, 0]).mean()))
            won = {
                repeat: Winner(
                    str(name), repeat, 0, "", "", 0.0, tuple(range(len(own))), own, None, 1, None, None
                )
                for repeat, own in enumerate(test)
            }
            results.append(ArmResult(str(name), won, (), 0, 0, 0, 0, 0.0, ""))
        found = findings(results, reference="0", metric="accuracy", direction="maximize", resamples=resamples)
        for i, gain in enumerate(found.against, start=1):
            true_gain = worth[i] - worth[0]
            gains.append(gain.difference.value)
            truths.append(true_gain)
            covered += gain.difference.low <= true_gain <= gain.difference.high
            better += gain.verdict is Verdict.BETTER
        any_better += any(gain.verdict is Verdict.BETTER for gain in found.against)
    asked = draws * (len(arms) - 1)
    return {
        "optimism": 100 * (statistics.fmean(gains) - statistics.fmean(truths)),
        "true": 100 * statistics.fmean(truths),
        "better": better / asked,
        "any better": any_better / draws,
        "coverage": covered / asked,
    }


def spelled_twice(searches: int) -> dict[str, float]:
    """Best found minus best baseline of real searches over one function in two spellings, in points."""
    from evoact.config import experiment
    from evoact.execution.run import search as run

    gains, said = [], 0
    for seed in range(searches):
        made = experiment(
            {
                "seed": seed,
                "task": {"name": "mnist1d"},
                "network": {"name": "mlp", "hidden": [16]},
                "space": {
                    "functions": ["sin", "-1*sin(-1*x)"],
                    "types": {"base": {}},
                    "types_per_layer": [1, 2],
                    "learning_rate": {"values": [0.01]},
                },
                "strategy": {"name": "random"},
                "training": {"steps": 100, "batch_size": 100},
                "budget": {"networks": 12},
                "packs": {"size": 12},
                "execution": {"backend": "local", "gpus_per_pack": 0},
            }
        )
        with tempfile.TemporaryDirectory() as place:
            summary = run(made, Path(place) / "run").summary
        found, baseline = summary.best_found, summary.best_baseline
        assert found is not None
        assert baseline is not None
        gains.append(100 * (found.test - baseline.test))
        if found is not baseline:
            said += welch_interval(found.test_by_seed, baseline.test_by_seed)[0] > 0
    spread = statistics.stdev(gains) if len(gains) > 1 else 0.0
    return {
        "gain": statistics.fmean(gains),
        "error": spread / len(gains) ** 0.5,
        "gain said": said / searches,
    }


def rows_of(name: str, figures: Mapping[str, float], null: bool, bars: bool = True) -> list[Row]:
    """What must hold, but for the rule before: no optimism, intervals that hold the truth, and where nothing differs no
    more false findings than nominal."""
    made = []
    for key, value in figures.items():
        unit = "points" if key in ("optimism", "true", "gain", "error") or "behind" in key else "of draws"
        bar, better = None, "higher"
        if key == "optimism" or key == "gain":
            value, bar, better = abs(value), 0.05 if key == "optimism" else 0.1, "lower"
        elif key == "coverage":
            bar = 0.93
        elif null and key in ("gain said", "better"):
            bar, better = 0.025, "lower"
        made.append(Row(f"{name}: {key}", value, unit, bar if bars else None, better))
    return made


def main() -> None:
    options = arguments(__doc__)
    draws, compared, searches = (4_000, 40, 2) if options.quick else (100_000, 1_000, 140)
    rows: list[Row] = []
    for rule in SEARCH:
        for equal in (1, 5, 10):
            found = search(rule, [0.5] * equal, [0.5] * 3, draws)
            rows += rows_of(f"{rule.name}, search, {equal} equal candidates", found, True, rule.judge > 0)
        for points in (1, 2, 3):
            means = [0.5 + points / 100 - 0.003 * i for i in range(5)]
            found = search(rule, means, [0.5, 0.49, 0.48], draws)
            rows += rows_of(f"{rule.name}, search, {points} points better", found, False, rule.judge > 0)
    for candidates, seeds in ((5, 2), (3, 5), (10, 5)):
        for spread in (0.3, 1, 2):
            found = racing(candidates, seeds, spread, min(draws, 20_000))
            rows += rows_of(f"{candidates} candidates, {seeds} seeds, {spread:g} points apart", found, False)
    for rule in COMPARISON:
        for arms in (1, 4, 10):
            means = [[0.5, 0.44, 0.44], *[[0.5] * 3] * arms]
            found = comparison(rule, means, max(20, compared // arms))
            rows += rows_of(f"{rule.name}, {arms} arms of equals", found, True, rule.judge > 0)
        for points in (0.5, 1, 2):
            found = comparison(rule, [[0.5] * 3, [0.5 + points / 100] * 3], compared)
            rows += rows_of(f"{rule.name}, 1 arm, {points:g} points better", found, False, rule.judge > 0)
    rows += rows_of(f"{searches} real searches over one function twice", spelled_twice(searches), True)
    report(options, rows)


if __name__ == "__main__":
    main()
