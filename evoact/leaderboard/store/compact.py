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
from evoact.leaderboard.store.parts import REPLACES_KEY, Part, inspect_all, read, replaced
from evoact.leaderboard.store.write import parquet

COMPACT = "compact-"
# Rows sorted and written at once: bounds the memory to a few hundred megabytes.
SHARD = 250_000
# Small row groups: the genomes of ten rows anywhere are then read in well under 0.1 s.
ROW_GROUP = 8_192
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
        sound = [part for part in _sound(parts, table) if part.rows]
        done = len(sound) == 1 and sound[0].path.name.startswith(COMPACT)
        empty = [part.path.name for part in parts if not part.rows]
        if not done:
            for number, (shard, keep) in enumerate(_shards(sound, table)):
                _merge(home, shard, keep, number, table)
    _delete(home, [] if done else [part.path.name for part in sound])
    _delete(home, empty)
    return bool(names) and not done


class Rolling:
    """Keeps the files of a run that goes on few: the smallest become one whenever there are too many.

    Files that are no larger than those before them together become part of the same one. So sizes double, and a row is
    written anew as often as the logarithm of their number says.
    """

    def __init__(self, run_dir: str | Path | Location, table: Table = LEADERBOARD):
        self._table = table
        self._home = Location.of(run_dir).child(table.folder)
        self._files = len(self._home.names(".parquet"))
        self._rows: dict[
            str, pa.Table
        ] = {}  # of files that were written just now, which need not be read again
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
        rows = {name: self._rows[name] for name in chosen if name in self._rows}
        with _here(self._home, sorted(set(chosen) - set(rows))) as files:
            for part in _sound(inspect_all(files, self._table)[0], self._table):
                rows[part.path.name] = read([part], self._table.schema.names, self._table)[0]
        if rows:
            merged = pa.concat_tables([_plain(rows[name], self._table) for name in sorted(rows)])
            _write(self._home, merged.filter(_first(merged, self._table)), list(rows), 0, self._table)
        self._replaced = list(rows)
        self._files = len(sizes) - len(rows) + 1
        self._rows = {name: kept for name, kept in self._rows.items() if name not in rows}


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


def _merge(home: Location, shard: Sequence[Part], keep: pa.Array, number: int, table: Table) -> None:
    rows = _plain(read(shard, table.schema.names, table)[0], table).filter(keep)
    _write(home, rows, [part.path.name for part in shard], number, table)


def _plain(rows: pa.Table, table: Table) -> pa.Table:
    """Rows that were read, in the types of their table."""
    return rows.cast(table.schema)


def _write(home: Location, rows: pa.Table, names: Sequence[str], number: int, table: Table) -> None:
    """Write rows as a file that replaces those with these names."""
    rows = rows.sort_by([(name, "ascending") for name in table.order])
    replaces = json.dumps(sorted(names))
    rows = rows.replace_schema_metadata({**rows.schema.metadata, REPLACES_KEY: replaces})
    # A name that never was: what replaces a file of the same name must not take this one for that.
    home.child(f"{COMPACT}{number:05}-{uuid.uuid4().hex}.parquet").write(parquet(rows, ROW_GROUP))


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


def _shards(parts: Sequence[Part], table: Table) -> Iterator[tuple[list[Part], pa.Array]]:
    """Groups of parts in the order of their first proposals, and which of their rows to keep."""
    parts = [part for part in parts if part.rows]
    if not parts:
        return
    names = tuple(dict.fromkeys(("run", *table.key, *table.order)))
    keys = read(parts, names, table)[0].cast(pa.schema([table.schema.field(name) for name in names]))
    keep = _first(keys, table)
    starts = np.cumsum([0, *(part.rows for part in parts)])
    heads = keys.take(starts[:-1]).select(table.order).to_pylist()
    places = [[(value is not None, value) for value in head.values()] for head in heads]
    shard: list[int] = []
    for i in sorted(range(len(parts)), key=lambda i: places[i]):
        if shard and sum(parts[j].rows for j in shard) + parts[i].rows > SHARD:
            yield _shard(parts, shard, keep, starts)
            shard = []
        shard.append(i)
    yield _shard(parts, shard, keep, starts)


def _first(rows: pa.Table, table: Table) -> np.ndarray:
    """For each row whether it is the first with its key."""
    key = ["run", *table.key]
    numbered = rows.select(key).append_column("row", pa.array(np.arange(len(rows))))
    first = numbered.group_by(key, use_threads=False).aggregate([("row", "min")])["row_min"]
    keep = np.zeros(len(rows), dtype=bool)
    keep[first.to_numpy()] = True
    return keep


def _shard(
    parts: Sequence[Part], chosen: list[int], keep: np.ndarray, starts: np.ndarray
) -> tuple[list[Part], pa.Array]:
    masks = [keep[starts[i] : starts[i + 1]] for i in chosen]
    return [parts[i] for i in chosen], pa.array(np.concatenate(masks))
