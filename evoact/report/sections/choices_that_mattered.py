"""The section on which choices of a search mattered, and by how much."""

from evoact.analysis.importance import RATE, Choice, Importance, importance, is_setting
from evoact.errors import counted
from evoact.report.figures.bars import bars as bars_figure
from evoact.report.figures.figure import Figure
from evoact.report.number_format import Unit
from evoact.report.run import RunData
from evoact.report.sections.section import Section
from evoact.report.text_table import TextTable

MOST_BARS = 8

_METHOD = (
    "Importance is a choice's share in what distinguishes the best tenth of the candidates, by mean validation, "
    "from all of them (as in PED-ANOVA, Watanabe et al. 2023, less what is expected by chance). Only choices that do "
    "so beyond chance are shown: tenths drawn at random differ as much in less than 5 % of draws, with Holm's "
    "correction for the number of choices."
)
_MEANING = (
    "It shows what accompanied success among the candidates that the search proposed, not what caused it: searches "
    "propose more of what they estimate to be good, and the functions of a layer share its neurons, so more of one is "
    "less of others. A choice that does not stand out may still matter."
)


def section(run: RunData, unit: Unit) -> Section | None:
    """Return the section for each arm whose search has enough candidates; None if none has."""
    found: dict[str, Importance] = {}
    for arm, rows in run.rows[run.rows["phase"] == "search"].groupby("arm", sort=False):
        own = importance(rows)
        if own is not None:
            found[str(arm)] = own
    if not found:
        return None
    arms = [(arm, found[arm]) for arm in run.plan.arms if arm in found]
    silent = [
        f"{f'{arm}: none' if arm else 'None'} of {counted(own.choices, 'choice')} among "
        f"{counted(own.candidates, 'candidate')} stands out beyond chance."
        for arm, own in arms
        if not own.mattered
    ]
    shown = [(arm, own) for arm, own in arms if own.mattered]
    return Section(
        "mattered",
        "Which choices mattered",
        (_METHOD, _MEANING, *silent) if shown else tuple(silent),
        (_table(shown, bool(run.arms)),) if shown else (),
        tuple((arm, _figure(arm, own, i)) for i, (arm, own) in enumerate(shown)),
    )


def _figure(arm: str, own: Importance, number: int) -> Figure:
    bars = [(choice.name, choice.importance) for choice in own.mattered[:MOST_BARS]]
    title = f"Importance of choices{f' in {arm}' if arm else ''}"
    made = bars_figure(bars, title, "importance", f"mattered{number}")
    left = len(own.mattered) - len(bars)
    more = f"; {left} more in the table" if left else ""
    note = f"{len(own.mattered)} of {counted(own.choices, 'choice')} stand out among {own.candidates} candidates{more}."
    return Figure(made.svg, note)


def _table(shown: list[tuple[str, Importance]], by_arm: bool) -> TextTable:
    headers = (*(("arm",) if by_arm else ()), "choice", "importance", "best tenth", "all candidates")
    rows = tuple(
        (*((arm,) if by_arm else ()), choice.name, f"{100 * choice.importance:.0f} %", *_means(choice))
        for arm, own in shown
        for choice in own.mattered
    )
    caption = (
        "Mean choices: the share of a layer's neurons, the number of types in it, a setting, or the "
        "learning rate (geometric mean); if they agree, the spread of the choices differs"
    )
    return TextTable(caption, headers, rows, frozenset(("arm", "choice")))


def _means(choice: Choice) -> tuple[str, str]:
    if choice.is_share:
        return f"{100 * choice.best:.0f} %", f"{100 * choice.all:.0f} %"
    digits = ".2g" if choice.name == RATE or is_setting(choice.name) else ".1f"
    return f"{choice.best:{digits}}", f"{choice.all:{digits}}"
