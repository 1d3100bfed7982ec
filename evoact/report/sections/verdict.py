"""The section with the verdict in words, and the table behind it."""

import re

from evoact.analysis.candidates import SPLITS
from evoact.analysis.search_summary import Summary
from evoact.errors import counted, times
from evoact.report.comparison_text import arm_table, between_tables, verdict_sentences
from evoact.report.number_format import NOTHING, Unit, unit_of
from evoact.report.run import RunData
from evoact.report.search_text import shown, verdict
from evoact.report.sections.gains import gains_figure
from evoact.report.sections.section import Section
from evoact.report.text_table import TextTable


def section(run: RunData, unit: Unit) -> Section:
    """Return the verdict, in its title in the fewest words, beside a figure of all gains."""
    unfinished = (
        () if run.record["finished_at"] else ("This run has not finished: all below is preliminary.",)
    )
    if run.plan.compares:
        said = (*verdict_sentences(run), _estimand(run))
        tables = (arm_table(run), *between_tables(run))
    else:
        pending = unfinished and run.summary.winner is None
        found = "None yet: no candidate has been confirmed." if pending else verdict(run.summary)
        said = (*found.split("\n"), _tried(run.summary))
        tables = (_confirmed_table(run),) if run.summary.confirmed else ()
    headline, *rest = said
    short, lead = _headline(headline)
    paragraphs = (*run.problems, *unfinished, *filter(None, (lead, *rest)))
    figure = gains_figure(run, unit)
    figures = (("", figure),) if figure is not None else ()
    short = {"no verdict": "none", "no verdict yet": "none yet"}.get(short, short)
    return Section("verdict", f"Verdict: {short}", paragraphs, tables, figures)


def _headline(sentence: str) -> tuple[str, str]:
    """The verdict in the fewest words, and what else the sentence says.

    >>> _headline("No verdict: the winner, 3, reaches 90 %."), _headline("2 arms are better, a (+1.2). One equal: b.")
    (('no verdict', 'The winner, 3, reaches 90 %.'), ('2 arms are better, a (+1.2)', 'One equal: b.'))
    """
    found = re.match(r"(.*?)(?:: |\. |\.$)(.*)", sentence)
    short, rest = found.groups() if found else (sentence, "")
    return short[0].lower() + short[1:], rest[:1].upper() + rest[1:]


def _tried(summary: Summary) -> str:
    return (
        f"{counted(summary.networks, 'network')} trained; the search tried "
        f"{counted(summary.structures, 'distinct structure')}, {summary.heterogeneous} of them heterogeneous."
    )


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
        f"Each arm's search was run {times(plan.repeats)} at equal budget; {confirmed}, and {judged}. "
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
