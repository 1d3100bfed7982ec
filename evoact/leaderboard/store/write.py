"""The one writer of the leaderboard: artifacts first, then one immutable Parquet part of what is back at once."""

import dataclasses
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from evoact.leaderboard.curves import CURVES, curve_rows
from evoact.leaderboard.location import Location
from evoact.leaderboard.schema import KEY, SCHEMA, table
from evoact.leaderboard.store.seal import sealed
from evoact.records import Result, TrainResult, of_part

PARTS = "leaderboard"
ARTIFACTS = "artifacts"

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
# A file of a pack has few rows and is soon merged with others: what makes it small takes longer than to write it.
PARQUET_OF_PACK: Mapping[str, Any] = {
    "compression": "snappy",
    "write_page_checksum": True,
    "use_dictionary": False,
    "write_statistics": False,
}
Wrote = Callable[[str, str, pa.Table], None]  # a folder, a file's name, its rows


def write_part(
    run_dir: str | Path | Location,
    results: Sequence[Result],
    *,
    run: str,
    task: str,
    network: str,
    wrote: Wrote = lambda folder, name, rows: None,
) -> list[Result]:
    """Store the results of finished packs as one Parquet part, after their artifacts and learning curves.

    When this returns, the rows are durable. The name of the part follows from the first pack and the rows'
    keys, so that writing the same results again replaces the part.

    Args:
        run_dir: the run directory, or a URI of one.
        results: of one pack, or of all that are back at once; `learned` holds at most one safetensors file each.
        run, task, network: the values of these columns.
        wrote: called with each file that is there now.

    Returns:
        The results as a reader will see them: `artifact` set, `learned` and `curve` dropped.

    Raises:
        ValueError: if there are no results, or one has several learned files.
    """
    if not results:
        raise ValueError("expected at least one result to write, got none")
    home = Location.of(run_dir)
    stored = [_store_learned(home, result) for result in results]
    name, points = part_name(stored), curve_rows(results, run)
    if len(points):
        home.child(CURVES.folder, name).write(parquet(points))
        wrote(CURVES.folder, name, points)
    rows = table(stored, run=run, task=task, network=network)
    home.child(PARTS, name).write(parquet(rows))
    wrote(PARTS, name, rows)
    return stored


def part_name(results: Sequence[Result]) -> str:
    """Return a file name that is the same for the same rows: the first pack, for people, and a hash of the keys."""
    keys = sorted(tuple(getattr(r.proposal, name) for name in KEY) for r in results)
    digest = hashlib.blake2b(repr(keys).encode(), digest_size=8).hexdigest()
    pack = re.sub(r"[^A-Za-z0-9_.-]+", "_", results[0].pack)
    return f"part-{pack[:80]}-{digest}.parquet"


def parquet(rows: pa.Table) -> bytes:
    """Return the rows of a pack as the bytes of a Parquet file with a seal."""
    buffer = pa.BufferOutputStream()
    pq.write_table(rows, buffer, **PARQUET_OF_PACK)
    return sealed(buffer.getvalue().to_pybytes())


def parquet_of(groups: Iterable[pa.Table], schema: pa.Schema) -> bytes:
    """Return many rows as the bytes of a Parquet file with a seal, each table a row group."""
    buffer = pa.BufferOutputStream()
    with pq.ParquetWriter(buffer, schema, **PARQUET) as writer:
        for rows in groups:
            writer.write_table(rows.cast(schema))
    return sealed(buffer.getvalue().to_pybytes())


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
    dropped: dict[str, Any] = {"curve": ()} if isinstance(result, TrainResult) and result.curve else {}
    if not result.learned and not dropped:
        return result
    return dataclasses.replace(result, artifact=artifact, learned={}, **dropped)
