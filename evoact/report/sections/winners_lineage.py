"""The ancestors of the best confirmed candidate that has any."""

from evoact.analysis.candidates import sign_of
from evoact.analysis.lineage import Ancestor, lineage
from evoact.analysis.winners import Winner
from evoact.report.figures.lineage import lineage_figure
from evoact.report.number_format import NOTHING, Unit
from evoact.report.run import RunData
from evoact.report.sections.section import Section
from evoact.report.sections.series import best_of_each
from evoact.report.text_table import TextTable


def section(run: RunData, unit: Unit) -> Section | None:
    """Return the section on the ancestors of the winner that validates best among those with any."""
    sign = sign_of(run.plan.task.direction)
    ranked = sorted(best_of_each(run), key=lambda each: -sign * each[1].validation)
    ancestries = ((series, _ancestry(run, winner)) for series, winner in ranked)
    series, best = next((found for found in ancestries if len(found[1]) > 1), ("", []))
    if sum(a.validation is not None for a in best) < 2:
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
        "The candidate, then its parents, theirs, and so on",
        headers,
        rows,
        frozenset(("activations", "parents")),
    )
    # It need not be the winner: that may be a baseline, which nobody proposed.
    text = f"Of {series}, the best that has parents: it is the diamond; lines lead from parents to children."
    return Section("lineage", "Lineage", (text,), (table,), (("", lineage_figure(best, unit)),))


def _ancestry(run: RunData, winner: Winner) -> list[Ancestor]:
    own = run.rows[(run.rows["arm"] == winner.arm) & (run.rows["repeat"] == winner.repeat)]
    return lineage(own, winner.candidate)
