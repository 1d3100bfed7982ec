"""The sections of a report as data, before they become HTML or Markdown."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from evoact.analysis.activation_curves import HIGH, LOW, activation_curves
from evoact.analysis.best_so_far import best_so_far
from evoact.analysis.candidates import SPLITS, candidates, sign_of
from evoact.analysis.lineage import Ancestor, lineage
from evoact.analysis.proposed_types import proposed_types
from evoact.analysis.search_summary import Confirmed
from evoact.analysis.winners import Winner, winner_of
from evoact.genomes.genome import loads
from evoact.records import FRESH
from evoact.report.comparison_text import TextTable, arm_table, between_tables, cost_table, verdict_sentences
from evoact.report.figures import (
    Box,
    Figure,
    Point,
    best_so_far_figure,
    box_plots,
    curves_figure,
    lineage_figure,
    scatter,
    shortened,
    types_figure,
)
from evoact.report.number_format import NOTHING, Unit, unit_of
from evoact.report.run import RunData
from evoact.report.search_text import counted, shown, verdict
from evoact.report.sections.choices_that_mattered import mattered
from evoact.report.sections.provenance import provenance
from evoact.report.sections.section import Section
from evoact.strategies.proposers.enumerate import Enumerate

MOST_WINNERS = 24  # whose activations are drawn
MOST_CURVES = 12  # panels for a network: more layers than that nobody compares


@dataclass(frozen=True)
class _Shown:
    """A network that stands for an arm (or, in a search, for itself) in the figures."""

    series: str
    winner: Winner


def sections(run: RunData) -> list[Section]:
    """Return the sections of a run's report, those without anything to say left out."""
    unit = unit_of(run.metric)
    makers: Sequence[Callable[[RunData, Unit], Section | None]] = (
        _verdict,
        _boxes,
        _best_so_far,
        _curves,
        _types,
        mattered,
        _participation,
        _step_time,
        _lineage,
        _cost,
        _leaderboard,
        _provenance,
    )
    if not len(run.rows):
        said = run.problems or ("Nothing has been trained yet.",)
        return [Section("verdict", "Verdict", said), provenance_section(run)]
    return [section for make in makers if (section := make(run, unit)) is not None]


def _verdict(run: RunData, unit: Unit) -> Section:
    unfinished = [] if run.record["finished_at"] else ["This run has not finished: all below is preliminary."]
    if run.plan.compares:
        notes = [_estimand(run)]
        return Section(
            "verdict",
            "Verdict",
            (*run.problems, *unfinished, *verdict_sentences(run), *notes),
            (arm_table(run), *between_tables(run)),
        )
    summary = run.summary
    tried = (
        f"{counted(summary.networks, 'network')} trained; the search tried "
        f"{counted(summary.structures, 'distinct structure')}, {summary.heterogeneous} of them heterogeneous."
    )
    tables = (_confirmed_table(run),) if summary.confirmed else ()
    said = verdict(summary).split("\n")
    return Section("verdict", "Verdict", (*run.problems, *unfinished, *said, tried), tables)


def _estimand(run: RunData) -> str:
    plan = run.plan
    confirm = plan.config.confirm
    seeds = counted(confirm.seeds, "fresh seed")
    if confirm.candidates == 1:
        confirmed = f"the best of each was trained again on {seeds}"
    else:
        confirmed = (
            f"the best {confirm.candidates} of each were trained again on {seeds}, which chose the winner by "
            "validation"
        )
    judged = (
        "its test was read on the same seeds (confirm.judge is 0, as in all runs older than that setting), so the "
        "winners of arms with many candidates of about the same quality look too good"
    )
    if confirm.judge:
        judged = f"its test was read on {counted(confirm.judge, 'other')}, which took no part in the choice"
    elif confirm.candidates == 1:
        judged = "its test was read on these, which took no part in the choice"
    text = (
        f"Each arm's search was repeated {plan.repeats} times at equal budget; {confirmed}, and {judged}. "
        "Gains are over "
        f"{plan.reference}, above 0 if an arm is better; p is from Wilcoxon's signed-rank test over repeats, with "
        "Holm's correction."
    )
    if plan.equivalence:
        unit = unit_of(run.metric)
        width = unit.difference(plan.equivalence).lstrip("+")
        text += f" Differences up to {width} {unit.differences} count as no practical difference."
    return text


def _confirmed_table(run: RunData) -> TextTable:
    summary = run.summary
    judged = any(c.judged_on for c in summary.confirmed)
    headers = ("candidate", "activations", "learning rate", "parameters", "validation", "test")
    rows = tuple(
        (
            str(c.candidate),
            c.label + (" (baseline)" if c.baseline else ""),
            f"{c.learning_rate:.4g}",
            f"{c.n_parameters:,}",
            shown(summary, c.validation),
            shown(summary, c.chosen_on.test, c.chosen_on.test_error),
            *((shown(summary, c.test, c.test_error) if c.judged_on else NOTHING,) if judged else ()),
        )
        for c in summary.confirmed
    )
    seeds = counted(summary.confirmed[0].chosen_on.seeds, "fresh seed")
    caption = f"Confirmed on {seeds}, best validation first, test on the {SPLITS[summary.split]}; ± is the "
    caption += "standard error"
    if judged:
        caption += (
            f"; judged: test on {counted(summary.judge, 'other seed')}, which took no part in the choice"
        )
    return TextTable(caption, headers + (("judged",) if judged else ()), rows, frozenset(("activations",)))


def _boxes(run: RunData, unit: Unit) -> Section | None:
    if run.arms:
        boxes = [
            Box(arm.name, tuple(arm.means.tolist()), arm.name == run.plan.reference)
            for arm in run.arms
            if arm.winners
        ]
        title, of = "Winners of each arm", f"mean test {unit.name} of a repeat's winner"
    else:
        boxes = [Box(_named(c), c.test_by_seed, c.baseline) for c in run.summary.confirmed]
        title, of = "Confirmed candidates, seed by seed", f"test {unit.name} of a seed"
    if not boxes:
        return None
    return Section("boxes", title, figures=(("", box_plots(boxes, unit, of)),))


def _named(c: Confirmed) -> str:
    return f"{c.candidate}: {shortened(c.label, 48)}{' (baseline)' if c.baseline else ''}"


def _best_so_far(run: RunData, unit: Unit) -> Section | None:
    curves = best_so_far(run.rows, run.maximize)
    if not curves:
        return None
    order = list(run.plan.arms)
    curves = sorted(curves, key=lambda curve: order.index(curve.arm))
    return Section(
        "best",
        "Best so far against budget",
        figures=(("", best_so_far_figure(curves, unit, run.plan.reference)),),
    )


def _chosen(run: RunData) -> list[_Shown]:
    """Of each arm the winner that validates best; of a search its best confirmed candidates."""
    sign = sign_of(run.plan.task.direction)
    return [
        _Shown(arm.name, max(arm.winners.values(), key=lambda w: sign * w.validation))
        for arm in _all_winners(run)
        if arm.winners
    ]


def _all_winners(run: RunData) -> list["_Series"]:
    if run.arms:
        return [_Series(arm.name, dict(arm.winners)) for arm in run.arms]
    fresh = run.rows[run.rows["phase"].isin(FRESH)]
    reduced = {c.number: c for c in candidates(fresh.to_dict("records")).found}
    return [
        _Series(_named(c), {i: winner_of(reduced[c.candidate])}) for i, c in enumerate(run.summary.confirmed)
    ]


@dataclass(frozen=True)
class _Series:
    name: str
    winners: dict[int, Winner]


def _curves(run: RunData, unit: Unit) -> Section | None:
    figures = []
    for i, chosen in enumerate(_chosen(run)[:MOST_WINNERS]):
        genome = loads(chosen.winner.genome)
        curves = activation_curves(genome, run.tensors(chosen.winner.artifact))
        title = f"{chosen.series if run.arms else chosen.winner.candidate}: {genome.label}"
        figure = curves_figure(curves[:MOST_CURVES], f"curves{i}", f"Activations of {chosen.series}")
        if len(curves) > MOST_CURVES:
            more = f"{len(curves) - MOST_CURVES} more types are not drawn"
            figure = Figure(figure.svg, "; ".join(filter(None, (figure.note, more))))
        figures.append((title, figure))
    if not figures:
        return None
    text = (
        f"Output against pre-activation from {LOW:g} to {HIGH:g}, by layer and type, with the number of neurons, after "
        "training on the first fresh seed; the vertical axes differ."
    )
    return Section("curves", "Activation curves of the winners", (text,), figures=tuple(figures))


def _types(run: RunData, unit: Unit) -> Section | None:
    """Of searches that choose what to propose; an enumeration proposes what it was given."""
    moving = run.rows[run.rows["strategy"] != Enumerate.name]
    found = proposed_types(moving) if len(moving) else []
    if not found:
        return None
    order = list(run.plan.arms)
    found = sorted(found, key=lambda types: order.index(types.arm))
    return Section("types", "How the searches moved", figures=(("", types_figure(found)),))


def _points(run: RunData, x: Callable[[Winner], float | None]) -> list[Point]:
    found = []
    for series in _all_winners(run):
        for winner in series.winners.values():
            value = x(winner)
            if value is not None:
                what = f"{series.name}, repeat {winner.repeat}" if run.arms else series.name
                title = f"{what}: {unit_of(run.metric).value(winner.mean)}"
                found.append(Point(series.name, value, winner.mean, title))
    return found


def _participation(run: RunData, unit: Unit) -> Section | None:
    points = _points(run, lambda winner: winner.participation_ratio)
    title = "Test metric against participation ratio"
    if not points:
        if not _all_winners(run):
            return None
        text = "Participation ratios were not measured in this run, so there is nothing to draw."
        return Section("participation", title, (text,))
    text = "The participation ratio says over how many directions a network's hidden activity spreads."
    return Section(
        "participation",
        title,
        (text,),
        figures=(("", scatter(points, unit, "participation ratio", "pr", reference=run.plan.reference)),),
    )


def _step_time(run: RunData, unit: Unit) -> Section | None:
    points = _points(run, lambda winner: None if winner.step_seconds is None else 1000 * winner.step_seconds)
    if not points:
        return None
    figure = scatter(
        points,
        unit,
        "step time alone (ms)",
        "time",
        reference=run.plan.reference,
        log=True,
        front=True,
        maximize=run.maximize,
    )
    text = (
        "Median wall time of an optimizer step of each winner trained alone. The line is the Pareto front: winners "
        "that none beats in both. Times measured on a busy machine are noisy."
    )
    return Section("time", "Test metric against step time", (text,), figures=(("", figure),))


def _lineage(run: RunData, unit: Unit) -> Section | None:
    """Of the winner that validates best among those with ancestors."""
    sign = sign_of(run.plan.task.direction)
    best: list[Ancestor] = []
    series = ""
    for chosen in sorted(_chosen(run), key=lambda shown: -sign * shown.winner.validation):
        winner = chosen.winner
        own = run.rows[(run.rows["arm"] == winner.arm) & (run.rows["repeat"] == winner.repeat)]
        best, series = lineage(own, winner.candidate), chosen.series
        if len(best) > 1:
            break
    if len(best) < 2 or sum(a.validation is not None for a in best) < 2:
        return None
    rows = tuple(
        (
            str(a.candidate),
            str(a.generation),
            a.label,
            f"{a.learning_rate:.4g}",
            unit.value(a.validation),
            ", ".join(map(str, a.parents)) or NOTHING,
        )
        for a in best
    )
    headers = ("candidate", "generation", "activations", "learning rate", "validation", "parents")
    table = TextTable(
        "The winner, then its parents, theirs, and so on",
        headers,
        rows,
        frozenset(("activations", "parents")),
    )
    text = f"Of {series}: the winner is the diamond; lines lead from parents to children."
    return Section("lineage", "Lineage of the winner", (text,), (table,), (("", lineage_figure(best, unit)),))


def _cost(run: RunData, unit: Unit) -> Section | None:
    if not run.arms:
        return None
    amortised = ", ".join(sorted(run.plan.amortised))
    text = (
        (f"Meta-training amortised, that is, on top of the budget of the others: {amortised}.",)
        if amortised
        else ()
    )
    return Section("cost", "What it cost", text, (cost_table(run),))


def _leaderboard(run: RunData, unit: Unit) -> Section | None:
    if not len(run.shown):
        return None
    columns = ["rank"]
    columns += [name for name in ("arm", "repeat") if run.arms]
    columns += ["candidate", "label", "val_mean", "seeds"]
    columns += [n for n in ("test_mean", "test_large_mean") if run.shown[n].notna().any()]
    columns += ["learning_rate", "phase"]
    named = {
        "label": "activations",
        "val_mean": "validation",
        "test_mean": "test",
        "test_large_mean": "test (large)",
        "learning_rate": "learning rate",
    }
    metrics = {"val_mean", "test_mean", "test_large_mean"}
    rows = tuple(
        tuple(unit.value(v) if n in metrics else _cell(v) for n, v in zip(columns, values, strict=True))
        for values in run.shown[columns].itertuples(index=False, name=None)
    )
    total = run.rows.drop_duplicates(["arm", "repeat", "candidate"]).shape[0]
    caption = f"The best {len(rows):,} of {total:,} candidates, confirmed ones first; "
    caption += f"evoact leaderboard RUN_DIR --top {total} shows all"
    table = TextTable(
        caption, tuple(named.get(n, n) for n in columns), rows, frozenset(("arm", "activations", "phase"))
    )
    return Section("leaderboard", "Leaderboard", sortable=table)


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return NOTHING
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _provenance(run: RunData, unit: Unit) -> Section:
    return provenance_section(run)


def provenance_section(run: RunData) -> Section:
    """Return what was run, on what, with which seeds, and how to run it again."""
    table, commands = provenance(run)
    code = (("To run it again", commands), ("The whole config", run.plan.to_yaml()))
    return Section("provenance", "What was run", tables=(table,), code=code)
