"""Many small parts into few files, without a moment at which a row is lost or there twice.

The new directory is built beside the old one and swapped in:

    build     .leaderboard.new          half a directory: worthless
    rename    .leaderboard.ready        whole from here on
    rename    leaderboard -> .leaderboard.old
    rename    .leaderboard.ready -> leaderboard
    delete    .leaderboard.old

Wherever this stops, `finish_swap` sees from what is there how to go on.
"""

import itertools
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from evoact.leaderboard.location import Location, sync, sync_directory
from evoact.leaderboard.schema import KEY, ORDER, SCHEMA
from evoact.leaderboard.store.parts import Part, inspect_all, read
from evoact.leaderboard.store.write import PARTS, parquet

NEW, READY, OLD = ".leaderboard.new", ".leaderboard.ready", ".leaderboard.old"

# Rows sorted and written at once: bounds the memory to a few hundred megabytes.
SHARD = 250_000
# Small row groups: the genomes of ten rows anywhere are then read in well under 0.1 s.
ROW_GROUP = 8_192


def parts_directory(run_dir: str | Path | Location) -> Location | None:
    """Return the place of a run's parts, also in the middle of a swap; None if this is not a run directory."""
    home = Location.of(run_dir)
    for name in (PARTS, READY, OLD):
        if home.child(name).is_directory():
            return home.child(name)
    return None


def finish_swap(run_dir: str | Path | Location) -> None:
    """Completes a swap that was interrupted after the old directory was moved away, else undoes it."""
    home = Location.of(run_dir).local
    if home is None:
        return
    live, new, ready, old = (home / name for name in (PARTS, NEW, READY, OLD))
    _delete(new)
    if ready.is_dir() and not old.is_dir():
        _delete(ready)  # the live directory is still the old one, and may have got parts since
    if ready.is_dir() and live.is_dir():
        for file in sorted(live.glob("[!.]*")):  # parts written in between: they join the compacted ones
            _rename(file, ready / file.name)
        _delete(live)
    if ready.is_dir():
        _rename(ready, live)
    if old.is_dir() and not live.is_dir():
        _rename(old, live)
    _delete(old)


def compact(run_dir: str | Path | Location) -> bool:
    """Rewrite a finished or stopped run's parts as few files, sorted by arm, repeat and proposal.

    Files that cannot be read are kept as they are. A key that two parts hold is kept once. No other
    process may write to the run meanwhile (see `write.lock`).

    Returns:
        Whether there was something to do: only on a local disk, because object stores cannot rename
        a directory; their many parts are read as they are.
    """
    home = Location.of(run_dir).local
    if home is None:
        return False
    finish_swap(home)
    live, new, ready, old = (home / name for name in (PARTS, NEW, READY, OLD))
    if not any(live.glob("[!.]*.parquet")):
        return False
    new.mkdir()
    _build(live, new)
    sync_directory(new)
    _rename(new, ready)
    _rename(live, old)
    _rename(ready, live)
    _delete(old)
    return True


def _rename(source: Path, target: Path) -> None:
    source.rename(target)
    sync_directory(target.parent)


def _delete(directory: Path) -> None:
    if directory.is_dir():
        shutil.rmtree(directory)


def _build(live: Path, new: Path) -> None:
    """Fills the new directory: the rows of all sound parts, sorted, and every other file as it is."""
    files = sorted(file for file in live.iterdir() if file.is_file() and not file.name.startswith("."))
    parts, _ = inspect_all(file for file in files if file.suffix == ".parquet")
    sound = [part for part in parts if not read([part], SCHEMA.names)[1]]
    for file in sorted(set(files) - {part.path for part in sound}):
        shutil.copy2(file, new / file.name)
        _sync(new / file.name)
    names = (new / f"compact-{number:05}.parquet" for number in itertools.count())
    free = (path for path in names if not path.exists())  # a damaged file may have one of them
    for shard, keep in _shards([part for part in sound if part.rows]):
        rows = read(shard, SCHEMA.names)[0].cast(SCHEMA).filter(keep)
        rows = rows.sort_by([(name, "ascending") for name in ORDER])
        path = next(free)
        path.write_bytes(parquet(rows, ROW_GROUP))
        _sync(path)


def _shards(parts: Sequence[Part]) -> Iterator[tuple[list[Part], pa.Array]]:
    """Groups of parts in the order of their first proposals, and which of their rows to keep."""
    if not parts:
        return
    names = ("run", *KEY, "proposal")
    keys = read(parts, names)[0].cast(pa.schema([SCHEMA.field(name) for name in names]))
    keys = keys.append_column("row", pa.array(np.arange(len(keys))))
    first = keys.group_by(["run", *KEY], use_threads=False).aggregate([("row", "min")])["row_min"]
    keep = np.zeros(len(keys), dtype=bool)
    keep[first.to_numpy()] = True
    starts = np.cumsum([0, *(part.rows for part in parts)])
    heads = keys.take(starts[:-1]).select(ORDER).to_pylist()
    places = [[(value is not None, value) for value in head.values()] for head in heads]
    shard: list[int] = []
    for i in sorted(range(len(parts)), key=lambda i: places[i]):
        if shard and sum(parts[j].rows for j in shard) + parts[i].rows > SHARD:
            yield _shard(parts, shard, keep, starts)
            shard = []
        shard.append(i)
    yield _shard(parts, shard, keep, starts)


def _shard(
    parts: Sequence[Part], chosen: list[int], keep: np.ndarray, starts: np.ndarray
) -> tuple[list[Part], pa.Array]:
    masks = [keep[starts[i] : starts[i + 1]] for i in chosen]
    return [parts[i] for i in chosen], pa.array(np.concatenate(masks))


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        sync(file.fileno())
