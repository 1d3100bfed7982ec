"""The section on what searches proposed, from their beginning to their end."""

from evoact.report.figures.movement import movement
from evoact.report.number_format import Unit
from evoact.report.run import RunData
from evoact.report.sections.section import Section
from evoact.report.sections.series import colours


def section(run: RunData, unit: Unit) -> Section | None:
    """Return the section for searches that choose what to propose."""
    if not run.moves:
        return None
    return Section("types", "How the searches moved", figures=(("", movement(run.moves, colours(run))),))
