"""The columns of the leaderboard, and a Result as a row and back."""

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import pyarrow as pa

from evoact.genomes import genome as genomes
from evoact.genomes import meta_training
from evoact.records import MetaTrainProposal, MetaTrainResult, Proposal, Result, TrainProposal, TrainResult

# Raised by one whenever a column is added. Files of an older version lack the newer columns, which
# then read as null; a column never changes its type and never goes.
SCHEMA_VERSION = 5
VERSION_KEY = b"evoact.schema_version"

TIME = pa.timestamp("us", tz="UTC")
COLUMNS: Mapping[str, pa.DataType] = {
    "run": pa.string(),
    "arm": pa.string(),
    "repeat": pa.int64(),
    "candidate": pa.int64(),
    "seed": pa.int64(),
    "phase": pa.string(),
    "rung": pa.int64(),
    "state": pa.string(),
    "strategy": pa.string(),
    "generation": pa.int64(),
    "parents": pa.list_(pa.int64()),
    "proposal": pa.int64(),
    "told": pa.int64(),
    "task": pa.string(),
    "network": pa.string(),
    "genome": pa.string(),
    "label": pa.string(),
    "structure": pa.string(),
    "fingerprint": pa.string(),
    "heterogeneous": pa.bool_(),
    "metric": pa.string(),
    "direction": pa.string(),
    "val_metric": pa.float64(),
    "test_metric": pa.float64(),
    "test_large_metric": pa.float64(),
    "train_loss": pa.float64(),
    "learning_rate": pa.float64(),
    "steps": pa.int64(),
    "steps_run": pa.int64(),
    "gradient_examples": pa.int64(),
    "n_parameters": pa.int64(),
    "train_seconds": pa.float64(),
    "step_seconds_solo": pa.float64(),
    "pack": pa.string(),
    "pack_size": pa.int64(),
    "device": pa.string(),
    "artifact": pa.string(),
    "participation_ratio": pa.float64(),
    "context": pa.string(),
    "kind": pa.string(),
    "meta_training": pa.string(),
    "learned_types": pa.string(),
    "discretised": pa.string(),
    "skipped_steps": pa.int64(),
    "beyond_grid": pa.int64(),
    "error": pa.string(),
    "started_at": TIME,
    "finished_at": TIME,
    "precision": pa.string(),
}
SCHEMA = pa.schema(list(COLUMNS.items()), metadata={VERSION_KEY: str(SCHEMA_VERSION).encode()})

# A trained network, exactly once.
KEY = ("arm", "repeat", "candidate", "seed", "phase", "rung")
# What rows are sorted by, wherever something is computed of them: workers store them in any order.
ORDER = ("run", "arm", "repeat", "proposal")


@dataclasses.dataclass(frozen=True)
class Table:
    """One of the tables that a run stores in Parquet: its folder, its columns with their version, its key beside `run`,
    and what its rows are sorted by."""

    folder: str
    schema: pa.Schema
    version_key: bytes
    version: int
    key: tuple[str, ...]
    order: tuple[str, ...]


LEADERBOARD = Table("leaderboard", SCHEMA, VERSION_KEY, SCHEMA_VERSION, KEY, ORDER)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

# Both kinds of work share the columns. What a kind has no field for is null in its rows, or an empty text.
_TYPES: Mapping[str, tuple[type[Proposal], type[Result]]] = {
    TrainProposal.kind: (TrainProposal, TrainResult),
    MetaTrainProposal.kind: (MetaTrainProposal, MetaTrainResult),
}
_CONVERTED = {"proposal", "genome", "parents"}  # between a field and its column
_AS_THEY_ARE = {
    of: tuple(
        field.name
        for field in dataclasses.fields(of)
        if field.name in COLUMNS and field.name not in _CONVERTED
    )
    for pair in _TYPES.values()
    for of in pair
}
_OF_PROPOSALS, _OF_RESULTS = (
    tuple(dict.fromkeys(name for of in kinds for name in _AS_THEY_ARE[of]))
    for kinds in zip(*_TYPES.values(), strict=True)
)
_EMPTY = {"context": "", "discretised": "", "learned_types": ""}


def table(results: Sequence[Result], *, run: str, task: str, network: str) -> pa.Table:
    """Return results as rows: an Arrow table of `SCHEMA`, its version in the metadata.

    Times (seconds since 1970) become timestamps rounded to microseconds, 0 a null. `learned` is not
    in the rows: the writer stores it as an artifact.
    """
    proposals = [r.proposal for r in results]
    found = [p.genome for p in proposals]
    columns: dict[str, list[Any]] = {
        "run": [run] * len(results),
        "task": [task] * len(results),
        "network": [network] * len(results),
        "proposal": [p.index for p in proposals],
        "genome": [genomes.dumps(genome) for genome in found],
        "label": [genome.label for genome in found],
        "heterogeneous": [genome.heterogeneous for genome in found],
        "kind": [p.kind for p in proposals],
        "meta_training": [
            None if isinstance(p, TrainProposal) else meta_training.dumps(p.settings) for p in proposals
        ],
        "learning_rate": [dict(genome.hyperparameters).get("learning_rate") for genome in found],
        "parents": [p.parents if isinstance(p, TrainProposal) else () for p in proposals],
        **{name: [getattr(p, name, _EMPTY.get(name)) for p in proposals] for name in _OF_PROPOSALS},
        **{name: [getattr(r, name, _EMPTY.get(name)) for r in results] for name in _OF_RESULTS},
        "started_at": [_microseconds(r.started_at) for r in results],
        "finished_at": [_microseconds(r.finished_at) for r in results],
    }
    return pa.Table.from_arrays([_array(columns[name], of) for name, of in COLUMNS.items()], schema=SCHEMA)


def _array(values: list[Any], of: pa.DataType) -> pa.Array:
    """A column. In most of them all results of a pack have one value, in many always the same."""
    if values and not isinstance(values[0], float) and values.count(values[0]) == len(values):
        return _constant(values[0], len(values), of)
    return pa.array(values, of)


@lru_cache(maxsize=256)
def _constant(value: Any, length: int, of: pa.DataType) -> pa.Array:
    return pa.array([value] * length, of)


def result(row: Mapping[str, Any]) -> Result:
    """Return the result of a row of `table`, for replay on resume: all of it except `learned`.

    A column that is missing or null, as in files of an older version, takes the field's default.
    """
    present = {name: value for name, value in row.items() if value is not None}
    proposal_type, result_type = _TYPES[present.get("kind", TrainProposal.kind)]

    def fields(of: type[Proposal] | type[Result]) -> dict[str, Any]:
        return {name: present[name] for name in _AS_THEY_ARE[of] if name in present}

    of_proposal = fields(proposal_type) | {
        "index": present["proposal"],
        "genome": genomes.loads(present["genome"]),
    }
    if proposal_type is TrainProposal:
        of_proposal["parents"] = tuple(present.get("parents", ()))
    else:
        of_proposal["settings"] = meta_training.loads(present["meta_training"])
    of_result = fields(result_type) | {"proposal": proposal_type(**of_proposal)}
    for name in {"started_at", "finished_at"} & present.keys():
        of_result[name] = (present[name] - _EPOCH) // _MICROSECOND / 1e6
    return result_type(**of_result)


def _microseconds(seconds: float) -> int | None:
    return round(seconds * 1e6) if seconds else None
