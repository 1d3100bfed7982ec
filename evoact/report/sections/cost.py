"""The section on what each arm of a comparison cost."""

from evoact.report.comparison_text import cost_table
from evoact.report.number_format import Unit
from evoact.report.run import RunData
from evoact.report.sections.section import Section


def section(run: RunData, unit: Unit) -> Section | None:
    if not run.arms:
        return None
    amortised = ", ".join(sorted(run.plan.amortised))
    text = (
        (f"Meta-training amortised, that is, on top of the budget of the others: {amortised}.",)
        if amortised
        else ()
    )
    return Section("cost", "What it cost", text, (cost_table(run),))
