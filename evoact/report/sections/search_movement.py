"""The section on what searches proposed, generation by generation."""

from evoact.analysis.proposed_types import proposed_types
from evoact.report.figures import types_figure
from evoact.report.number_format import Unit
from evoact.report.run import RunData
from evoact.report.sections.section import Section
from evoact.strategies.proposers.enumerate import Enumerate


def section(run: RunData, unit: Unit) -> Section | None:
    """Return the section for searches that choose what to propose; an enumeration proposes what it was given."""
    moving = run.rows[run.rows["strategy"] != Enumerate.name]
    found = proposed_types(moving) if len(moving) else []
    if not found:
        return None
    order = list(run.plan.arms)
    found = sorted(found, key=lambda types: order.index(types.arm))
    return Section("types", "How the searches moved", figures=(("", types_figure(found)),))
