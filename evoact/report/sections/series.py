"""The winners of a run by the series that figures show them in: arms, or confirmed candidates."""

from collections.abc import Callable, Mapping

from evoact.analysis.candidates import candidates, sign_of
from evoact.analysis.search_summary import Confirmed
from evoact.analysis.winners import Winner, winner_of
from evoact.records import FRESH
from evoact.report.figures import Point, shortened
from evoact.report.number_format import unit_of
from evoact.report.run import RunData


def all_winners(run: RunData) -> list[tuple[str, Mapping[int, Winner]]]:
    """Return each arm with its winners by repeat; of a search each confirmed candidate alone, as its own series."""
    if run.arms:
        return [(arm.name, arm.winners) for arm in run.arms]
    fresh = run.rows[run.rows["phase"].isin(FRESH)]
    reduced = {c.number: c for c in candidates(fresh.to_dict("records")).found}
    return [(named(c), {i: winner_of(reduced[c.candidate])}) for i, c in enumerate(run.summary.confirmed)]


def best_of_each(run: RunData) -> list[tuple[str, Winner]]:
    """Return of each series the winner that validates best."""
    sign = sign_of(run.plan.task.direction)
    return [
        (name, max(winners.values(), key=lambda w: sign * w.validation))
        for name, winners in all_winners(run)
        if winners
    ]


def points_of(run: RunData, x: Callable[[Winner], float | None]) -> list[Point]:
    """Return the mean test metric of every winner against a property that it has."""
    found = []
    for name, winners in all_winners(run):
        for winner in winners.values():
            value = x(winner)
            if value is not None:
                what = f"{name}, repeat {winner.repeat}" if run.arms else name
                title = f"{what}: {unit_of(run.metric).value(winner.mean)}"
                found.append(Point(name, value, winner.mean, title))
    return found


def named(c: Confirmed) -> str:
    """Return what figures call a confirmed candidate."""
    return f"{c.candidate}: {shortened(c.label, 48)}{' (baseline)' if c.baseline else ''}"
