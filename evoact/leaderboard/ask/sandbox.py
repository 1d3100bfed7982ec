"""The process in which a user's SQL runs: `python -m evoact.leaderboard.ask.sandbox`.

It reads a request as JSON from standard input and writes the answer to standard output as an Arrow
stream, or one line of JSON with `kind` and `message` to standard error and exits with `FAILED`. It
imports little, because its start is part of every query's time. DuckDB's own memory limit does not
hold for single values, as in `repeat('x', 4000000000)`: the system's limit on the process does.
"""

import json
import os
import resource
import sys
from typing import Any

import duckdb
import pyarrow as pa

from evoact.leaderboard.ask.plain_types import projection
from evoact.leaderboard.ask.select_only import Refused, check, columns_read, tables_read

FAILED = 3


class Damaged(Exception):
    """The files could not be read."""


def main() -> int:
    """Answer one request; see `evoact.leaderboard.ask.sql.run`, the other end."""
    request = json.load(sys.stdin)
    try:
        _limit(request["memory_bytes"], request["answer_bytes"], request["seconds"])
        _answer(request)
        return 0
    except Refused as error:
        kind, message = "refused", str(error)
    except Damaged as error:
        kind, message = "damaged", str(error)
    except (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException) as error:
        kind, message = "query", str(error)
    except Exception as error:
        kind, message = _failure(error)
    print(json.dumps({"kind": kind, "message": message}), file=sys.stderr)
    return FAILED


def _failure(error: Exception) -> tuple[str, str]:
    """Describe the failure of a query; memory that ran out comes in many classes."""
    text = str(error)
    if isinstance(error, MemoryError | duckdb.OutOfMemoryException) or "alloc" in text:
        return "memory", text
    if isinstance(error, OSError):  # Arrow could not write more
        return "size", text
    return "query", text


def _limit(memory: int, answer: int, seconds: float) -> None:
    """Holds whatever the parent's death or DuckDB would let run on: memory, time, and what is written."""
    cpu = int(seconds * (os.cpu_count() or 1)) + 2
    limits = {
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_CPU: cpu,
        resource.RLIMIT_FSIZE: answer,
        resource.RLIMIT_CORE: 0,
    }
    for kind, value in limits.items():
        hard = resource.getrlimit(kind)[1]
        try:
            resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))
        except (ValueError, OSError):  # some systems do not limit the address space
            continue


def _answer(request: dict[str, Any]) -> None:
    connection = duckdb.connect(":memory:")
    connection.execute("SET memory_limit = ?", [f"{int(request['memory_bytes'] * 0.6)}B"])
    for setting in (
        f"threads = {min(8, os.cpu_count() or 1)}",  # each takes a share of the address space
        "python_enable_replacements = false",
        "autoinstall_known_extensions = false",
        "autoload_known_extensions = false",
        "temp_directory = ''",
        "preserve_insertion_order = true",
        "TimeZone = 'UTC'",
    ):
        connection.execute(f"SET {setting}")
    [serialized] = connection.execute(
        "SELECT json_serialize_sql(?::VARCHAR)", [request["sql"]]
    ).fetchone() or [""]
    tree = check(serialized)
    for name in sorted(tables_read(tree)):
        table = request["tables"][name]
        wanted = columns_read(tree, table["columns"]) or list(table["columns"])[:1]
        _load(connection, name, table, {column: table["columns"][column] for column in wanted})
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    answer = connection.sql(request["sql"])
    selected = projection(answer.columns, answer.types)
    reader = pa.RecordBatchReader.from_stream(answer if selected is None else answer.project(selected))
    with pa.output_stream(sys.stdout.buffer) as out, pa.ipc.new_stream(out, reader.schema) as stream:
        for batch in reader:
            stream.write_batch(batch)


def _load(connection: Any, name: str, table: dict[str, Any], columns: dict[str, str | None]) -> None:
    """Copies the wanted columns of a table into memory, so that the query itself needs no access to files.

    A view would be faster for `SELECT *`, but it needs the files allowed to the query, and DuckDB
    knows no permission to read without one to write. `columns` maps a name to its DuckDB type if no
    file has the column, else to None.
    """
    select = ", ".join(f'NULL::{kind} AS "{c}"' if kind else f'"{c}"' for c, kind in columns.items())
    create = f"CREATE TABLE {name} AS SELECT {select} FROM "
    # Paths that mean themselves, because patterns are expected.
    files = ["".join(f"[{c}]" if c in "*?[" else c for c in file) for file in table["files"]]
    if not files:
        connection.execute(create + "range(0)")
        return
    try:
        connection.execute(
            create + "read_parquet(?, union_by_name = ?, hive_partitioning = false)",
            [files, table["mixed"]],
        )
    except duckdb.Error as error:
        if _failure(error)[0] == "memory":
            raise
        raise Damaged(str(error)) from None


if __name__ == "__main__":
    sys.exit(main())
