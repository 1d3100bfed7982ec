"""The learning curves of confirmed candidates or arms, if `training.curve_every` stored any."""

from evoact.analysis.learning_curves import LearningCurve, mean_curves
from evoact.report.figures.figure import Figure
from evoact.report.figures.learning import learning_figure
from evoact.report.number_format import Unit
from evoact.report.run import RunData
from evoact.report.sections.section import Section
from evoact.report.sections.series import named

MOST_PANELS = 8


def section(run: RunData, unit: Unit) -> Section | None:
    figure = curves_of(run, unit)
    return None if figure is None else Section("learning", "Learning curves", figures=(("", figure),))


def curves_of(run: RunData, unit: Unit) -> Figure | None:
    """Return the learning curves of the best confirmed candidates, or of the arms; None if there are none."""
    if not len(run.curves):
        return None
    curves: list[tuple[str, LearningCurve]]
    if run.plan.compares:
        known = mean_curves(run.curves, "arm")
        curves = [(arm, known[arm]) for arm in run.plan.arms if arm in known]
        reference = run.plan.reference
    else:
        known = mean_curves(run.curves, "candidate")
        confirmed = run.summary.confirmed
        curves = [(named(c), known[c.candidate]) for c in confirmed if c.candidate in known]
        baseline = run.summary.best_baseline
        reference = named(baseline) if baseline is not None else ""
    if not curves:
        return None
    kept = [pair for i, pair in enumerate(curves) if i < MOST_PANELS or pair[0] == reference]
    return learning_figure(kept, unit, reference)
