"""The winners of a run by the series that figures show them in: arms, or confirmed candidates."""

import math
from collections.abc import Callable, Mapping

from evoact.analysis.candidates import candidates, sign_of
from evoact.analysis.proposed_types import OTHER
from evoact.analysis.search_summary import Confirmed
from evoact.analysis.winners import Winner, winner_of
from evoact.genomes.activation import group_label, is_absent
from evoact.genomes.genome import loads
from evoact.records import FRESH
from evoact.report.figures.figure import function_colours, shortened
from evoact.report.figures.scatter import Point
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
    """Return the mean test metric of every winner, if it is a number, against a property that it has."""
    found = []
    for name, winners in all_winners(run):
        for winner in winners.values():
            value = x(winner)
            if value is not None and math.isfinite(winner.mean):
                what = f"{name}, repeat {winner.repeat}" if run.arms else name
                title = f"{what}: {unit_of(run.metric).value(winner.mean)}"
                found.append(Point(name, value, winner.mean, title))
    return found


def references(run: RunData) -> frozenset[str]:
    """Return the series that others are compared with: the reference arm, of a search the baselines."""
    if run.arms:
        return frozenset((run.plan.reference,))
    return frozenset(named(c) for c in run.summary.confirmed if c.baseline)


def colours(run: RunData) -> Mapping[str, str]:
    """Return the one colour in this report of each function that searches proposed or winners have."""
    seen: dict[str, float] = {}
    for moved in run.moves:
        for kind, share in zip(moved.kinds, moved.shares.mean(axis=1).tolist(), strict=True):
            seen[kind] = seen.get(kind, 0.0) + share
    for _, winner in best_of_each(run):
        for site in loads(winner.genome).sites:
            for activation, count in zip(site.types, site.counts(), strict=True):
                if not is_absent(activation):
                    kind = group_label(activation)
                    seen[kind] = seen.get(kind, 0.0) + count / len(site.assignment)
    seen.pop(OTHER, None)
    return function_colours(sorted(seen, key=lambda kind: -seen[kind]))


def named(c: Confirmed) -> str:
    """Return what figures call a confirmed candidate."""
    return f"{c.candidate}: {shortened(c.label, 48)}{' (baseline)' if c.baseline else ''}"
