"""The Parquet files of a leaderboard: which of them can be read, and reading some of their columns."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from evoact.leaderboard.schema import SCHEMA, SCHEMA_VERSION, VERSION_KEY

# Few distinct values: read as dictionaries, so that the ranking compares numbers instead of texts.
DICTIONARIES = ("run", "arm", "phase", "state", "direction")

_THREADS = 4


@dataclass(frozen=True, slots=True)
class Part:
    """A readable file: its footer, read once, and the leaderboard's columns that it has."""

    path: Path
    footer: pq.FileMetaData
    columns: tuple[str, ...]

    @property
    def rows(self) -> int:
        return int(self.footer.num_rows)

    def open(self) -> pq.ParquetFile:
        return pq.ParquetFile(
            self.path,
            metadata=self.footer,
            read_dictionary=list(DICTIONARIES),
            page_checksum_verification=True,
        )


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that is left out, and the sentence that says why."""

    path: Path
    problem: str


def inspect(path: Path) -> Part | Unreadable:
    """Judges a file by its footer: torn, foreign, of a newer version, or a part.

    Raises:
        FileNotFoundError: if there is no such file.
    """
    try:
        footer = pq.read_metadata(path)
    except FileNotFoundError:
        raise
    except (OSError, pa.ArrowException) as error:
        return Unreadable(path, f"{path}: expected a Parquet file, got a torn or foreign one: {_line(error)}")
    version = (footer.metadata or {}).get(VERSION_KEY, b"").decode(errors="replace")
    if not version.isdecimal():
        return Unreadable(path, f"{path}: expected a part of a leaderboard, got a foreign Parquet file")
    if int(version) > SCHEMA_VERSION:
        expected = f"expected schema version {SCHEMA_VERSION} or older"
        return Unreadable(path, f"{path}: {expected}, got {version}; upgrade evoact to read it")
    schema = footer.schema.to_arrow_schema()
    if schema.equals(SCHEMA):  # nearly always, and much faster than field by field
        return Part(path, footer, tuple(SCHEMA.names))
    names = set(schema.names)
    for field in SCHEMA:
        if field.name in names and not schema.field(field.name).type.equals(field.type):
            got = schema.field(field.name).type
            return Unreadable(path, f"{path}: expected column {field.name!r} of type {field.type}, got {got}")
    return Part(path, footer, tuple(name for name in SCHEMA.names if name in names))


def inspect_all(paths: Iterable[Path]) -> tuple[list[Part], list[Unreadable]]:
    """Sorts files into the readable and the others, in the order given."""
    with ThreadPoolExecutor(_THREADS) as pool:
        judged = list(pool.map(inspect, paths))
    return (
        [item for item in judged if isinstance(item, Part)],
        [item for item in judged if isinstance(item, Unreadable)],
    )


def read(parts: Sequence[Part], columns: Sequence[str]) -> tuple[pa.Table, list[Unreadable]]:
    """The columns of all rows in the order of the parts, null where a file lacks one.

    A file that turns out damaged contributes no rows and is named in the second value.
    """

    def one(part: Part) -> pa.Table | Unreadable:
        try:
            with part.open() as file:
                wanted = [name for name in columns if name in part.columns]
                # Many small files are read side by side, the columns of one large file likewise.
                table = file.read(columns=wanted, use_threads=len(parts) < _THREADS)
        except (OSError, pa.ArrowException) as error:
            return Unreadable(
                part.path, f"{part.path}: expected a whole file, got a damaged one: {_line(error)}"
            )
        return table if wanted else table.select([])

    with ThreadPoolExecutor(_THREADS) as pool:
        tables = list(pool.map(one, parts))
    empty = pa.schema([(name, _type(name)) for name in columns]).empty_table()
    good = [table for table in tables if isinstance(table, pa.Table)]
    whole = pa.concat_tables([empty, *good], promote_options="default").select(list(columns))
    return whole.unify_dictionaries(), [table for table in tables if isinstance(table, Unreadable)]


def _type(name: str) -> pa.DataType:
    kind = SCHEMA.field(name).type
    return pa.dictionary(pa.int32(), kind) if name in DICTIONARIES else kind


def _line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
