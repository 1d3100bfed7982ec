"""The findings of a comparison: each arm's mean winner, its gain over the reference, and a verdict in words.

The estimand is an arm's mean winner: the mean, over repeats of the whole search, of the winner's mean test
metric over fresh seeds. Repeats are the units: differences are taken repeat by repeat, tested by Wilcoxon's
signed-rank test on the repeats' means, corrected for the number of comparisons after Holm 1979, and their
intervals come from a bootstrap over repeats, seeds and test examples (`analysis.bootstrap`).
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np

from evoact.analysis.bootstrap import RESAMPLES, Scores, bca_interval, resampled_means
from evoact.analysis.candidates import sign_of
from evoact.analysis.verdicts import LEVEL, Verdict, fewest_repeats, verdict
from evoact.analysis.winners import ArmResult, Winner
from evoact.errors import UserError


@dataclass(frozen=True)
class Interval:
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Gain:
    """The gain of `arm` over `other`, above 0 if it is better whatever the metric's direction.

    `p` is Wilcoxon's, `p_holm` corrected for all gains of the comparison; `superiority` the probability that a
    winner of the arm beats one of the other (ties count half). `share` says which part of the gain trained
    scale explains; None if that cannot be said.
    """

    arm: str
    other: str
    reason: str
    repeats: int
    difference: Interval
    p: float
    p_holm: float
    superiority: float
    verdict: Verdict
    share: Interval | None = None


@dataclass(frozen=True)
class Standing:
    """An arm's mean winner with its interval; None if it has no winner at all, or only one repeat."""

    arm: ArmResult
    mean: float | None
    interval: Interval | None
    validation: float | None


@dataclass(frozen=True)
class Findings:
    """`standings` in the order of the arms; `against` the gains over the reference, `between` those over
    width-matched controls, and of the best arm of one group over that of another. `controls` are the
    width-matched ones; `examples` says whether test examples were resampled, too."""

    metric: str
    direction: str
    reference: str
    scaled: str
    equivalence: float
    repeats: int
    standings: tuple[Standing, ...]
    against: tuple[Gain, ...]
    between: tuple[Gain, ...]
    controls: tuple[str, ...]
    examples: bool

    @property
    def fewest(self) -> int:
        """How many repeats the corrected test needs at least to show anything."""
        return fewest_repeats(len(self.against) + len(self.between))


@dataclass(frozen=True)
class Question:
    """Two arms to be compared, and why."""

    arm: str
    other: str
    reason: str


@dataclass
class _Drawn:
    """Resampled means of arms over the repeats that they have in common, kept for the next question."""

    arms: Mapping[str, ArmResult]
    sign: int
    resamples: int
    known: dict[tuple[int, ...], dict[str, np.ndarray]] = field(default_factory=dict)

    def common(self, *names: str) -> list[int]:
        return sorted(set.intersection(*(set(self.arms[name].winners) for name in names)))

    def means(self, name: str, repeats: Sequence[int]) -> np.ndarray:
        return self.sign * np.array([self.arms[name].winners[r].mean for r in repeats])

    def distribution(self, name: str, repeats: Sequence[int]) -> np.ndarray:
        """Return the distribution of the arm's mean over these repeats; drawn together with all arms that have them."""
        key = tuple(repeats)
        if key not in self.known:
            complete = [n for n, arm in self.arms.items() if set(key) <= set(arm.winners)]
            scores = [_scores([self.arms[n].winners[r] for r in key]) for n in complete]
            drawn = resampled_means(scores, resamples=self.resamples)
            self.known[key] = dict(zip(complete, self.sign * drawn, strict=True))
        return self.known[key][name]


def findings(
    results: Sequence[ArmResult],
    *,
    reference: str,
    metric: str,
    direction: str,
    scaled: str = "",
    groups: Mapping[str, str] | None = None,
    controls: Mapping[str, Sequence[str]] | None = None,
    equivalence: float = 0.0,
    resamples: int = RESAMPLES,
) -> Findings:
    """Return what a comparison shows.

    Args:
        results: the arms, from `winners.arm_results`
        reference: the arm that the others are compared with
        metric, direction: of the task
        scaled: the arm whose functions have trained input and output scale, if any
        groups: of arms; the best arm of each group, by validation over the other repeats, is compared with the best
            of the others
        controls: width-matched ones, with the arms that each is to be compared with
        equivalence: differences up to this count as no practical difference, in units of the metric
        resamples: of the bootstrap

    Raises:
        UserError: if the reference, or every other arm, has no winner.
    """
    controls = controls or {}
    arms = {result.name: result for result in results}
    alive = [name for name, arm in arms.items() if arm.winners]
    if reference not in alive:
        error = arms[reference].error if reference in arms else "it is not there"
        raise UserError(
            f"expected winners of the reference arm {reference!r}, got none ({error or 'nothing was confirmed'}); "
            "name another arm as reference"
        )
    sign = sign_of(direction)
    best = _best_of_groups(groups or {}, arms, sign, reference)
    drawn = _Drawn(arms | {arm.name: arm for arm in best.values()}, sign, resamples)
    asked = [Question(name, reference, "reference") for name in alive if name != reference]
    asked += [
        Question(name, control, f"{name} against a network as large")
        for control, names in controls.items()
        for name in names
        if control in alive and name in alive
    ]
    asked += [
        Question(best[a].name, best[b].name, f"best of {a} against best of {b}")
        for a, b in combinations(best, 2)
    ]
    found = _gains([q for q in asked if drawn.common(q.arm, q.other)], drawn, equivalence)
    if scaled in alive:
        found = [
            gain if gain.arm in controls else _with_share(gain, drawn, reference, scaled) for gain in found
        ]
    return Findings(
        metric=metric,
        direction=direction,
        reference=reference,
        scaled=scaled,
        equivalence=equivalence,
        repeats=max((len(arm.winners) for arm in results), default=0),
        standings=tuple(_standing(arm, drawn) for arm in results),
        against=tuple(gain for gain in found if gain.reason == "reference"),
        between=tuple(gain for gain in found if gain.reason != "reference"),
        controls=tuple(controls),
        examples=all(w.scores is not None for arm in results for w in arm.winners.values()),
    )


def _best_of_groups(
    groups: Mapping[str, str], arms: Mapping[str, ArmResult], sign: int, reference: str
) -> dict[str, ArmResult]:
    """By group, its best arm, in each repeat the one that validates best over the *other* repeats.

    Who is chosen by the repeats that judge it has been lucky in them. Where that is the same arm in every repeat, it
    is that arm, else one that is named after them all.
    """
    members: dict[str, list[str]] = {}
    for name, group in groups.items():
        if group and name != reference and arms[name].winners:
            members.setdefault(group, []).append(name)
    best = {}
    for group, names in members.items():
        chosen = {}
        for repeat in sorted({r for name in names for r in arms[name].winners}):
            there = [name for name in names if repeat in arms[name].winners]
            chosen[repeat] = max(there, key=lambda name: sign * _validation(arms[name], repeat))
        times = Counter(chosen.values())
        first = arms[next(iter(times))]
        if len(times) > 1:
            label = ", ".join(f"{name} in {n} of {len(chosen)}" for name, n in times.most_common())
            won = {repeat: arms[name].winners[repeat] for repeat, name in chosen.items()}
            first = replace(first, name=label, winners=won, lost=())
        best[group] = first
    return best


def _validation(arm: ArmResult, without: int | None = None) -> float:
    """The mean validation of its winners, one repeat left out if there are others."""
    others = [winner.validation for repeat, winner in arm.winners.items() if repeat != without]
    return float(np.mean(others or [winner.validation for winner in arm.winners.values()]))


def _gains(questions: Sequence[Question], drawn: _Drawn, equivalence: float) -> list[Gain]:
    from scipy.stats import wilcoxon

    measured = []
    for q in questions:
        repeats = drawn.common(q.arm, q.other)
        gains = drawn.means(q.arm, repeats) - drawn.means(q.other, repeats)
        resampled = drawn.distribution(q.arm, repeats) - drawn.distribution(q.other, repeats)
        p = float(wilcoxon(gains).pvalue) if gains.any() else 1.0
        measured.append((len(repeats), _interval(gains, resampled), p))
    corrected = holm([p for *_, p in measured])
    return [
        Gain(
            q.arm,
            q.other,
            q.reason,
            repeats,
            difference,
            p,
            p_holm,
            _superiority(q, drawn),
            verdict(difference.low, difference.high, p_holm, repeats, len(questions), equivalence),
        )
        for q, (repeats, difference, p), p_holm in zip(questions, measured, corrected, strict=True)
    ]


def _interval(values: np.ndarray, distribution: np.ndarray) -> Interval:
    """Return the interval of the mean; a single repeat has none, so its ends are infinite."""
    if len(values) < 2:
        return Interval(float(values.mean()), -math.inf, math.inf)
    low, high = bca_interval(values, LEVEL, distribution)
    return Interval(float(values.mean()), low, high)


def _superiority(q: Question, drawn: _Drawn) -> float:
    """P(arm > other) + P(equal) / 2 over all pairs of winners (Mann & Whitney 1947)."""
    from scipy.stats import mannwhitneyu

    a, b = (drawn.means(name, sorted(drawn.arms[name].winners)) for name in (q.arm, q.other))
    return float(mannwhitneyu(a, b).statistic) / (len(a) * len(b))


def _with_share(gain: Gain, drawn: _Drawn, reference: str, scaled: str) -> Gain:
    """Add the share (scaled - reference) / (arm - reference), if the arm's gain is surely above 0; losses have none."""
    if gain.other != reference or gain.arm == scaled or gain.difference.low <= 0:
        return gain
    repeats = drawn.common(gain.arm, reference, scaled)
    if len(repeats) < 2:
        return gain
    a, h, s = (drawn.means(name, repeats).mean() for name in (gain.arm, reference, scaled))
    da, dh, ds = (drawn.distribution(name, repeats) for name in (gain.arm, reference, scaled))
    gained = da - dh
    if np.quantile(gained, (1 - LEVEL) / 2) <= 0:  # a ratio changes its sign if its denominator does
        return gain
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = np.nanquantile((ds - dh) / gained, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    share = Interval(float((s - h) / (a - h)), float(low), float(high))
    return replace(gain, share=share)


def _standing(arm: ArmResult, drawn: _Drawn) -> Standing:
    repeats = sorted(arm.winners)
    if not repeats:
        return Standing(arm, None, None, None)
    if len(repeats) < 2:
        return Standing(arm, float(arm.means.mean()), None, _validation(arm))
    signed = _interval(drawn.means(arm.name, repeats), drawn.distribution(arm.name, repeats))
    ends = sorted((drawn.sign * signed.low, drawn.sign * signed.high))
    return Standing(
        arm, float(arm.means.mean()), Interval(drawn.sign * signed.value, *ends), _validation(arm)
    )


def _scores(winners: Sequence[Winner]) -> Scores:
    """By block of examples if all have them, else the metric alone."""
    if all(winner.scores is not None for winner in winners):
        return [winner.scores for winner in winners if winner.scores is not None]
    return [winner.test[:, None] for winner in winners]


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values after Holm's (1979) correction: the chance of any false finding among all stays below the level.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        corrected[i] = largest
    return corrected
