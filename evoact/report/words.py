"""What a comparison shows, in sentences and as a table of texts; the command line and the report print these."""

from collections.abc import Sequence
from dataclasses import dataclass

from evoact.analysis.comparison import Findings, Gain, Standing
from evoact.analysis.verdicts import Verdict
from evoact.errors import UserError
from evoact.report.run import RunData
from evoact.report.units import NOTHING, Unit, count, duration, p_text, unit_of

_HELPS = (Verdict.BETTER, Verdict.SLIGHTLY_BETTER)
_HURTS = (Verdict.WORSE, Verdict.SLIGHTLY_WORSE)


@dataclass(frozen=True)
class TextTable:
    """Texts by row; `left` names the columns that hold words, the others hold numbers."""

    caption: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: frozenset[str]


def comparison_text(run: RunData) -> str:
    """The verdict and the table as plain text, for a terminal."""
    table = arm_table(run)
    widths = [max(map(len, column)) for column in zip(table.headers, *table.rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if header in table.left else cell.rjust(width)
            for cell, width, header in zip(row, widths, table.headers, strict=True)
        ).rstrip()
        for row in (table.headers, *table.rows)
    ]
    return "\n".join([*verdict_sentences(run), "", *lines])


def verdict_sentences(run: RunData) -> list[str]:
    """What was found, the headline first; what cannot be said is said, too."""
    try:
        found = run.findings
    except UserError as error:
        return [f"No verdict: {error}.", *_lost(run)]
    unit = unit_of(found.metric)
    sentences = [_headline(found, unit)]
    sentences += [_gain(gain, unit, found) for gain in found.against if gain.verdict in (*_HELPS, *_HURTS)]
    sentences += [_between(gain, unit) for gain in found.between]
    sentences += [_share(gain) for gain in found.against if gain.share is not None]
    return [*sentences, *_lost(run)]


def _headline(found: Findings, unit: Unit) -> str:
    gains = found.against
    if not gains:
        return f"No verdict: no arm beside the reference {found.reference} has a winner."
    if all(gain.verdict is Verdict.TOO_FEW for gain in gains):
        return (
            f"No difference can be shown: {len(gains) + len(found.between)} comparisons over "
            f"{found.repeats} repeats each cannot pass the corrected test, whatever the arms do; at least "
            f"{found.fewest} repeats are needed. The figures below are a first look, no result."
        )
    better = [gain for gain in gains if gain.verdict in _HELPS]
    worse = [gain for gain in gains if gain.verdict in _HURTS]
    equal = [gain for gain in gains if gain.verdict is Verdict.EQUIVALENT]
    if not better and not worse:
        text = f"No difference shown: none of {len(gains)} arms is shown to be better or worse than {found.reference}."
    else:
        text = f"{len(better)} of {len(gains)} arms are shown to be better than {found.reference}"
        if better:
            best = max(better, key=lambda gain: gain.difference.value)
            text += f", {best.arm} the most ({unit.difference(best.difference.value)} {unit.differences})"
        text += f", {len(worse)} to be worse." if worse else "."
    if equal:
        text += f" Practically equivalent: {', '.join(gain.arm for gain in equal)}."
    return text


def _gain(gain: Gain, unit: Unit, found: Findings) -> str:
    text = (
        f"{gain.arm} is {gain.verdict} than {gain.other}: {unit.difference(gain.difference.value)} "
        f"{unit.differences}, 95 % interval {unit.differences_range(gain.difference)}, over {gain.repeats} repeats "
        f"(p = {p_text(gain.p_holm)}, corrected)"
    )
    if gain.verdict is Verdict.SLIGHTLY_BETTER or gain.verdict is Verdict.SLIGHTLY_WORSE:
        text = text.replace(f" {gain.verdict} than {gain.other}", f" {gain.verdict}, than {gain.other}")
    return text + "."


def _between(gain: Gain, unit: Unit) -> str:
    why = f"{gain.reason[0].upper()}{gain.reason[1:]} ({gain.arm} against {gain.other})"
    return (
        f"{why}: {gain.verdict}; {unit.difference(gain.difference.value)} {unit.differences}, 95 % interval "
        f"{unit.differences_range(gain.difference)} (p = {p_text(gain.p_holm)}, corrected)."
    )


def _share(gain: Gain) -> str:
    assert gain.share is not None
    low, high = (f"{100 * end:.0f}".replace("-", "−") for end in (gain.share.low, gain.share.high))
    return (
        f"Of what {gain.arm} gains, trained input and output scale alone explains "
        f"{100 * gain.share.value:.0f} % (95 % interval {low} to {high} %).".replace(" -", " −")
    )


def _lost(run: RunData) -> list[str]:
    sentences = []
    for arm in run.arms:
        if not arm.winners:
            why = f": {arm.error}" if arm.error else ""
            sentences.append(
                f"{arm.name} has no winner, every candidate failed or none was confirmed{why}; the other arms are "
                "compared."
            )
        elif arm.lost:
            sentences.append(
                f"{arm.name} has no winner in {len(arm.lost)} of its repeats; they are left out."
            )
    return sentences


def arm_table(run: RunData) -> TextTable:
    """One row for each arm, in the order of the config."""
    caption = (
        "Mean winner of each arm on the test split, over repeats of the whole search, with 95 % BCa intervals of a "
        "bootstrap over repeats, seeds and examples"
    )
    headers = (
        "arm",
        "mean winner",
        "95 % interval",
        "gain",
        "gain, 95 % interval",
        "p (Holm)",
        "P(better)",
        "verdict",
    )
    try:
        found = run.findings
    except UserError:
        lost = tuple((arm.name, *[NOTHING] * 7) for arm in run.arms)
        return TextTable(caption, headers, lost, frozenset(("arm", "verdict")))
    gains = {gain.arm: gain for gain in found.against}
    unit = unit_of(found.metric)
    rows = tuple(_row(s, gains.get(s.arm.name), found, unit) for s in found.standings)
    return TextTable(caption, headers, rows, frozenset(("arm", "verdict")))


def _row(standing: Standing, gain: Gain | None, found: Findings, unit: Unit) -> tuple[str, ...]:
    own = (standing.arm.name, unit.value(standing.mean), unit.range(standing.interval))
    if gain is None:
        last = "reference" if standing.arm.name == found.reference else "no winner"
        return (*own, NOTHING, NOTHING, NOTHING, NOTHING, last)
    return (
        *own,
        unit.difference(gain.difference.value),
        unit.differences_range(gain.difference),
        p_text(gain.p_holm),
        f"{gain.superiority:.2f}",
        str(gain.verdict),
    )


def cost_table(run: RunData) -> TextTable:
    """What each arm spent, and what it took."""
    rows = tuple(
        (
            arm.name,
            f"{arm.networks:,}",
            f"{arm.failures:,}",
            count(arm.gradient_examples),
            count(arm.meta_examples) if arm.meta_examples else NOTHING,
            duration(arm.seconds),
            _median([w.n_parameters for w in arm.winners.values()]),
            str(len(arm.winners)),
        )
        for arm in run.arms
    )
    return TextTable(
        "What each arm spent: networks of all phases, gradient-examples before the confirmation and how many of them "
        "went into meta-training, training time on one worker, parameters of the median winner",
        ("arm", "networks", "failed", "gradient-examples", "meta-training", "time", "parameters", "winners"),
        rows,
        frozenset(("arm",)),
    )


def _median(numbers: Sequence[int]) -> str:
    return f"{sorted(numbers)[len(numbers) // 2]:,}" if numbers else NOTHING
