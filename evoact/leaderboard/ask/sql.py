"""Running a user's SQL over Parquet files in a limited child process."""

import json
import mmap
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from evoact.errors import UserError
from evoact.installation import FOLDER
from evoact.leaderboard.curves import CURVES
from evoact.leaderboard.schema import LEADERBOARD, SCHEMA, Table
from evoact.leaderboard.store.parts import Part
from evoact.registry import unknown

FAILED = 3  # as in `sandbox`, which is not imported here because it loads duckdb
MEMORY_GB = 4.0
ANSWER_GB = 4.0
SECONDS = 60.0


class Damaged(Exception):
    """A file could not be read."""


def run(
    query: str,
    parts: Sequence[Part],
    curves: Sequence[Part] = (),
    *,
    seconds: float = SECONDS,
    memory_gb: float = MEMORY_GB,
    answer_gb: float = ANSWER_GB,
) -> pa.Table:
    """Return the answer to one SELECT over the tables `leaderboard`, whose rows are in `parts`, and `curves`.

    Args:
        seconds, memory_gb: at most this much time and address space for the child process.
        answer_gb: the largest answer, which is kept in a file.

    Raises:
        UserError: if the query is refused or wrong, or exceeds a limit.
        Damaged: if a part cannot be read after all.
    """
    request = {
        "sql": query,
        "tables": {LEADERBOARD.folder: _source(LEADERBOARD, parts), CURVES.folder: _source(CURVES, curves)},
        "memory_bytes": int(memory_gb * 2**30),
        "answer_bytes": int(answer_gb * 2**30),
        "seconds": seconds,
    }
    with tempfile.TemporaryFile() as answer:
        try:
            child = subprocess.run(
                [sys.executable, "-P", "-m", "evoact.leaderboard.ask.sandbox"],
                input=json.dumps(request).encode(),
                stdout=answer,
                stderr=subprocess.PIPE,
                env=_environment(),
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise UserError(
                f"expected a query that ends within {seconds:g} seconds, got one that was stopped then; "
                "select less or join on a key"
            ) from None
        if child.returncode != 0:
            raise _failure(child.returncode, child.stderr.decode(errors="replace"), memory_gb, answer_gb)
        # Mapped, not read: the pages of a large answer are then the system's to drop.
        mapped = mmap.mmap(answer.fileno(), 0, access=mmap.ACCESS_READ)
        return pa.ipc.open_stream(pa.py_buffer(mapped)).read_all()


def _source(table: Table, parts: Sequence[Part]) -> dict[str, Any]:
    present = {name for part in parts for name in part.columns}
    return {
        "files": [str(part.path) for part in parts],
        "mixed": len({part.columns for part in parts}) > 1,
        "columns": {f.name: None if f.name in present else _duckdb(f.type) for f in table.schema},
    }


def _environment() -> dict[str, str]:
    """Enough for Python to start and find this package; nothing of what the user's shell holds."""
    keep = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "TMPDIR") if name in os.environ}
    paths = [str(FOLDER), os.environ.get("PYTHONPATH", "")]
    # One thread for numpy, which computes nothing there but would reserve address space for each core.
    fixed = {"HOME": os.devnull, "OPENBLAS_NUM_THREADS": "1"}
    return keep | fixed | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def _failure(code: int, stderr: str, memory_gb: float, answer_gb: float) -> Exception:
    lines = stderr.strip().splitlines() or [""]
    report: dict[str, Any] = {"kind": "crash", "message": lines[-1]}
    if code == FAILED:
        report = json.loads(lines[-1])
    kind, message = report["kind"], report["message"]
    if kind == "refused":
        return UserError(
            f"expected one SELECT over the tables 'leaderboard' and 'curves', got {message}; files, settings and other "
            "tables cannot be reached from here"
        )
    if kind == "memory" or (kind == "crash" and (code < 0 or "bad_alloc" in stderr or "Memory" in stderr)):
        return UserError(
            f"expected a query that needs at most {memory_gb:g} GB, got one that needs more; "
            "select fewer columns or aggregate"
        )
    if kind == "size":
        return UserError(
            f"expected an answer of at most {answer_gb:g} GB, got a larger one; add a LIMIT or aggregate"
        )
    if kind == "query":
        return UserError(_mistake(message))
    if kind == "damaged":
        return Damaged(message.splitlines()[0])
    return RuntimeError(f"the query's process ended with code {code}: {message}")


def _mistake(message: str) -> str:
    """DuckDB's first line, and for an unknown column the names there are."""
    first = message.splitlines()[0]
    name = re.search(r'[Cc]olumn (?:named )?"([^"]+)"', first)
    if name and "not found" in first:
        return unknown("column", name[1], dict.fromkeys((*SCHEMA.names, *CURVES.schema.names)))
    return f"expected a valid query, got one that fails: {first}"


def _duckdb(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"{_duckdb(kind.value_type)}[]"
    if pa.types.is_timestamp(kind):
        return "TIMESTAMPTZ"
    return {"string": "VARCHAR", "int64": "BIGINT", "double": "DOUBLE", "bool": "BOOLEAN"}[str(kind)]
