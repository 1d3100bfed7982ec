"""What a search found, in words: its winner beside the best homogeneous baseline, and the interval between."""

import statistics

from evoact.analysis.welch import FEWEST, welch_interval
from evoact.execution.summary import Confirmed, Summary
from evoact.report.units import beside_trivial


def counted(number: int, noun: str) -> str:
    """A number and its noun.

    >>> counted(1, "fresh seed"), counted(3, "network")
    ('1 fresh seed', '3 networks')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def shown(summary: Summary, value: float, error: float | None = None) -> str:
    """A metric, and its standard error if there is one."""
    if summary.metric == "accuracy":
        return f"{100 * value:.1f} %" if error is None else f"{100 * value:.1f} ± {100 * error:.1f} %"
    return f"{value:.4g}" if error is None else f"{value:.4g} ± {error:.2g}"


def verdict(summary: Summary) -> str:
    """The winner's test metric beside the best baseline's, with the 95 % interval of the difference, and beside that
    of always saying the same."""
    said = [_against_baseline(summary)]
    best = next(iter(summary.confirmed), None)
    if best is not None and "test" in summary.trivial:
        maximize = summary.direction == "maximize"
        said.append(
            beside_trivial(
                "The best confirmed network", best.test, summary.metric, maximize, summary.trivial["test"]
            )
        )
    return "\n".join(said)


def _against_baseline(summary: Summary) -> str:
    winner, baseline = summary.winner, summary.best_baseline
    if winner is None:
        return "No candidate of the search was confirmed."
    text = f"Winner: candidate {winner.candidate}, test {shown(summary, winner.test)}"
    if baseline is None:
        return text + "; no baseline was confirmed beside it."
    if baseline is winner:
        return f"{text}; it is the best homogeneous baseline itself ({winner.label}): {_tried(summary)}."
    text += f"; best homogeneous baseline ({baseline.label}) {shown(summary, baseline.test)}."
    return f"{text}\n{_difference(summary, winner, baseline)}"


def _tried(summary: Summary) -> str:
    """What the search had to set against the best baseline."""
    confirmed = sum(c.heterogeneous and c.searched for c in summary.confirmed)
    if not summary.heterogeneous:
        return (
            f"no mix of activations within a layer was tried, only {counted(summary.structures, 'structure')} "
            "with one in each layer"
        )
    of = f"of {counted(summary.heterogeneous, 'heterogeneous structure')} tried"
    return f"{of}, none was confirmed" if not confirmed else f"{of}, {confirmed} confirmed, none was better"


def _difference(summary: Summary, winner: Confirmed, baseline: Confirmed) -> str:
    """Winner minus baseline on the larger test split where there is one, the seeds being independent."""
    a, b = winner.test_by_seed, baseline.test_by_seed
    split = "larger test split" if winner.test_large is not None else "test split"
    unit, scale = ("points", 100) if summary.metric == "accuracy" else (summary.metric, 1)
    gain = scale * (statistics.fmean(a) - statistics.fmean(b))
    text = f"On the {split}, winner minus baseline: {gain:+.3g} {unit}"
    seeds = min(len(a), len(b))
    if seeds < FEWEST:
        return f"{text} over {counted(seeds, 'seed')}: so few show nothing; set confirm.seeds to {FEWEST} or more."
    low, high = (scale * end for end in welch_interval(a, b))
    better, worse = ("a gain", "a loss") if summary.direction == "maximize" else ("a loss", "a gain")
    what = better if low > 0 else worse if high < 0 else "no difference shown"
    return f"{text}, 95 % interval {low:+.3g} to {high:+.3g}, over {seeds} seeds: {what}."
