"""Asking the leaderboard: its best candidates, SQL, or all rows, over any number of run directories."""

import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from evoact.errors import UserError
from evoact.genomes import genome as genomes
from evoact.leaderboard.ask import sql
from evoact.leaderboard.ask.arrow_numpy import from_numpy, from_texts
from evoact.leaderboard.ask.prefilter import contenders
from evoact.leaderboard.ask.ranking import COLUMNS, TASK, Ranking, by_task, codes, numbers, rank
from evoact.leaderboard.curves import CURVES
from evoact.leaderboard.location import Location
from evoact.leaderboard.schema import ORDER, SCHEMA
from evoact.leaderboard.store.open_parts import Origin, open_curves, open_parts, origin_of
from evoact.leaderboard.store.parts import DAMAGE, Part, Unreadable, damaged, read

if TYPE_CHECKING:
    import pandas as pd

_KEYS = ("task", "metric", "run", "arm", "repeat", "candidate", "phase")
# What is shown of a candidate but not needed to rank it: read for the few rows that are shown.
_DETAILS = ("genome", "learning_rate", "heterogeneous", "structure", "precision")


class _Damaged(Exception):
    """A file, `Unreadable`, that has to be left out after all."""


def _warn(problem: str) -> None:
    warnings.warn(problem, stacklevel=4)


class Leaderboard:
    """The rows of one or more runs, as they are when this is made.

    Each path is a run directory (or a URI of one), a directory of Parquet parts, or one such file.
    Files that cannot be read are left out and named: in `problems`, and by a call of `report`, which
    by default makes a warning. What is named twice counts once.

    Raises:
        UserError: if a path holds no run, or nothing in it can be read.

    >>> Leaderboard("no/such/run")
    Traceback (most recent call last):
    evoact.errors.UserError: no/such/run: expected a run directory, got nothing there
    """

    def __init__(self, *paths: str | Path | Location, report: Callable[[str], None] = _warn):
        if not paths:
            raise UserError("expected at least one run directory, got none")
        self.problems: list[str] = []
        self._report = report
        self._parts: list[Part] = []
        self._origins: list[Origin] = []
        seen: set[Path] = set()
        places = {place.local or place.text: place for place in map(Location.of, paths)}
        self._places = list(places.values())
        for place in self._places:
            parts, unreadable = open_parts(place, self)
            fresh = [part for part in parts if part.path.resolve() not in seen]
            seen.update(part.path.resolve() for part in fresh)
            self._name(item for item in unreadable if item.path.resolve() not in seen)
            seen.update(item.path.resolve() for item in unreadable)
            self._parts += fresh
            self._origins += [origin_of(place, part) for part in fresh]

    def __len__(self) -> int:
        return sum(part.rows for part in self._parts)

    def top(self, n: int = 10) -> pa.Table:
        """Return the best `n` candidates of each task, one row each; `.to_pandas()` or `.to_pylist()` for other forms.

        Metrics of different tasks do not compare, so that each task has its own ranks, from 1.
        A candidate stands by its mean validation metric on the seeds of its confirmation, or, below all
        of these, by the mean on those of the search. `seeds` says how many that are: a mean over one is
        mostly luck. The test columns are null without a confirmation; those of judged candidates are on the seeds of
        the judgement, which did not choose them. `precision` is that of its training.
        """
        if n < 1:
            raise UserError(f"expected at least 1 candidate to show, got {n}")
        while True:
            rows = self._read((*COLUMNS, *TASK, "proposal"))
            source = self._sources(rows)
            try:
                return pa.concat_tables([self._best(rows, source, of_task, n) for of_task in by_task(rows)])
            except _Damaged as error:
                self._leave_out([error.args[0]])

    def _sources(self, rows: pa.Table) -> np.ndarray:
        """A number for the run that each row is of: of a run directory all rows are, whatever its name was when they
        were written; files that lie elsewhere may be of several runs."""
        number = {origin: i for i, origin in enumerate(dict.fromkeys(self._origins))}
        sizes = [part.rows for part in self._parts]
        origin = np.repeat([number[o] for o in self._origins], sizes)
        mixed = np.repeat([o.mixed for o in self._origins], sizes)
        run = codes(rows["run"])
        return np.where(mixed, origin + len(number) * (run.codes + 1), origin)

    def _best(self, rows: pa.Table, source: np.ndarray, of_task: np.ndarray, n: int) -> pa.Table:
        """The best candidates among the rows at some positions, those of one task."""
        if len(of_task) < len(rows):
            rows, source = pc.take(rows, from_numpy(of_task)), source[of_task]
        kept = contenders(rows, source, n)
        # In one order, whatever came in first: floating-point sums depend on it.
        kept = kept[np.argsort(numbers(rows["proposal"])[kept], kind="stable")]
        rows = pc.take(rows, from_numpy(kept))
        ranking = rank(rows, source[kept], n)
        keys = pc.take(rows.select(_KEYS), from_numpy(ranking.first))
        return _shown(ranking, keys, self._rows(of_task[kept[ranking.first]], _DETAILS))

    def sql(self, query: str, *, seconds: float = sql.SECONDS, memory_gb: float = sql.MEMORY_GB) -> pa.Table:
        """Return the answer to one SELECT over the tables `leaderboard`, its columns as in `SCHEMA`, and `curves`, a
        row for each network and step.

        The query runs in a process of its own, which reaches no files, network or settings.

        Args:
            seconds: the longest it may take.
            memory_gb: the most memory it may take.

        Raises:
            UserError: if it is not one SELECT, is wrong, or needs more time or memory.
        """
        # DuckDB checks no checksums: what has no seal of ours is read once by what does.
        self._leave_out(read([part for part in self._parts if not part.sealed], SCHEMA.names)[1])
        curves = self._curve_parts() if CURVES.folder in query.lower() else []
        try:
            return sql.run(query, self._parts, curves, seconds=seconds, memory_gb=memory_gb)
        except sql.Damaged as error:
            before = len(self._parts)
            self._read(SCHEMA.names)  # finds the damaged files
            if len(self._parts) == before:
                raise UserError(f"expected readable parts, got: {error}") from None
        return sql.run(query, self._parts, curves, seconds=seconds, memory_gb=memory_gb)

    def curves(self) -> pa.Table:
        """Return the points of all learning curves, by run, arm, repeat, proposal and step; none if
        `training.curve_every` did not ask for any."""
        rows, unreadable = read(self._curve_parts(), CURVES.schema.names, CURVES)
        self._name(unreadable)
        return rows.cast(CURVES.schema).sort_by([(name, "ascending") for name in CURVES.order])

    def check_curves(self) -> None:
        """Name the files of learning curves that cannot be read, as those of rows were when this was made."""
        self._curve_parts()

    def _curve_parts(self) -> list[Part]:
        found = [open_curves(place, self) for place in self._places]
        self._name(item for _, unreadable in found for item in unreadable)
        return [*{part.path.resolve(): part for parts, _ in found for part in parts}.values()]

    def to_arrow(self) -> pa.Table:
        """Return all rows with all columns of `SCHEMA`, by run, arm, repeat and proposal, whatever came in first."""
        rows = self._read(SCHEMA.names).cast(SCHEMA)
        order = pc.sort_indices(rows, [(name, "ascending") for name in ORDER])
        if np.array_equal(order.to_numpy(), np.arange(len(rows))):  # as in a compacted run
            return rows
        return rows.take(order)

    @property
    def versions(self) -> set[int]:
        """The versions of the schema that its files were written in."""
        return {part.version for part in self._parts}

    def columns(self, *names: str) -> pa.Table:
        """Return some columns of all rows, in any order: far less than all of them, of a large run."""
        return self._read(names)

    def to_pandas(self) -> "pd.DataFrame":
        """Return all rows as a pandas data frame."""
        return self.to_arrow().to_pandas()

    def _read(self, columns: tuple[str, ...] | list[str]) -> pa.Table:
        rows, unreadable = read(self._parts, columns)
        self._leave_out(unreadable)
        return rows

    def _leave_out(self, unreadable: list[Unreadable]) -> None:
        gone = {item.path for item in unreadable}
        kept = [pair for pair in zip(self._parts, self._origins, strict=True) if pair[0].path not in gone]
        if not kept and gone:
            raise UserError(f"expected at least one readable part, got none: {unreadable[0].problem}")
        self._parts, self._origins = [part for part, _ in kept], [origin for _, origin in kept]
        self._name(unreadable)

    def _name(self, unreadable: Iterable[Unreadable]) -> None:
        for item in unreadable:
            self.problems.append(item.problem)
            self._report(item.problem)

    def _rows(self, indices: np.ndarray, columns: tuple[str, ...]) -> pa.Table:
        """Some rows by their position among all; reads only the row groups that they are in.

        Raises:
            _Damaged: with the file that turns out to be.
        """
        starts = np.cumsum([0] + [part.rows for part in self._parts])
        tables = [pa.Table.from_batches([], SCHEMA).select(columns)]
        order = np.argsort(indices, kind="stable")
        which = np.searchsorted(starts, indices[order], side="right") - 1
        for number in np.unique(which):
            inside = indices[order][which == number] - starts[number]
            part = self._parts[number]
            try:
                tables.append(_take(part, inside, columns))
            except DAMAGE as error:
                raise _Damaged(damaged(part.path, error)) from None
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        return pc.take(pa.concat_tables(tables, promote_options="default"), from_numpy(back))


def _take(part: Part, rows: np.ndarray, columns: tuple[str, ...]) -> pa.Table:
    sizes = [part.footer.row_group(i).num_rows for i in range(part.footer.num_row_groups)]
    starts = np.cumsum([0, *sizes])
    which = np.searchsorted(starts, rows, side="right") - 1
    wanted = [name for name in columns if name in part.columns]
    tables = []
    with part.open() as file:
        for group in np.unique(which):
            table = file.read_row_group(int(group), columns=wanted)
            tables.append(pc.take(table, from_numpy(rows[which == group] - starts[group])))
    taken = pa.concat_tables(tables)
    return taken.cast(pa.schema([SCHEMA.field(name) for name in taken.column_names]))


def _shown(ranking: Ranking, keys: pa.Table, details: pa.Table) -> pa.Table:
    keys = keys.cast(pa.schema([SCHEMA.field(name) for name in _KEYS]))
    columns = {
        "rank": from_numpy(np.arange(1, len(keys) + 1)),
        **{name: keys[name] for name in _KEYS[:-1]},
        "label": from_texts([_label(text) for text in details["genome"].to_pylist()]),
        "val_mean": from_numpy(ranking.val),
        "seeds": from_numpy(ranking.seeds),
        "test_mean": from_numpy(ranking.test),
        "test_large_mean": from_numpy(ranking.test_large),
        "learning_rate": details["learning_rate"],
        "phase": keys["phase"],
        "heterogeneous": details["heterogeneous"],
        "structure": details["structure"],
        "precision": pc.fill_null(details["precision"], "float32"),  # older rows have none
    }
    return pa.table(columns)


def _label(text: str | None) -> str:
    try:
        return genomes.loads(text or "").label
    except (UserError, ValueError, KeyError, TypeError):
        return "(not a genome)"
