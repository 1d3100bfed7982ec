"""The findings of a comparison as sentences and a text table, for the command line and the report."""

from collections.abc import Collection, Sequence

from evoact.analysis.candidates import LARGE, SPLITS, TEST
from evoact.analysis.comparison import Findings, Gain, Interval, Standing
from evoact.analysis.verdicts import FEWEST, Verdict
from evoact.errors import UserError, counted
from evoact.leaderboard.run_files import trivial_of
from evoact.report.number_format import NOTHING, Unit, beside_trivial, count, duration, p_text, unit_of
from evoact.report.run import RunData
from evoact.report.text_table import TextTable, aligned

UNEQUAL = 0.05  # budgets that differ by no more count as equal
ENOUGH_REPEATS = 8  # for 95 % intervals that hold the truth nearly as often
_GAIN = ("gain", "gain, 95 % interval", "p (Holm)", "P(better)")
_HELPS = (Verdict.BETTER, Verdict.SLIGHTLY_BETTER)
_HURTS = (Verdict.WORSE, Verdict.SLIGHTLY_WORSE)


def comparison_text(run: RunData) -> str:
    """Return the verdict and the table as plain text, for a terminal."""
    table = arm_table(run)
    numbers = [header not in table.left for header in table.headers]
    return "\n".join([*verdict_sentences(run), "", aligned(table.headers, table.rows, numbers)])


def verdict_sentences(run: RunData) -> list[str]:
    """Return what was found, the headline first; what cannot be said is said, too."""
    try:
        found = run.findings
    except UserError as error:
        return [f"No verdict: {error}.", *_caveats(run)]
    return [*found_sentences(found), *_caveats(run)]


def found_sentences(found: Findings) -> list[str]:
    """Return what was found: the headline, the arm that differs most, controls that differ, and gains between arms."""
    unit = unit_of(found.metric)
    shown = [gain for gain in found.against if gain.verdict in (*_HELPS, *_HURTS)]
    # Of all other arms the table says as much in less room.
    most = max(
        (gain for gain in shown if gain.arm not in found.controls),
        key=lambda g: g.difference.value,
        default=None,
    )
    return [
        _headline(found, unit),
        *([_gain(most, unit)] if most else []),
        *([_share(most)] if most and most.share else []),
        *(_gain(gain, unit) for gain in shown if gain.arm in found.controls),
        *(_between(gain, unit) for gain in found.between if gain.verdict is not Verdict.TOO_FEW),
    ]


def _headline(found: Findings, unit: Unit) -> str:
    gains = [gain for gain in found.against if gain.arm not in found.controls]
    if not gains:
        return f"No verdict: no arm beside the reference {found.reference} has a winner."
    if all(gain.verdict is Verdict.TOO_FEW for gain in gains):
        return (
            f"No difference can be shown: {len(found.against) + len(found.between)} comparisons over "
            f"{counted(found.repeats, 'repeat')} each cannot pass the corrected test, whatever the arms do; at least "
            f"{found.fewest} repeats are needed. The figures below are a first look, not a result."
        )
    better = [gain for gain in gains if gain.verdict in _HELPS]
    worse = [gain for gain in gains if gain.verdict in _HURTS]
    equal = [gain for gain in gains if gain.verdict is Verdict.EQUIVALENT]
    if not better and not worse:
        who = "the other arm is not" if len(gains) == 1 else f"none of {len(gains)} arms is"
        text = f"No difference shown: {who} shown to be better or worse than {found.reference}."
    else:
        are = "is" if len(better) == 1 else "are"
        text = (
            f"{len(better)} of {counted(len(gains), 'arm')} {are} shown to be better than {found.reference}"
        )
        if better:
            best = max(better, key=lambda gain: gain.difference.value)
            text += f", {best.arm} the most ({unit.difference(best.difference.value)} {unit.differences})"
        text += f", {len(worse)} to be worse." if worse else "."
    if equal:
        text += f" Practically equivalent: {', '.join(gain.arm for gain in equal)}."
    return text


def _gain(gain: Gain, unit: Unit) -> str:
    text = (
        f"{gain.arm} is {gain.verdict} than {gain.other}: {unit.difference(gain.difference.value)} "
        f"{unit.differences}, 95 % interval {unit.differences_range(gain.difference)}, over "
        f"{counted(gain.repeats, 'repeat')} (p = {p_text(gain.p_holm)}, corrected)"
    )
    if gain.verdict is Verdict.SLIGHTLY_BETTER or gain.verdict is Verdict.SLIGHTLY_WORSE:
        text = text.replace(f" {gain.verdict} than {gain.other}", f" {gain.verdict}, than {gain.other}")
    return text + "."


def _between(gain: Gain, unit: Unit) -> str:
    why = f"{gain.reason[0].upper()}{gain.reason[1:]}"
    if not gain.reason.startswith(gain.arm):
        why += f" ({gain.arm} against {gain.other})"
    return (
        f"{why}: {gain.verdict}; {unit.difference(gain.difference.value)} {unit.differences}, 95 % interval "
        f"{unit.differences_range(gain.difference)} (p = {p_text(gain.p_holm)}, corrected)."
    )


def _share(gain: Gain) -> str:
    assert gain.share is not None
    share = _share_text(gain.share)
    if gain.share.high < 0:
        return f"Trained input and output scale alone explains nothing of what {gain.arm} gains: its share is {share}."
    return f"Of what {gain.arm} gains, trained input and output scale alone explains {share}."


def _share_text(share: Interval) -> str:
    value, low, high = (
        f"{round(100 * end)}".replace("-", "−") for end in (share.value, share.low, share.high)
    )
    return f"{value} % ({low} to {high} %)"


def _caveats(run: RunData) -> list[str]:
    """Caveats: arms and repeats without a winner, too few seeds, failed ones, unequal spending."""
    return [
        *_lost(run),
        *_no_better_than_trivial(run),
        *_few_repeats(run),
        *_few_seeds(run),
        *_failed_seeds(run),
        *_unequal(run),
        *_twins(run),
    ]


def _lost(run: RunData) -> list[str]:
    """Arms and repeats without a winner, one sentence for all that have the same reason."""
    lost: dict[str, list[str]] = {}
    for arm in run.arms:
        if not arm.winners:
            why = f": {arm.error}" if arm.error else ""
            if run.problems:
                cause = "in the rows that are left"
            elif run.record.get("finished_at"):
                cause = "every candidate failed or none was confirmed"
            else:
                cause = "none is confirmed yet"
            lost.setdefault(f"no winner, {cause}{why}; the other arms are compared.", []).append(arm.name)
        elif arm.lost:
            repeats = f"{len(arm.lost)} of {counted(run.plan.repeats, 'repeat')}"
            lost.setdefault(f"no winner in {repeats}, which are left out.", []).append(arm.name)
    return [
        f"{'; '.join(names)} {'has' if len(names) == 1 else 'have'} {what}" for what, names in lost.items()
    ]


def _no_better_than_trivial(run: RunData) -> list[str]:
    """Name the arms whose mean winner is no better than a constant prediction."""
    known = trivial_of(run.record)
    split = "test_large" if run.rows["test_large_metric"].notna().any() else "test"
    if split not in known:
        return []
    sign = 1 if run.maximize else -1
    names = [arm.name for arm in run.arms if arm.winners and sign * (arm.means.mean() - known[split]) <= 0]
    if not names:
        return []
    who = f"The mean winner of {', '.join(names)}"
    return [beside_trivial(who, known[split], run.metric, run.maximize, known[split])]


def _few_repeats(run: RunData) -> list[str]:
    repeats = max((len(arm.winners) for arm in run.arms), default=0)
    if not 1 < repeats < ENOUGH_REPEATS:
        return []
    return [
        f"Intervals over {repeats} repeats are too narrow: in cases of known truth, those over 3 held it in 75 to "
        "88 % of cases, over 5 in 84 to 93 %, over 10 in 90 to 95 %."
    ]


def _few_seeds(run: RunData) -> list[str]:
    confirm = run.plan.config.confirm
    key, seeds = ("judge", confirm.judge) if confirm.judge else ("seeds", confirm.seeds)
    if seeds >= FEWEST or not any(arm.winners for arm in run.arms):
        return []
    return [
        f"Winners were judged on {counted(seeds, 'seed')}: too few to tell the seeds' noise from the repeats'; set "
        f"confirm.{key} to {FEWEST} or more, better 15."
    ]


def _failed_seeds(run: RunData) -> list[str]:
    """Winners that failed when they were judged: their figures are those of the other seeds."""
    judge = run.plan.config.confirm.judge
    failed = {arm.name: sum(judge - len(w.seeds) for w in arm.winners.values()) for arm in run.arms}
    if not judge or not run.record["finished_at"]:
        return []
    return [
        f"Winners of {name} failed on {counted(number, 'seed')} of {judge * len(arm.winners)} that judged them; their "
        "figures are those of the others."
        for arm in run.arms
        for name, number in [(arm.name, failed[arm.name])]
        if number
    ]


def _unequal(run: RunData) -> list[str]:
    """Arms that spent less than the others although they were to spend the same, for instance because a space was
    exhausted.
    """
    amortised = run.plan.amortised
    spent = {
        arm.name: arm.gradient_examples - (arm.meta_examples if arm.name in amortised else 0)
        for arm in run.arms
    }
    most = max(spent.values(), default=0)
    if run.problems or not run.record["finished_at"]:
        return []
    return [
        f"{name} spent {count(own)} gradient-examples while others spent {count(most)}"
        f"{', meta-training left out' if name in amortised else ''}: it ran out of networks to train, each on at most "
        "as many seeds as config.yaml allows (replicates), or they ended early; its gain is not measured at equal "
        "budget."
        for name, own in spent.items()
        if own < (1 - UNEQUAL) * most
    ]


def _twins(run: RunData) -> list[str]:
    """Amortised arms that ended where the arm without did: more budget that led to nothing else."""
    amortised = run.plan.amortised
    networks = {
        arm.name: {r: (w.genome, tuple(w.test)) for r, w in arm.winners.items()}
        for arm in run.arms
        if arm.winners
    }
    return [
        f"{name} has the winners of {other}: its row adds nothing, though it counts among the corrected "
        "comparisons."
        for name in networks
        if name in amortised
        for other in networks
        if other not in amortised and networks[other] == networks[name]
    ]


def arm_table(run: RunData) -> TextTable:
    """Return one row for each arm, in the order of the config."""
    split = SPLITS[LARGE if run.rows[LARGE].notna().any() else TEST]
    caption = f"Mean winner of each arm on the {split}, over repeats of the whole search, with 95 % BCa intervals of a "
    headers = ["arm", "mean winner", "95 % interval", *_GAIN]
    left = frozenset(("arm", "verdict"))
    try:
        found = run.findings
    except UserError:
        lost = tuple((arm.name, *[NOTHING] * len(headers)) for arm in run.arms)
        return TextTable(f"{caption}bootstrap", (*headers, "verdict"), lost, left)
    caption += f"bootstrap over {'repeats, seeds and examples' if found.examples else 'repeats and seeds'}"
    headers += ["scale explains"] if found.scaled else []
    gains = {gain.arm: gain for gain in found.against}
    unit = unit_of(found.metric)
    amortised = run.plan.amortised
    rows = tuple(_row(s, gains.get(s.arm.name), found, unit, amortised) for s in found.standings)
    return TextTable(caption, (*headers, "verdict"), rows, left)


def between_tables(run: RunData) -> tuple[TextTable, ...]:
    """Return the comparisons of arms with each other, if there are any."""
    try:
        found = run.findings
    except UserError:
        return ()
    unit = unit_of(found.metric)
    rows = tuple(
        (
            gain.reason,
            gain.arm,
            gain.other,
            *_figures(gain, unit),
            str(gain.verdict),
        )
        for gain in found.between
    )
    headers = ("question", "arm", "over", *_GAIN, "verdict")
    left = frozenset(("question", "arm", "over", "verdict"))
    return (TextTable("Arms against each other", headers, rows, left),) if rows else ()


def _figures(gain: Gain, unit: Unit) -> list[str]:
    """Under the headings `_GAIN`."""
    return [
        unit.difference(gain.difference.value),
        unit.differences_range(gain.difference),
        p_text(gain.p_holm),
        f"{gain.superiority:.2f}",
    ]


def _row(
    standing: Standing, gain: Gain | None, found: Findings, unit: Unit, amortised: Collection[str]
) -> tuple[str, ...]:
    name = standing.arm.name
    if name in amortised and "amortised" not in name:
        name += " (amortised)"
    own = (name, unit.value(standing.mean), unit.range(standing.interval))
    if gain is None:
        last = "reference" if standing.arm.name == found.reference else "no winner"
        return (*own, *[NOTHING] * (len(_GAIN) + bool(found.scaled)), last)
    figures = _figures(gain, unit)
    if found.scaled:
        figures.append(NOTHING if gain.share is None else _share_text(gain.share))
    return (*own, *figures, str(gain.verdict))


def cost_table(run: RunData) -> TextTable:
    """Return what each arm spent, and what it took."""
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
