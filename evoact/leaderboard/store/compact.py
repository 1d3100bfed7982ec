"""Many small parts into few files, without a moment at which a row is lost or there twice.

A file that is made of others says so in its footer. From the moment at which it is there, whole, readers leave out
those that it replaces, which are deleted then. Wherever this stops, nothing has to be undone, and `sweep` deletes what
is left.
"""

import json
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa

from evoact.leaderboard.location import Location
from evoact.leaderboard.schema import LEADERBOARD, Table
from evoact.leaderboard.store.merge import Source, merged, of_part, of_rows, places
from evoact.leaderboard.store.parts import REPLACES_KEY, Part, inspect_all, read, replaced
from evoact.leaderboard.store.write import parquet_of

COMPACT = "compact-"
SHARD = 250_000  # rows of a file at most
# Of a run that goes on: so many files at most, besides those that were replaced last, which readers may have open.
MOST_FILES, AT_ONCE = 96, 48
# Merged no more while a run goes on, which bounds the memory, as long as there are enough smaller files.
LARGEST_BYTES = 24_000_000
FOOTER_BYTES = 10_000  # of a file, beside its rows
_CONNECTIONS = 16  # to an object store, each of whose answers takes a while


def compact(run_dir: str | Path | Location, table: Table = LEADERBOARD) -> bool:
    """Rewrite a finished or stopped run's parts as few files, sorted by arm, repeat and proposal.

    Files that cannot be read are kept as they are. A key that two parts hold is kept once. No other
    process may write to the run meanwhile (see `store.lock`).

    Returns:
        Whether there was something to do.
    """
    home = Location.of(run_dir).child(table.folder)
    sweep(run_dir, table)
    names = home.names(".parquet")
    with _here(home, names) as files:
        parts, _ = inspect_all(files, table)
        gone = [part.path.name for part in parts if not part.rows]
        sources = [of_part(part, table) for part in _sound(parts, table) if part.rows]
        for number, (shard, found) in enumerate(_shards(sources, table)):
            if not _done(shard, found):
                _write(home, shard, found, number, table)
                gone += [source.name for source in shard]
    _delete(home, gone)
    return bool(gone)


class Rolling:
    """Keeps the files of a run that goes on few: the smallest become one whenever there are too many.

    Files that are no larger than those before them together become part of the same one. So sizes double, and a row is
    written anew as often as the logarithm of their number says.
    """

    def __init__(self, run_dir: str | Path | Location, table: Table = LEADERBOARD):
        self._table = table
        self._home = Location.of(run_dir).child(table.folder)
        self._files = len(self._home.names(".parquet"))
        # Those of files that were written just now need not be read again.
        self._rows: dict[str, pa.Table] = {}
        self._replaced: list[str] = []
        self.roll()

    def wrote(self, name: str, rows: pa.Table) -> None:
        """Take note of one more file."""
        self._files += 1
        self._rows[name] = rows

    def roll(self) -> None:
        """Merge files if there are too many."""
        if self._files < MOST_FILES:
            return
        # Not before now: a reader may have had them open.
        _delete(self._home, self._replaced)
        self._replaced = []
        sizes = self._home.sizes(".parquet")
        chosen = _smallest(sizes)
        sources = [of_rows(name, self._rows[name]) for name in chosen if name in self._rows]
        others = sorted(set(chosen) - {source.name for source in sources})
        with _here(self._home, others) as files:
            parts = _sound(inspect_all(files, self._table)[0], self._table)
            sources += [of_part(part, self._table) for part in parts]
            if sources:
                _write(self._home, sources, places(sources, self._table), 0, self._table)
        self._replaced = [source.name for source in sources]
        self._files = len(sizes) - len(sources) + 1
        self._rows = {name: kept for name, kept in self._rows.items() if name not in self._replaced}


def _smallest(sizes: Mapping[str, int]) -> list[str]:
    """The names of the files to merge: the smallest, and those that are no larger than all before them."""
    order = sorted(sizes, key=lambda name: (sizes[name], name))
    small = sum(size <= LARGEST_BYTES for size in sizes.values())
    chosen, total = order[:AT_ONCE], 0
    for i, name in enumerate(order):
        size = max(0, sizes[name] - FOOTER_BYTES)
        if i >= AT_ONCE:
            if i >= small or size > total or total + size > LARGEST_BYTES:
                break
            chosen.append(name)
        total += size
    return chosen


def sweep(run_dir: str | Path | Location, table: Table = LEADERBOARD) -> None:
    """Delete the files that others replace."""
    home = Location.of(run_dir).child(table.folder)
    merged = [name for name in home.names(".parquet") if name.startswith(COMPACT)]
    with _here(home, merged) as files:
        gone = replaced(inspect_all(files, table)[0])
    _delete(home, sorted(gone & set(home.names())))


def _write(
    home: Location, sources: Sequence[Source], found: Sequence[np.ndarray], number: int, table: Table
) -> None:
    """Write the rows of files that have a place as one file, which replaces those."""
    replaces = json.dumps(sorted(source.name for source in sources))
    schema = table.schema.with_metadata({**table.schema.metadata, REPLACES_KEY: replaces})
    # A name that never was: what replaces a file of the same name must not take this one for that.
    file = home.child(f"{COMPACT}{number:05}-{uuid.uuid4().hex}.parquet")
    file.write(parquet_of(merged(sources, found, table), schema))


@contextmanager
def _here(home: Location, names: Sequence[str]) -> Iterator[list[Path]]:
    """The files as paths on this machine: those themselves, or copies of remote ones."""
    if home.local is not None:
        yield [home.local / name for name in names]
        return
    with tempfile.TemporaryDirectory(prefix="evoact-") as scratch:
        files = [Path(scratch, name) for name in names]
        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            for file, content in zip(
                files, pool.map(lambda name: home.child(name).read(), names), strict=True
            ):
                file.write_bytes(content)
        yield files


def _delete(home: Location, names: Sequence[str]) -> None:
    if home.local is not None:
        for name in names:
            home.child(name).delete()
    elif names:
        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            list(pool.map(lambda name: home.child(name).delete(), names))


def _sound(parts: Sequence[Part], table: Table) -> list[Part]:
    """Those whose every byte was checked, or that can be read."""
    return [part for part in parts if part.sealed or not read([part], table.schema.names, table)[1]]


def _shards(sources: Sequence[Source], table: Table) -> Iterator[tuple[list[Source], list[np.ndarray]]]:
    """Groups of files in the order of their first rows, with the places of all rows."""
    if not sources:
        return
    found = places(sources, table)
    shard: list[int] = []
    rows = 0
    for i in sorted(range(len(sources)), key=lambda i: found[i][0]):
        if shard and rows + sources[i].rows > SHARD:
            yield [sources[j] for j in shard], [found[j] for j in shard]
            shard, rows = [], 0
        shard.append(i)
        rows += sources[i].rows
    yield [sources[j] for j in shard], [found[j] for j in shard]


def _done(shard: Sequence[Source], found: Sequence[np.ndarray]) -> bool:
    """Whether these files are one already, with each row once."""
    return len(shard) == 1 and shard[0].name.startswith(COMPACT) and bool((found[0] >= 0).all())
