"""The one writer of the leaderboard: artifacts first, then one immutable Parquet part per pack."""

import dataclasses
import errno
import fcntl
import hashlib
import io
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from evoact.errors import UserError
from evoact.leaderboard.location import Location
from evoact.leaderboard.schema import KEY, SCHEMA, row, table
from evoact.leaderboard.store.seal import sealed
from evoact.records import Result, of_part

PARTS = "leaderboard"
ARTIFACTS = "artifacts"
LOCK = ".lock"

# Dictionaries only where values repeat: they slow the other columns down.
_DISTINCT = (
    "genome",
    "structure",
    "fingerprint",
    "candidate",
    "proposal",
    "told",
    "started_at",
    "finished_at",
)
_REPEATING = [
    field.name
    for field in SCHEMA
    if field.name == "learning_rate"
    or (field.type in (pa.string(), pa.int64()) and field.name not in _DISTINCT)
]
# Zstandard takes 40 % less room than Snappy, and writes and reads as fast here; the checksums tell a
# damaged page from a good one.
PARQUET: Mapping[str, Any] = {
    "compression": "zstd",
    "compression_level": 1,
    "write_page_checksum": True,
    "use_dictionary": _REPEATING,
}


def write_part(
    run_dir: str | Path | Location, results: Sequence[Result], *, run: str, task: str, network: str
) -> list[Result]:
    """Store the results of one finished pack as one Parquet part, after their artifacts.

    When this returns, the rows are durable. The name of the part follows from the pack and the rows'
    keys, so that writing the same results again replaces the part.

    Args:
        run_dir: the run directory, or a URI of one.
        results: one pack's results; `learned` holds at most one safetensors file each.
        run, task, network: the values of these columns.

    Returns:
        The results as a reader will see them: `artifact` set, `learned` dropped.

    Raises:
        ValueError: if there are no results, or one has several learned files.
    """
    if not results:
        raise ValueError("expected at least one result to write, got none")
    home = Location.of(run_dir)
    stored = [_store_learned(home, result) for result in results]
    rows = [row(result, run=run, task=task, network=network) for result in stored]
    home.child(PARTS, part_name(stored)).write(parquet(table(rows)))
    return stored


def part_name(results: Sequence[Result]) -> str:
    """Return a file name that is the same for the same rows: the pack, for people, and a hash of the keys."""
    keys = sorted(tuple(getattr(r.proposal, name) for name in KEY) for r in results)
    digest = hashlib.blake2b(repr(keys).encode(), digest_size=8).hexdigest()
    pack = re.sub(r"[^A-Za-z0-9_.-]+", "_", results[0].pack)
    return f"part-{pack[:80]}-{digest}.parquet"


def parquet(rows: pa.Table, row_group: int | None = None) -> bytes:
    """Return a table as the bytes of a Parquet file with a seal, in row groups of so many."""
    buffer = io.BytesIO()
    pq.write_table(rows, buffer, row_group_size=row_group, **PARQUET)
    return sealed(buffer.getvalue())


def _store_learned(home: Location, result: Result) -> Result:
    if len(result.learned) > 1:
        raise ValueError(f"expected at most one learned file per result, got {sorted(result.learned)}")
    artifact = result.artifact
    for content in result.learned.values():
        p = result.proposal
        # Arms and repeats count their candidates separately, so they belong in the name.
        name = of_part(f"{p.candidate}-{p.seed}-{p.phase}-{p.rung}", p.arm, p.repeat)
        artifact = f"{ARTIFACTS}/{name}.safetensors"
        home.child(artifact).write(content)
    return dataclasses.replace(result, artifact=artifact, learned={})


@contextmanager
def lock(run_dir: str | Path | Location, report: Callable[[str], None] = warnings.warn) -> Iterator[None]:
    """Hold a run directory against a second process; the system releases it when the process dies.

    Object stores have no locks: there this does nothing. Some network file systems have none either: `report` is
    called with a sentence then.

    Raises:
        UserError: if another process, or this one, already uses the run.
    """
    place = Location.of(run_dir)
    home = place.local
    if home is None:
        yield
        return
    home.mkdir(parents=True, exist_ok=True)
    with (home / LOCK).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise UserError(
                    f"{place.text}: expected a run directory that no other process uses, got one in use; "
                    "wait for it to end or choose another directory with -o"
                ) from None
            report(
                f"{place.text}: expected a file system with locks, got one without ({error.strerror}), so make sure "
                "that no other process uses this run"
            )
        yield
