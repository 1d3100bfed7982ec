"""How the best candidate improved with the budget."""

from evoact.analysis.best_so_far import best_so_far
from evoact.report.figures import best_so_far_figure
from evoact.report.number_format import Unit
from evoact.report.run import RunData
from evoact.report.sections.section import Section


def section(run: RunData, unit: Unit) -> Section | None:
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
