"""An answer of the leaderboard as the bytes of a CSV, JSON or Parquet file."""

import io
import json
import math
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from evoact.leaderboard.write import PARQUET


def to_csv(rows: pa.Table) -> bytes:
    """Comma-separated values with a header; lists as JSON, null as nothing.

    >>> to_csv(pa.table({"a": [1, None], "b": [[1, 2], []]})).decode().splitlines()
    ['"a","b"', '1,"[1, 2]"', ',"[]"']
    """
    flat = [
        pa.array([None if v is None else json.dumps(plain(v)) for v in column.to_pylist()], pa.string())
        if pa.types.is_nested(column.type)
        else column
        for column in rows.columns
    ]
    buffer = io.BytesIO()
    csv.write_csv(pa.Table.from_arrays(flat, names=rows.column_names), buffer)
    return buffer.getvalue()


def to_json(rows: pa.Table) -> bytes:
    """A list of records; NaN and infinity, which JSON has not, as null, times in ISO 8601.

    >>> to_json(pa.table({"a": [1.5, float("nan")]})).decode()
    '[\\n{"a": 1.5},\\n{"a": null}\\n]\\n'
    """
    lines = [json.dumps(plain(record)) for record in rows.to_pylist()]
    return ("[\n" + ",\n".join(lines) + "\n]\n" if lines else "[]\n").encode()


def to_parquet(rows: pa.Table) -> bytes:
    """A Parquet file of these columns."""
    buffer = io.BytesIO()
    pq.write_table(rows, buffer, compression=PARQUET["compression"])
    return buffer.getvalue()


def plain(value: Any) -> Any:
    """A value as JSON has it.

    >>> plain({"at": float("inf"), "in": (1, True)})
    {'at': None, 'in': [1, True]}
    """
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
