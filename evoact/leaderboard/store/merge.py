"""The rows of several files as those of one: each key once, in the table's order, few of them in memory at a time."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from evoact.leaderboard.ask.arrow_numpy import from_numpy, to_numpy
from evoact.leaderboard.schema import Table
from evoact.leaderboard.store.parts import Part, batches

# Small row groups: the genomes of ten rows anywhere are then read in well under 0.1 s.
ROW_GROUP = 8_192

_LAST = np.iinfo(np.int64).max  # where nulls are sorted to


@dataclass(frozen=True, slots=True)
class Source:
    """A file to be merged: its name, how many rows it has, and how to read some columns of them, one batch after the
    other, in the types of their table."""

    name: str
    rows: int
    batches: Callable[[Sequence[str]], Iterator[pa.Table]]


def of_part(part: Part, table: Table) -> Source:
    """Return a file that is read batch by batch."""
    return Source(part.path.name, part.rows, lambda columns: batches(part, columns, ROW_GROUP, table))


def of_rows(name: str, rows: pa.Table) -> Source:
    """Return a file whose rows are in memory."""
    return Source(name, len(rows), lambda columns: iter([rows.select(list(columns))]))


def places(sources: Sequence[Source], table: Table) -> list[np.ndarray]:
    """Return, for each source, the place of each of its rows among all in the table's order; -1 if its key was there
    before."""
    names = tuple(dict.fromkeys(("run", *table.key, *table.order)))
    keys = pa.concat_tables(batch for source in sources for batch in source.batches(names))
    numbers = {name: _numbers(keys[name]) for name in names}
    del keys
    place = np.empty(len(numbers["run"]), dtype=np.int64)
    # Stable, and by the last column first.
    place[np.lexsort([numbers[name] for name in reversed(table.order)])] = np.arange(len(place))
    by_key = np.lexsort([numbers[name] for name in ("run", *table.key)])
    before, after = by_key[:-1], by_key[1:]
    same = np.ones(len(after), dtype=bool)
    for name in ("run", *table.key):
        same &= numbers[name][before] == numbers[name][after]
    place[after[same]] = -1
    return np.split(place, np.cumsum([source.rows for source in sources])[:-1])


def merged(sources: Sequence[Source], places: Sequence[np.ndarray], table: Table) -> Iterator[pa.Table]:
    """Yield the rows that have a place, in order, a row group at a time."""
    names = table.schema.names
    if sum(source.rows for source in sources) <= ROW_GROUP:  # as mostly while a run goes on: in one go
        rows = pa.concat_tables(batch for source in sources for batch in source.batches(names))
        yield rows.combine_chunks().take(from_numpy(_in_order(np.concatenate(places))))
        return
    readers = [_Reader(source.batches(names), place) for source, place in zip(sources, places, strict=True)]
    owners = np.repeat(np.arange(len(sources)), [source.rows for source in sources])[
        _in_order(np.concatenate(places))
    ]
    for begin in range(0, len(owners), ROW_GROUP):
        group = owners[begin : begin + ROW_GROUP]
        found = [readers[i].next(n) for i, n in zip(*np.unique(group, return_counts=True), strict=True)]
        # They are in order source by source: each goes where its source's turn is.
        turns = np.empty(len(group), dtype=np.int64)
        turns[np.argsort(group, kind="stable")] = np.arange(len(group))
        yield pa.concat_tables(found).take(from_numpy(turns))


class _Reader:
    """Gives the rows of a source in order of their places.

    It holds those that were read and are still to be given: of a sorted file a batch, of another one more.
    """

    def __init__(self, batches: Iterator[pa.Table], places: np.ndarray):
        self._batches = batches
        self._wanted = _in_order(places)
        # The first row that is still to be given.
        self._needed = np.minimum.accumulate(self._wanted[::-1])[::-1]
        self._rows: list[pa.Table] = []
        self._first = self._end = 0  # of the rows that are held
        self._given = 0

    def next(self, n: int) -> pa.Table:
        """Return the next so many."""
        wanted = self._wanted[self._given : self._given + n]
        while self._end <= wanted.max():
            self._rows.append(next(self._batches))
            self._end += len(self._rows[-1])
        found = pa.concat_tables(self._rows).take(from_numpy(wanted - self._first))
        self._given += n
        needed = self._needed[self._given] if self._given < len(self._needed) else self._end
        while self._rows and self._first + len(self._rows[0]) <= needed:
            self._first += len(self._rows.pop(0))
        return found


def _in_order(places: np.ndarray) -> np.ndarray:
    """The rows that have a place, in its order."""
    return np.argsort(places, kind="stable")[np.count_nonzero(places < 0) :]


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    """Whole numbers in the order of a column's values, which are texts or whole numbers."""
    if not pa.types.is_string(column.type):
        return to_numpy(column, _LAST)
    coded = pc.dictionary_encode(column).combine_chunks()
    texts = coded.dictionary.to_pylist()
    rank = np.empty(len(texts) + 1, dtype=np.int64)
    rank[sorted(range(len(texts)), key=texts.__getitem__)] = np.arange(len(texts))
    rank[-1] = _LAST
    return rank[to_numpy(pa.chunked_array([coded.indices]), -1)]
