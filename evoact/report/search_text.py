"""The findings of a search in words: the winner, the best found, the best homogeneous baseline, their difference."""

import math

import numpy as np

from evoact.analysis.candidates import SPLITS, Doubt, sign_of
from evoact.analysis.search_summary import Confirmed, Summary
from evoact.analysis.verdicts import FEWEST, LEVEL
from evoact.errors import counted
from evoact.report.number_format import beside_trivial, unit_of
from evoact.tasks.metrics import in_percent

GAIN = "a gain"


def shown(summary: Summary, value: float, error: float | None = None) -> str:
    """Return a metric, and its standard error if there is one; `no number` if it is NaN."""
    if math.isnan(value):
        return "no number"
    if error is not None and math.isnan(error):
        error = None
    if in_percent(summary.metric):
        return f"{100 * value:.1f} %" if error is None else f"{100 * value:.1f} ± {100 * error:.1f} %"
    return f"{value:.4g}" if error is None else f"{value:.4g} ± {error:.2g}"


def verdict(summary: Summary) -> str:
    """Return the headline, which says who won, and by how much on one split; then, a line each, what always saying the
    same gives, how sure the choice was, and under which rule it was judged.
    """
    winner = summary.winner
    if winner is None:
        return "No winner: no candidate was confirmed."
    return "\n".join(
        [_headline(summary, winner), *_trivial(summary, winner), *_doubt(summary), _rule(summary, winner)]
    )


def _headline(summary: Summary, winner: Confirmed) -> str:
    found, baseline = summary.best_found, summary.best_baseline
    reaches = f"{_reaches(summary, winner)} on the {SPLITS[summary.split]}"
    if winner.baseline and winner.searched:
        return f"The winner is the best homogeneous baseline itself, {_named(winner)}: it {reaches}; {_tried(summary)}."
    other, what = baseline, "the best homogeneous baseline"
    if winner.baseline:
        other, what = found, "the best found by the search"
    who = f"the winner, {_named(winner)}, "
    who += "is the best homogeneous baseline and " if winner.baseline else "found by the search, "
    if baseline is None and not summary.baselines:
        return (
            f"No verdict: {who}{reaches}; no homogeneous baseline was trained that it could be compared with."
        )
    if other is None:
        return f"No verdict: {who}{reaches}; {what} was not confirmed beside it."
    if summary.judge and not (winner.judged_on and other.judged_on):
        return f"No verdict yet: {who}was not judged beside {what}, {_named(other)}, on seeds that chose neither."
    assert found is not None  # they are the winner and the other
    assert baseline is not None
    said, gain = _difference(summary, found, baseline)
    pair = f"{who}{reaches}, {what}, {_named(other)}, {shown(summary, other.test)}"
    if (
        winner.baseline and said == GAIN.capitalize()
    ):  # what the judgement says of what validation did not choose
        pair = (
            f"{what}, {_named(found)}, {_reaches(summary, found)} on the {SPLITS[summary.split]}, the best "
            f"homogeneous baseline, {_named(winner)}, {shown(summary, winner.test)}; the winner is the baseline all "
            "the same, for validation chose it"
        )
    return f"{said}: {pair}. Best found minus best baseline: {gain}."


def _reaches(summary: Summary, c: Confirmed) -> str:
    return f"{'gives' if math.isnan(c.test) else 'reaches'} {shown(summary, c.test)}"


def _trivial(summary: Summary, winner: Confirmed) -> list[str]:
    """The winner beside always saying the same, on the same split."""
    name = summary.split.removesuffix("_metric")
    if name not in summary.trivial or not math.isfinite(winner.test - summary.trivial[name]):
        return []
    maximize = sign_of(summary.direction) > 0
    return [beside_trivial("The winner", winner.test, summary.metric, maximize, summary.trivial[name])]


def _named(c: Confirmed) -> str:
    return f"candidate {c.candidate} ({c.label})"


def _tried(summary: Summary) -> str:
    """A phrase for what the search tried beside the best baseline."""
    confirmed = sum(c.heterogeneous and c.searched for c in summary.confirmed)
    if not summary.heterogeneous:
        return (
            f"no mix of activations within a layer was tried, only {counted(summary.structures, 'structure')} "
            "with one in each layer"
        )
    of = f"of {counted(summary.heterogeneous, 'heterogeneous structure')} tried"
    return f"{of}, none was confirmed" if not confirmed else f"{of}, {confirmed} confirmed, none was better"


def _difference(summary: Summary, found: Confirmed, baseline: Confirmed) -> tuple[str, str]:
    """The verdict in a few words, and best found minus best baseline with its interval, the seeds being independent."""
    a, b = found.test_by_seed, baseline.test_by_seed
    if not math.isfinite(found.test - baseline.test):
        return "No verdict", "unknown, for a test metric that is no finite number has no difference"
    unit, scale = ("points", 100) if in_percent(summary.metric) else (unit_of(summary.metric).name, 1)
    gain = f"{scale * (found.test - baseline.test):+.3g} {unit}"
    seeds = min(len(a), len(b))
    if seeds < FEWEST:
        key = "confirm.judge" if summary.judge else "confirm.seeds"
        return (
            "Too few seeds",
            f"{gain} over {counted(seeds, 'seed')}, too few to tell; set {key} to {FEWEST} or more",
        )
    low, high = welch_interval(a, b)
    said = in_words(*sorted(sign_of(summary.direction) * end for end in (low, high))).capitalize()
    failed = found.figures.failed + baseline.figures.failed
    lost = f"; {counted(failed, 'network')} failed" if failed else ""
    return said, f"{gain}, 95 % interval {scale * low:+.3g} to {scale * high:+.3g}, over {seeds} seeds{lost}"


def in_words(low: float, high: float) -> str:
    """Return the verdict of an interval of a gain, which is above 0 if it is one.

    >>> in_words(0.1, 0.3), in_words(-0.1, 0.3)
    ('a gain', 'no difference shown')
    """
    return GAIN if low > 0 else "a loss" if high < 0 else "no difference shown"


def welch_interval(a: tuple[float, ...], b: tuple[float, ...]) -> tuple[float, float]:
    """Return the 95 % interval of mean(a) - mean(b), both variances being unknown (Welch 1947).

    >>> low, high = welch_interval((1.0, 2.0, 3.0), (4.0, 5.0, 6.0))
    >>> round(low, 2), round(high, 2)
    (-5.27, -0.73)
    """
    from scipy.stats import t

    gain = float(np.mean(a) - np.mean(b))
    own, other = (float(np.var(values, ddof=1)) / len(values) for values in (a, b))
    if own + other == 0:  # all seeds agree
        return gain, gain
    freedom = (own + other) ** 2 / (own**2 / (len(a) - 1) + other**2 / (len(b) - 1))
    reach = float(t.ppf((1 + LEVEL) / 2, freedom)) * math.sqrt(own + other)
    return gain - reach, gain + reach


def _doubt(summary: Summary) -> list[str]:
    """How likely the winner, and the baseline, are the wrong ones."""
    said = []
    if summary.doubt:
        said.append(f"the winner is truly the best {_of(summary, summary.doubt)}")
    if summary.baseline_doubt:
        said.append(f"the baseline {_of(summary, summary.baseline_doubt)}")
    return [f"How sure the choice is: {'; '.join(said)}."] if said else []


def _of(summary: Summary, doubt: Doubt) -> str:
    percent = in_percent(summary.metric)
    unit, regret = ("points", 100 * doubt.regret) if percent else (unit_of(summary.metric).name, doubt.regret)
    shown = "under 0.01" if percent and regret < 0.01 else f"{regret:.2g}"
    return (
        f"of {doubt.among} confirmed with probability {1 - doubt.probability:.2f} (expected to be {shown} {unit} "
        "worse than the best)"
    )


def _rule(summary: Summary, winner: Confirmed) -> str:
    chosen = counted(winner.chosen_on.seeds, "fresh seed")
    if not summary.judge:
        return (
            f"Chosen and judged on the same {chosen} (confirm.judge is 0, as in all runs older than that setting): the "
            "figures of the chosen candidates are too good."
        )
    judged = counted(summary.judge, "other")
    return f"Chosen by validation on {chosen}, judged on {judged}, which took no part in the choice."
