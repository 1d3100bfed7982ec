"""The stages of every arm and repeat of a plan in one ask/tell.

Each (arm, repeat) is a search of its own, with its own index space; proposals carry its name. The first of
them that has something to ask is asked first, so that repeats end one after the other and a stopped
comparison holds whole ones.
"""

import dataclasses
from collections.abc import Iterable, Sequence, Set

from evoact.config import Plan
from evoact.errors import UserError, times
from evoact.execution.running.kept import Kept
from evoact.execution.stages import Stages
from evoact.records import Proposal, Result, of_part
from evoact.strategies.proposers.islands import Migration

Part = tuple[str, int]


class Interleaved:
    """Proposals of all arms and repeats; a batch that is asked for is of one of them."""

    def __init__(self, plan: Plan, stored: Iterable[Result] = (), migration: Migration | None = None):
        """
        Args:
            plan: what to do
            stored: the rows of an interrupted run
            migration: between a search and others, if it is an island

        Raises:
            UserError: if a stored row is of no arm and repeat of this comparison.
        """
        rows: dict[Part, list[Result]] = {part: [] for part in plan.parts()}
        for result in stored:
            part = _part(result.proposal)
            if part not in rows:
                raise UserError(
                    f"expected rows of the arms {', '.join(plan.arms)}, each {times(plan.repeats)}, got one of "
                    f"{part[0]!r}, repeat {part[1]}; resume with the configuration of the run"
                )
            rows[part].append(result)
        self._parts = {}
        for part in rows:
            experiment = plan.part(*part)
            minutes = experiment.config.budget.minutes
            seconds = None if minutes is None else minutes * 60 - search_seconds(rows[part])
            self._parts[part] = Stages(experiment, seconds, rows[part], migration)
        self._open = dict(self._parts)

    @property
    def results(self) -> dict[Part, Kept]:
        """All results so far, by arm and repeat."""
        return {part: stages.results for part, stages in self._parts.items()}

    def planned(self, phase: str) -> int:
        """Return how many networks a phase trains at most, over all arms and repeats."""
        return sum(stages.planned(phase) for stages in self._parts.values())

    def expected(self, phase: str) -> int:
        """Return how many trainings a phase will have been, as far as can be told."""
        return sum(stages.expected(phase) for stages in self._parts.values())

    @property
    def phase(self) -> str:
        """The phase of the first arm and repeat that has not finished."""
        return next(iter((self._open or self._parts).values())).phase

    @property
    def finished(self) -> bool:
        for part, stages in list(self._open.items()):
            if not stages.finished:  # those behind it need not be asked, nor begun, for that
                return False
            del self._open[part]
        return True

    def ask(self, n: int) -> list[Proposal]:
        """Return up to n proposals of one arm and repeat; none if results must be told first, or all is done."""
        for (arm, repeat), stages in list(self._open.items()):
            asked = stages.ask(n)
            if asked and (arm or repeat):
                return [dataclasses.replace(p, arm=arm, repeat=repeat) for p in asked]
            if asked:
                return asked
        return []

    def tell(self, results: Sequence[Result]) -> None:
        """Take results of pending proposals, those of one pack."""
        part = _part(results[0].proposal)
        self._parts[part].tell(results)
        if part in self._open and self._parts[part].finished:
            del self._open[part]

    def checkpoints(self) -> Set[str]:
        """Return the names of the checkpoints from which a training may yet continue."""
        return {of_part(name, *part) for part, stages in self._open.items() for name in stages.checkpoints()}


def _part(proposal: Proposal) -> Part:
    return proposal.arm, proposal.repeat


def search_seconds(results: Iterable[Result]) -> float:
    """Return the wall time, in seconds, during which at least one pack of the search stage was in training."""
    return covered({(r.started_at, r.finished_at) for r in results if r.proposal.phase == "search"})


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """Return how much of the time is in one of these spans at least.

    >>> covered([(0.0, 2.0), (5.0, 6.0), (1.0, 3.0)])
    4.0
    """
    total = end = 0.0
    for start, stop in sorted(spans):
        total += max(0.0, stop - max(start, end))
        end = max(end, stop)
    return total
