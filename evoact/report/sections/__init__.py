"""The sections of a report: data (`section`) before it becomes HTML or Markdown, each made by a module of its own.

Each makes its section of a run, or None if it has nothing to say. `series` are the winners that several draw, `gains`
the figure beside the verdict."""

from collections.abc import Callable, Sequence

from evoact.report.number_format import Unit, unit_of
from evoact.report.run import RunData
from evoact.report.sections import (
    boxes,
    choices_that_mattered,
    cost,
    leaderboard,
    learning_curves,
    participation,
    progress,
    provenance,
    search_movement,
    step_time,
    verdict,
    winners_curves,
    winners_lineage,
)
from evoact.report.sections.section import Section

SECTIONS: Sequence[Callable[[RunData, Unit], Section | None]] = (
    verdict.section,
    boxes.section,
    step_time.section,
    progress.section,
    learning_curves.section,
    search_movement.section,
    winners_curves.section,
    choices_that_mattered.section,
    participation.section,
    winners_lineage.section,
    cost.section,
    leaderboard.section,
    provenance.section,
)


def sections(run: RunData) -> list[Section]:
    """Return the sections of a run's report in order, those without anything to say left out."""
    unit = unit_of(run.metric)
    if not len(run.rows):
        said = run.problems or ("Nothing has been trained yet.",)
        return [Section("verdict", "Verdict", said), provenance.section(run, unit)]
    return [section for make in SECTIONS if (section := make(run, unit)) is not None]
