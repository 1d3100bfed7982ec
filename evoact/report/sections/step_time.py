"""The test metric against what an optimizer step takes."""

from evoact.report.figures.scatter import scatter
from evoact.report.number_format import Unit
from evoact.report.run import RunData
from evoact.report.sections.section import Section
from evoact.report.sections.series import points_of, references


def section(run: RunData, unit: Unit) -> Section | None:
    points = points_of(
        run, lambda winner: None if winner.step_seconds is None else 1000 * winner.step_seconds
    )
    if not points:
        return None
    figure = scatter(
        points,
        unit,
        "step time alone (ms)",
        "time",
        grey=references(run),
        log=True,
        front=True,
        maximize=run.maximize,
    )
    text = (
        "Median wall time of an optimizer step of each winner trained alone. The line is the Pareto front: winners "
        "that none beats in both. Times measured on a busy machine are noisy."
    )
    return Section("time", "Test metric against step time", (text,), figures=(("", figure),))
