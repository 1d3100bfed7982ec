"""Learning curves as rows: the table `curves`, a row for each network and step, written with the network's own row.

The rows of a pack are stored just before its part of the leaderboard, so that a curve is whole wherever its network is.
A pack that was never stored, because the run was killed in between, leaves one file, which `drop_orphans` deletes.
"""

import io
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from evoact.leaderboard.location import Location
from evoact.leaderboard.schema import KEY, LEADERBOARD, ORDER, SCHEMA, Table
from evoact.records import Proposal, Result, TrainResult

_VERSION_KEY, _VERSION = b"evoact.curves_version", 1
_OF_NETWORK = ("run", *KEY, "proposal", "metric")
_POINT = {
    "step": pa.int64(),
    "val_metric": pa.float64(),
    "train_metric": pa.float64(),
    "train_loss": pa.float64(),
}
CURVES = Table(
    "curves",
    pa.schema(
        [*(SCHEMA.field(name) for name in _OF_NETWORK), *_POINT.items()],
        metadata={_VERSION_KEY: str(_VERSION).encode()},
    ),
    _VERSION_KEY,
    _VERSION,
    (*KEY, "step"),
    (*ORDER, "step"),
)
TABLES = (CURVES, LEADERBOARD)  # in the order in which they are written


def curve_rows(results: Sequence[Result], run: str) -> pa.Table:
    """Return the points of all networks' curves; none if none were taken."""
    rows = [row for result in results for row in _rows(result, run)]
    return pa.Table.from_pylist(rows, schema=CURVES.schema) if rows else _no_rows()


@lru_cache(maxsize=1)
def _no_rows() -> pa.Table:
    return CURVES.schema.empty_table()  # which imports pandas: not before it is needed


def _rows(result: Result, run: str) -> Iterator[dict[str, Any]]:
    if not isinstance(result, TrainResult) or not result.curve:
        return
    proposal = result.proposal
    network = dict(zip(KEY, _key(proposal), strict=True))
    network |= {"run": run, "proposal": proposal.index, "metric": result.metric}
    for point in result.curve:
        yield network | {name: getattr(point, name) for name in _POINT}


def _key(proposal: Proposal) -> tuple[Any, ...]:
    return tuple(getattr(proposal, name) for name in KEY)


def renumbered(points: pa.Table, before: pa.Table, after: pa.Table) -> pa.Table:
    """Return the points of networks whose rows got other numbers; those of networks without a row are left out.

    Args:
        points: rows of `curves`
        before, after: the same rows of the leaderboard in the same order
    """
    numbers = before.select(list(KEY))
    for name in ("candidate", "proposal"):
        numbers = numbers.append_column(f"new {name}", after[name])
    joined = points.join(numbers, list(KEY), join_type="inner")
    for name in ("candidate", "proposal"):
        joined = joined.set_column(joined.column_names.index(name), name, joined[f"new {name}"])
    return joined.select(CURVES.schema.names).cast(CURVES.schema)


def drop_orphans(home: Location, stored: Iterable[Result]) -> None:
    """Delete the curves of packs whose networks have no rows.

    Args:
        home: the run directory, to which nobody else writes
        stored: the results of all rows that are there
    """
    folder = home.child(CURVES.folder)
    known = {_key(result.proposal) for result in stored}
    for name in folder.names(".parquet"):
        if not name.startswith("part-"):  # made of others when their networks were there
            continue
        try:
            rows = pq.read_table(io.BytesIO(folder.child(name).read()), columns=list(KEY))
        except (OSError, pa.ArrowException, ValueError):  # damaged, which readers say
            continue
        keys = set(zip(*(rows[column].to_pylist() for column in KEY), strict=True))
        if not keys & known:
            folder.child(name).delete()
