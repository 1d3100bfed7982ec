"""An answer of the leaderboard as the bytes of a CSV, JSON or Parquet file."""

import io
import json
import math
import re
import uuid
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

from evoact.errors import UserError
from evoact.leaderboard.store.write import PARQUET

# Seconds since 1970 in the years 1 to 9999: other times Python has no type for, nor for infinite ones.
_FIRST, _LAST = -62_135_596_800, 253_402_300_799
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def encoded(rows: pa.Table, name: str) -> bytes:
    """Return the answer as csv, json or parquet.

    Raises:
        UserError: if the format cannot hold a column.
    """
    encode = {"csv": to_csv, "json": to_json, "parquet": to_parquet}[name]
    try:
        return encode(rows)
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        raise UserError(
            f"expected columns that {name} can hold, got others: {str(error).splitlines()[0]}; cast them in the query, "
            "as in column::VARCHAR"
        ) from None


def to_csv(rows: pa.Table) -> bytes:
    """Return comma-separated values with a header; lists as JSON, null as nothing.

    >>> to_csv(pa.table({"a": [1, None], "b": [[1, 2], []]})).decode().splitlines()
    ['"a","b"', '1,"[1, 2]"', ',"[]"']
    """
    flat = [column if _csv_has(column) else _texts(column) for column in rows.columns]
    buffer = io.BytesIO()
    csv.write_csv(pa.Table.from_arrays(flat, names=rows.column_names), buffer)
    return buffer.getvalue()


def _csv_has(column: pa.ChunkedArray) -> bool:
    kind = column.type
    if pa.types.is_date32(kind) or pa.types.is_timestamp(kind):
        date = pa.types.is_date32(kind)
        per_second = 1 / 86_400 if date else _PER_SECOND[kind.unit]
        found = pc.min_max(column.cast(pa.int32() if date else pa.int64())).as_py()
        return found["min"] is None or (
            found["min"] >= _FIRST * per_second and found["max"] <= _LAST * per_second
        )
    return not (pa.types.is_nested(kind) or pa.types.is_binary(kind))


def _texts(column: pa.ChunkedArray) -> pa.Array:
    return pa.array([None if value is None else text(value) for value in values(column)], pa.string())


def to_json(rows: pa.Table) -> bytes:
    """Return a list of records; NaN and infinity, which JSON has not, as null, times in ISO 8601, decimals with all
    digits.

    >>> to_json(pa.table({"a": [1.5, float("nan")]})).decode()
    '[\\n{"a": 1.5},\\n{"a": null}\\n]\\n'
    """
    mark = uuid.uuid4().hex  # around decimals, which Python's encoder has no way to write as numbers
    columns = [[plain(value, mark) for value in values(column)] for column in rows.columns]
    records = (dict(zip(rows.column_names, line, strict=True)) for line in zip(*columns, strict=True))
    lines = [re.sub(f'"{mark}([^"]*)"', r"\1", json.dumps(record)) for record in records]
    return ("[\n" + ",\n".join(lines) + "\n]\n" if lines else "[]\n").encode()


def to_parquet(rows: pa.Table) -> bytes:
    """Return a Parquet file of these columns."""
    buffer = io.BytesIO()
    pq.write_table(rows, buffer, compression=PARQUET["compression"])
    return buffer.getvalue()


def plain(value: Any, mark: str = "") -> Any:
    """Return a value as JSON has it; a decimal that is no whole number is a text that begins with `mark`.

    >>> plain({"at": float("inf"), "in": (1, True), "sum": Decimal(12)})
    {'at': None, 'in': [1, True], 'sum': 12}
    """
    if isinstance(value, dict):
        return {str(key): plain(item, mark) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, mark) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, Decimal):
        return int(value) if value.as_tuple().exponent == 0 else f"{mark}{value}"
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def text(value: Any) -> str:
    """Return a value in a cell: lists and structures as JSON."""
    if isinstance(value, list | tuple | dict):
        return json.dumps(plain(value), ensure_ascii=False)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def values(column: pa.ChunkedArray) -> list[Any]:
    """Return a column as Python's objects; times outside the years 1 to 9999 and infinite ones as texts.

    >>> values(pa.chunked_array([pa.array([2932896, 2932897, 2**31 - 1, None], pa.date32())]))
    [datetime.date(9999, 12, 31), '10000-01-01', 'infinity', None]
    """
    try:
        found: list[Any] = column.to_pylist()
    except (OverflowError, ValueError):
        return [_value(scalar) for scalar in column]
    return found


def _value(scalar: pa.Scalar) -> Any:
    kind = scalar.type
    if not scalar.is_valid:
        return None
    if pa.types.is_map(kind):
        return [tuple(map(_value, pair.values())) for pair in scalar.values]
    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        return [_value(item) for item in scalar.values]
    if pa.types.is_struct(kind):
        return {name: _value(item) for name, item in scalar.items()}
    try:
        return scalar.as_py()
    except (OverflowError, ValueError):
        date = pa.types.is_date32(kind)
        if abs(scalar.value) == (2**31 if date else 2**63) - 1:  # as DuckDB writes them
            return "infinity" if scalar.value > 0 else "-infinity"
        return str(np.datetime64(scalar.value, "D" if date else kind.unit))
