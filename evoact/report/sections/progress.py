"""The course of each search: best, median and failures."""

from evoact.analysis.progress import progress
from evoact.report.figures.progress import progress_figure
from evoact.report.number_format import Unit
from evoact.report.run import RunData
from evoact.report.sections.section import Section


def section(run: RunData, unit: Unit) -> Section | None:
    curves = progress(run.rows, run.maximize)
    if not curves:
        return None
    order = list(run.plan.arms)
    curves = sorted(curves, key=lambda curve: order.index(curve.arm))
    return Section(
        "progress",
        "Best, median and failures over the budget",
        figures=(("", progress_figure(curves, unit, run.plan.reference)),),
    )
