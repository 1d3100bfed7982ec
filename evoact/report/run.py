"""A run directory read for its report: what was asked for, what it was run on, and its rows."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from evoact.analysis.comparison import Findings, findings
from evoact.analysis.proposed_types import ProposedTypes, proposed_types
from evoact.analysis.search_summary import Summary, summarise
from evoact.analysis.winners import COLUMNS, ArmResult, arm_results
from evoact.config import Plan
from evoact.config.stored_plan import plan_of
from evoact.errors import UserError
from evoact.leaderboard.ask.query import Leaderboard
from evoact.leaderboard.location import Location
from evoact.leaderboard.run_files import record_of, trivial_of
from evoact.leaderboard.schema import result as from_row
from evoact.leaderboard.store.seal import Broken
from evoact.leaderboard.store.tensors import first, unpacked
from evoact.records import FRESH, META_TRAIN, Result
from evoact.strategies.proposers.enumerate import Enumerate

MOST_EXAMPLES = 2**53  # in a batch: what floats count exactly
SHOWN = 10_000
EXAMPLES = "examples."  # tensors of an artifact that hold test scores by example
_ALSO = (
    "rung",
    "steps_run",
    "generation",
    "parents",
    "learning_rate",
    "heterogeneous",
    "structure",
    "told",
    "finished_at",
)


@dataclass(frozen=True)
class RunData:
    """`rows` are all of the leaderboard's, `shown` those of its ranking, `confirmed` the results of confirmations
    and baselines; `problems` are sentences about parts that could not be read."""

    home: Location
    plan: Plan
    record: Mapping[str, Any]
    rows: pd.DataFrame
    shown: pd.DataFrame
    confirmed: tuple[Result, ...]
    problems: tuple[str, ...]

    @property
    def metric(self) -> str:
        return str(self.rows["metric"].iloc[0]) if len(self.rows) else self.plan.task.metric

    @property
    def maximize(self) -> bool:
        return self.plan.task.direction == "maximize"

    @cached_property
    def summary(self) -> Summary:
        """The findings of a search, counts of all its rows included."""
        rows = self.rows
        searched = rows[rows["phase"] == "search"].drop_duplicates("structure")
        return replace(
            summarise(self.confirmed, self.plan.config.confirm.judge, trivial_of(self.record)),
            networks=int((rows["kind"] != META_TRAIN).sum()),
            meta_trainings=int((rows["kind"] == META_TRAIN).sum()),
            structures=len(searched),
            heterogeneous=int(searched["heterogeneous"].sum()),
        )

    @cached_property
    def curves(self) -> pd.DataFrame:
        """The points of learning curves, a row for each network and step; none if none were taken."""
        return Leaderboard(self.home, report=lambda problem: None).curves().to_pandas()

    @cached_property
    def arms(self) -> list[ArmResult]:
        """The arms of a comparison, with their winners; none of a search."""
        if not self.plan.compares:
            return []
        plan = self.plan
        judge = plan.config.confirm.judge
        return arm_results(self.rows, tuple(plan.arms), plan.repeats, self.example_scores, judged=judge > 0)

    @cached_property
    def findings(self) -> Findings:
        """The findings of a comparison.

        Raises:
            UserError: for a search, or if the reference arm has no winner.
        """
        plan = self.plan
        if not plan.compares:
            raise UserError(
                f"expected the run directory of a comparison, got that of a search: {self.home.text}"
            )
        return findings(
            self.arms,
            reference=plan.reference,
            metric=self.metric,
            direction=plan.task.direction,
            scaled=plan.scaled,
            groups=plan.groups,
            controls=plan.controls,
            equivalence=plan.equivalence,
        )

    @cached_property
    def moves(self) -> list[ProposedTypes]:
        """What searches proposed, in the order of the arms; an enumeration proposes what it was given."""
        moving = self.rows[self.rows["strategy"] != Enumerate.name]
        order = list(self.plan.arms)
        found = proposed_types(moving) if len(moving) else []
        return sorted(found, key=lambda types: order.index(types.arm))

    def tensors(self, artifact: str) -> dict[str, np.ndarray]:
        """Return what a network learned, by name; nothing if the artifact is not there.

        Raises:
            UserError: if it is damaged.
        """
        file = self.home.child(artifact)
        if not artifact or not file.exists():
            return {}
        with _readable(file):
            return unpacked(file.read())

    def example_scores(self, artifact: str) -> np.ndarray | None:
        """Return a confirmed network's score on each test example; None if the artifact is not there.

        Raises:
            UserError: if it is damaged.
        """
        local = self.home.child(artifact).local
        if local is None:
            return next((a for name, a in self.tensors(artifact).items() if name.startswith(EXAMPLES)), None)
        if not local.is_file():
            return None
        with _readable(self.home.child(artifact)):
            return first(local, EXAMPLES)


def read_run(run_dir: str | Path | Location, shown: int = SHOWN) -> RunData:
    """Read a run, finished or not.

    Args:
        run_dir: a run directory, or the URI of one
        shown: how many candidates of the ranking are shown

    Raises:
        UserError: if it is not a run, or none of its rows can be read.
    """
    problems: list[str] = []
    home = Location.of(run_dir)
    plan, record = plan_of(home, data=False), record_of(home)
    board = Leaderboard(home, report=problems.append)
    board.check_curves()
    table = board.to_arrow()
    rows = table.select([*COLUMNS, *_ALSO]).to_pandas()
    # Rows from before the column was there; as floats, because a batch may be as large as somebody wrote.
    rows["gradient_examples"] = rows["gradient_examples"].fillna(
        rows["steps_run"].astype(float) * min(plan.config.training.batch_size, MOST_EXAMPLES)
    )
    top = board.top(shown).to_pandas() if len(rows) else pd.DataFrame()
    confirmed = _confirmed(rows) if not plan.compares else []
    results = tuple(from_row(row) for row in table.take(confirmed).to_pylist()) if confirmed else ()
    return RunData(home, plan, record, rows, top, results, (*_lost(record, len(rows)), *problems))


def _lost(record: Mapping[str, Any], rows: int) -> list[str]:
    """A sentence about lost rows of a finished run, if there are any."""
    trained = record.get("networks")
    if not record["finished_at"] or trained is None or rows >= trained:
        return []
    return [
        f"expected the {trained:,} rows of this run, got {rows:,}, so all figures may be wrong; restore the files "
        "of its leaderboard from a copy, or run it again in a new directory"
    ]


@contextmanager
def _readable(artifact: Location) -> Iterator[None]:
    try:
        yield
    except Broken as error:
        raise UserError(
            f"expected a readable file of a network's learned parameters, got {artifact.text!r} ({error}); restore it, "
            "or delete it to report without it"
        ) from None


def _confirmed(rows: pd.DataFrame) -> list[int]:
    """The positions of the rows of confirmations and baselines, and the first of the search of each confirmed
    candidate, which tells that the search proposed it."""
    confirmed = rows["phase"].isin(FRESH)
    of_search = rows[(rows["phase"] == "search") & rows["candidate"].isin(rows["candidate"][confirmed])]
    first = set(of_search.drop_duplicates("candidate").index)
    return sorted({*rows.index[confirmed | (rows["phase"] == "baseline")], *first})
