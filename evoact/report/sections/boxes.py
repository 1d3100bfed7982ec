"""The test metrics of winners, repeat by repeat or seed by seed, as box plots."""

from evoact.report.figures.boxes import Box, box_plots
from evoact.report.number_format import Unit
from evoact.report.run import RunData
from evoact.report.sections.section import Section
from evoact.report.sections.series import named


def section(run: RunData, unit: Unit) -> Section | None:
    if run.arms:
        boxes = [
            Box(arm.name, tuple(arm.means.tolist()), arm.name == run.plan.reference)
            for arm in run.arms
            if arm.winners
        ]
        title, of = "Winners of each arm", f"mean test {unit.name} of a repeat's winner"
    else:
        boxes = [Box(named(c), c.test_by_seed, c.baseline) for c in run.summary.confirmed]
        title, of = "Confirmed candidates, seed by seed", f"test {unit.name} of a seed"
    if not boxes:
        return None
    return Section("boxes", title, figures=(("", box_plots(boxes, unit, of)),))
