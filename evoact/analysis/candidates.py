"""The one reduction of rows to candidates: how good each is, and on which seeds that may be read.

The seeds of the confirmation choose: candidates are ordered by their mean validation metric over them, and those
that failed on any are excluded, because means over different seeds do not compare. A seed that is lucky in validation
is lucky in test (correlation 0.80 over the 58,140 networks of `benchmarks/tables/mnist1d_smooth.parquet`), so that the
test metrics of the winning networks themselves are too good. The chosen candidates are therefore judged on further
seeds, which took no part in the choice. A run without them (`confirm.judge: 0`, or older than that key) has the figures
of the choice alone.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np

from evoact.records import COMPLETED, FRESH, TrainResult
from evoact.strategies.shrinkage import posterior

# Under its column's name in the leaderboard, what is known of one trained network.
Row = Mapping[str, Any]
# What of a row the reduction itself reads.
READ = (
    *("candidate", "seed", "phase", "state", "direction"),
    *("val_metric", "test_metric", "test_large_metric"),
)
TEST, LARGE = "test_metric", "test_large_metric"
SPLITS = {TEST: "test split", LARGE: "larger test split"}
DRAWS = 5_000  # of the posterior; two standard errors of a probability are below 0.015


@dataclass(frozen=True)
class Measured:
    """A candidate's completed networks of one phase, by seed; `failed` counts the others. `test` is read on `split`,
    the larger test split if the task has one."""

    rows: tuple[Row, ...]
    failed: int
    split: str = TEST

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(int(row["seed"]) for row in self.rows)

    @property
    def validation(self) -> np.ndarray:
        return self.values("val_metric")

    @property
    def test(self) -> np.ndarray:
        return self.values(self.split)

    def values(self, column: str) -> np.ndarray:
        """Return a number of each seed, NaN if it is not known."""
        return np.array([row[column] for row in self.rows], dtype=float)

    def known_mean(self, column: str) -> float | None:
        """Return the mean of what is known in a column, None if nothing is."""
        values = self.values(column)
        values = values[np.isfinite(values)]
        return float(values.mean()) if len(values) else None


@dataclass(frozen=True)
class Candidate:
    """A confirmed candidate: on the seeds that choose, and, if it was judged, on those that judge."""

    number: int
    chosen_on: Measured
    judged_on: Measured | None

    @property
    def validation(self) -> float:
        """The mean by which candidates are chosen."""
        return float(self.chosen_on.validation.mean())

    @property
    def measured(self) -> Measured:
        """The seeds from which its figures are read."""
        return self.judged_on or self.chosen_on


@dataclass(frozen=True)
class Candidates:
    """The best first; `excluded` counts those that failed on a seed of the choice."""

    found: tuple[Candidate, ...]
    excluded: int
    direction: str
    split: str


def sign_of(direction: str) -> int:
    """Return 1 for metrics of which more is better, -1 for the others."""
    return 1 if direction == "maximize" else -1


def candidates(rows: Iterable[Row], whole: bool = True) -> Candidates:
    """Return the confirmed candidates of one search, the best mean validation first, then the lower number.

    Args:
        rows: of one search, with `READ`; those of other phases are ignored
        whole: leave out candidates that failed on a seed of the choice

    >>> row = {"phase": "confirm", "state": "completed", "direction": "minimize", "test_large_metric": None}
    >>> made = [row | {"candidate": c, "seed": 1000 + s, "val_metric": v, "test_metric": v}
    ...         for c, s, v in [(3, 0, 0.5), (3, 1, 0.7), (4, 0, 0.4), (4, 1, 0.6)]]
    >>> [(c.number, c.validation, c.measured.test.tolist()) for c in candidates(made).found]
    [(4, 0.5, [0.4, 0.6]), (3, 0.6, [0.5, 0.7])]
    """
    own = sorted((r for r in rows if r["phase"] in FRESH), key=lambda r: (r["candidate"], r["seed"]))
    done = [row for row in own if row["state"] == COMPLETED]
    split = (
        LARGE if done and all(row[LARGE] is not None and math.isfinite(row[LARGE]) for row in done) else TEST
    )
    direction = str(own[0]["direction"]) if own else ""
    groups: dict[tuple[int, str], list[Row]] = {}
    for row in own:
        groups.setdefault((int(row["candidate"]), row["phase"]), []).append(row)
    tried = [number for number, phase in groups if phase == "confirm"]
    seeds = {row["seed"] for row in own if row["phase"] == "confirm"}
    found = []
    for number in tried:
        chosen_on = _measured(groups[number, "confirm"], split)
        if len(chosen_on.rows) < (len(seeds) if whole else 1):
            continue
        judged = groups.get((number, "judge"))
        found.append(Candidate(number, chosen_on, _measured(judged, split) if judged else None))
    found.sort(key=lambda c: (-sign_of(direction) * c.validation, c.number))
    return Candidates(tuple(found), len(tried) - len(found), direction, split)


class _Judged(Protocol):
    @property
    def judged_on(self) -> object | None: ...


C = TypeVar("C", bound=_Judged)


def chosen(ordered: Sequence[C]) -> C | None:
    """Return the chosen one of these, the best first: the one that was judged, because stored rows decide, else the
    first.
    """
    return next((c for c in ordered if c.judged_on is not None), ordered[0] if ordered else None)


def row_of(result: TrainResult) -> Row:
    """Return what the reduction reads of a result."""
    p = result.proposal
    read = (p.candidate, p.seed, p.phase, result.state, result.direction)
    return dict(
        zip(READ, (*read, result.val_metric, result.test_metric, result.test_large_metric), strict=True)
    )


def _measured(rows: Sequence[Row], split: str) -> Measured:
    done = tuple(row for row in rows if row["state"] == COMPLETED)
    return Measured(done, len(rows) - len(done), split)


@dataclass(frozen=True)
class Doubt:
    """The probability that another of `among` candidates is truly better than the chosen one, and by how much the best
    is expected to be better, in units of the metric.
    """

    probability: float
    regret: float
    among: int


def doubt(found: Sequence[Candidate], direction: str) -> Doubt | None:
    """Return how sure the choice of the first of these is; None if nothing was chosen or there are too few seeds.

    From draws of the empirical-Bayes posterior of the true validation scores (`strategies.shrinkage`; Efron & Morris
    1975): the share in which another is the best is one minus the probability of correct selection (Bechhofer 1954).
    """
    if len(found) < 2 or any(len(c.chosen_on.rows) < 2 for c in found):
        return None
    scores = [sign_of(direction) * c.chosen_on.validation for c in found]
    means, counts = np.array([s.mean() for s in scores]), np.array([len(s) for s in scores])
    known = posterior(means, counts, np.array([((s - s.mean()) ** 2).sum() for s in scores]))
    normal = np.random.default_rng(0).standard_normal((DRAWS, len(found)))
    drawn = known.mean + known.deviation * normal
    lost = drawn.max(axis=1) - drawn[:, 0]
    return Doubt(float((lost > 0).mean()), float(lost.mean()), len(found))
