"""The test metric against how many directions the hidden activity spreads over."""

from evoact.report.figures.scatter import scatter
from evoact.report.number_format import Unit
from evoact.report.run import RunData
from evoact.report.sections.section import Section
from evoact.report.sections.series import all_winners, points_of, references


def section(run: RunData, unit: Unit) -> Section | None:
    points = points_of(run, lambda winner: winner.participation_ratio)
    title = "Test metric against participation ratio"
    if not points:
        if not all_winners(run):
            return None
        text = "Participation ratios were not measured in this run, so there is nothing to draw."
        return Section("participation", title, (text,))
    text = "The participation ratio says over how many directions a network's hidden activity spreads."
    return Section(
        "participation",
        title,
        (text,),
        figures=(("", scatter(points, unit, "participation ratio", "pr", grey=references(run))),),
    )
