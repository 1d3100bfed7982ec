"""One run directory of several: the rows of isolated machines that searched the same networks on the same data.

What a network is, its fingerprint says, so that candidates are the same wherever they were found. Runs under different
seeds trained different replicates of it: those of the second seed count from 10,000 on, of the third from 20,000. A
network that two runs trained under one seed is there once; if they found different things, that is named.
"""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from evoact.errors import UserError, counted
from evoact.installation import VERSION
from evoact.leaderboard.ask.query import Leaderboard
from evoact.leaderboard.curves import CURVES, renumbered
from evoact.leaderboard.location import Location
from evoact.leaderboard.run_files import CONFIG, config_of, record_of, write_record
from evoact.leaderboard.schema import SCHEMA, SCHEMA_VERSION
from evoact.leaderboard.store.compact import COMPACT, SHARD
from evoact.leaderboard.store.merge import ROW_GROUP
from evoact.leaderboard.store.write import PARTS, parquet_of
from evoact.records import FRESH

SAME = ("task", "network", "training")  # what decides what becomes of a genome, beside the seed
SEEDS = 10_000  # from the replicates of one seed to those of the next
_NAMED = 3  # conflicts


@dataclass(frozen=True)
class Union:
    """What became of several runs: rows, candidates, and how many rows were there more than once or in conflict."""

    run_dir: str
    rows: int
    candidates: int
    twice: int
    conflicts: int


def union(
    run_dirs: Sequence[str | Path], output: str | Path, report: Callable[[str], None] = lambda text: None
) -> Union:
    """Write the rows of several searches as one finished run, with the weights of those that were confirmed.

    Args:
        run_dirs: their directories, or URIs of them
        output: a new run directory
        report: called with a sentence about damaged parts, and about networks of which two runs say different things

    Raises:
        UserError: if the runs trained other networks, on other data, or their rows have another schema; or if there
            is something at the output.
    """
    homes = [Location.of(run_dir) for run_dir in run_dirs]
    target = Location.of(output)
    if (number := len({home.absolute for home in homes})) < 2:
        raise UserError(f"expected at least two runs, got {number}; give the directories of several")
    if target.entries():
        raise UserError(
            f"expected a new run directory, got {target.text!r}, which is not empty; choose another with -o"
        )
    configs = [_searched(home) for home in homes]
    records = [record_of(home) for home in homes]
    for home, own in zip(homes, records, strict=True):
        _check_same(home, own, homes[0], records[0])
    seeds = [config.get("seed", 0) for config in configs]
    ordinals = {seed: i for i, seed in enumerate(dict.fromkeys(seeds))}
    tables = [
        _rows(home, ordinals[seed], i, report)
        for i, (home, seed) in enumerate(zip(homes, seeds, strict=True))
    ]
    rows, twice, conflicts = _once(pa.concat_tables(tables), homes, report)
    kept = rows
    rows, candidates = _numbered(kept)
    _write_curves(target, homes, [ordinals[seed] for seed in seeds], kept, rows)
    rows = _with_artifacts(rows, homes, target)
    _write(target.child(PARTS), rows.select(SCHEMA.names), SCHEMA)
    record = records[0]
    of = [
        {"run": own.get("run", home.name), "rows": len(t)}
        for home, own, t in zip(homes, records, tables, strict=True)
    ]
    now = datetime.now(UTC).isoformat(timespec="seconds")
    union_record = {
        "evoact": VERSION,
        "run": target.name,
        "finished_at": now,
        "networks": len(rows),
        "union": of,
    }
    write_record(target, record | union_record)
    target.child(CONFIG).write(homes[0].child(CONFIG).read())
    return Union(target.text, len(rows), candidates, twice, conflicts)


def _write_curves(
    target: Location, homes: Sequence[Location], seeds: Sequence[int], kept: pa.Table, rows: pa.Table
) -> None:
    """Write the learning curves of the networks that were kept, under their new numbers."""
    tables = []
    for source, (home, seed) in enumerate(zip(homes, seeds, strict=True)):
        points = Leaderboard(home, report=lambda problem: None).curves()
        if not len(points):
            continue
        place = points.column_names.index("seed")
        shifted = pc.add(points["seed"], pa.scalar(seed * SEEDS))
        points = points.set_column(place, SCHEMA.field("seed"), shifted)
        own = pc.equal(kept["source"], source)
        tables.append(renumbered(points, kept.filter(own), rows.filter(own)))
    if not tables:
        return
    points = pa.concat_tables(tables).sort_by([(name, "ascending") for name in CURVES.order])
    _write(target.child(CURVES.folder), points, CURVES.schema)


def _write(folder: Location, rows: pa.Table, schema: pa.Schema) -> None:
    """Write a table as files of a bounded size."""
    for number, start in enumerate(range(0, len(rows), SHARD)):
        shard = rows.slice(start, SHARD)
        groups = (shard.slice(first, ROW_GROUP) for first in range(0, len(shard), ROW_GROUP))
        folder.child(f"{COMPACT}{number:05}.parquet").write(parquet_of(groups, schema))


def _searched(home: Location) -> dict[str, Any]:
    """The config of a run, which is to be a search."""
    config = config_of(home)
    if "arms" in config:
        raise UserError(
            f"{home.text}: expected a search, got a comparison, whose arms are searches of their own"
        )
    return config


def _check_same(home: Location, ours: dict[str, Any], first: Location, theirs: dict[str, Any]) -> None:
    """Check by their records that two runs trained the same networks on the same data."""
    trained = [_trained(record) for record in (ours, theirs)]
    for key in dict.fromkeys((*trained[0], *trained[1])):
        got, expected = (t.get(key, "left out") for t in trained)
        if got != expected:
            raise UserError(
                f"{home.text}: expected {key} {expected}, as in {first.text}, got {got}; "
                "unite runs of one task, network and training"
            )
    if ours.get("digest") != theirs.get("digest"):
        raise UserError(
            f"{home.text}: expected the data of {first.text}, with digest {str(theirs.get('digest'))[:12]}, got "
            f"{str(ours.get('digest'))[:12]}; unite runs on the same data"
        )


def _trained(record: dict[str, Any]) -> dict[str, str]:
    common = record.get("trains", {}).get("common", {})
    return {key: str(value) for key, value in common.items() if key.split(".")[0] in SAME}


def _rows(home: Location, seed: int, source: int, report: Callable[[str], None]) -> pa.Table:
    """A run's rows, its replicates numbered for the union, and from which run they are."""
    board = Leaderboard(home, report=report)
    other = board.versions - {SCHEMA_VERSION}
    newer = next((problem for problem in board.problems if "schema version" in problem), None)
    if other or newer:
        raise UserError(
            newer
            or f"{home.text}: expected rows of schema version {SCHEMA_VERSION}, got {min(other)}; search again with "
            f"this version and `warm_start: {shlex.quote(home.text)}`"
        )
    rows = board.to_arrow()
    rows = rows.set_column(
        rows.column_names.index("seed"), SCHEMA.field("seed"), pc.add(rows["seed"], pa.scalar(seed * SEEDS))
    )
    return rows.append_column("source", pa.array(np.full(len(rows), source), pa.int64()))


def _once(
    rows: pa.Table, homes: Sequence[Location], report: Callable[[str], None]
) -> tuple[pa.Table, int, int]:
    """The rows without those that are there already, how many these are, and how many of them say something else."""
    key = ["fingerprint", "seed", "phase", "rung"]
    numbered = rows.select([*key, "state", "val_metric"]).append_column("row", pa.array(np.arange(len(rows))))
    # A result counts more than a failure, which may have been that of a machine.
    numbered = numbered.append_column("failed", pc.not_equal(numbered["state"], "completed"))
    order = numbered.sort_by([("failed", "ascending"), ("row", "ascending")])
    groups = order.group_by(key, use_threads=False).aggregate([("row", "first"), ("row", "count")])
    first = np.sort(groups["row_first"].to_numpy())
    repeated = groups.filter(pc.greater(groups["row_count"], 1)).select([*key, "row_first"])
    twice = len(rows) - len(first)
    if not twice:
        return rows, 0, 0
    kept = rows.take(pa.array(first))
    joined = numbered.join(repeated, key, join_type="inner")
    chosen = rows["val_metric"].take(joined["row_first"])
    differs = pc.fill_null(pc.not_equal(joined["val_metric"], chosen), False)
    conflicts = joined.filter(differs).sort_by("row")
    for row in conflicts.slice(0, _NAMED).to_pylist():
        here, there = (rows.slice(row[name], 1).to_pylist()[0] for name in ("row", "row_first"))
        report(
            f"expected one result of {here['label']} on seed {here['seed'] % SEEDS} in phase {here['phase']}, got "
            f"{there['val_metric']:.6g} in {homes[there['source']].text} and {here['val_metric']:.6g} in "
            f"{homes[here['source']].text}; the first counts"
        )
    if len(conflicts) > _NAMED:
        report(f"and {counted(len(conflicts) - _NAMED, 'more such conflict')}")
    return kept, twice, len(conflicts)


def _numbered(rows: pa.Table) -> tuple[pa.Table, int]:
    """The rows with proposals from 0 on, candidates and parents by these, and how many candidates there are."""
    codes = pc.dictionary_encode(rows["fingerprint"]).combine_chunks()
    indices = codes.indices.to_numpy()
    first = np.full(len(codes.dictionary), len(rows))
    np.minimum.at(first, indices, np.arange(len(rows)))
    candidates = first[indices]
    old = rows["source"].to_numpy() * (2**40) + rows["candidate"].to_numpy()
    known, at = np.unique(old, return_index=True)
    parents = rows["parents"].combine_chunks()
    flat = parents.flatten().to_numpy()
    counts = pc.fill_null(pc.list_value_length(parents), 0).to_numpy()
    wanted = np.repeat(rows["source"].to_numpy(), counts) * (2**40) + flat
    place = np.minimum(np.searchsorted(known, wanted), max(len(known) - 1, 0))
    there = known[place] == wanted if len(known) else np.zeros(0, bool)
    renamed = pa.ListArray.from_arrays(
        pa.array(_offsets(there, counts), pa.int32()),
        pa.array(candidates[at[place[there]]], pa.int64()),
    )
    for name, column in (
        ("proposal", pa.array(np.arange(len(rows)), pa.int64())),
        ("candidate", pa.array(candidates, pa.int64())),
        ("parents", renamed),
    ):
        rows = rows.set_column(rows.column_names.index(name), name, column)
    return rows, len(first)


def _offsets(there: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Where the lists begin and end of which so many entries are there."""
    total = np.concatenate([[0], np.cumsum(there)])
    return total[np.concatenate([[0], np.cumsum(counts)])]


def _with_artifacts(rows: pa.Table, homes: Sequence[Location], target: Location) -> pa.Table:
    """Copy what confirmed networks learned; the rows of others name no artifact any more."""
    fresh = pc.is_in(rows["phase"], pa.array(FRESH)).to_numpy()
    names, source = rows["artifact"].to_pylist(), rows["source"].to_numpy()
    copied = [""] * len(names)
    for i in np.flatnonzero(fresh):
        if names[i]:
            folder, _, name = names[i].rpartition("/")
            copied[i] = f"{folder}/{source[i]}-{name}"
            try:
                target.child(copied[i]).write(homes[source[i]].child(names[i]).read())
            except FileNotFoundError:
                copied[i] = ""
    return rows.set_column(rows.column_names.index("artifact"), "artifact", pa.array(copied))
