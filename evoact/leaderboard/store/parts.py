"""The Parquet files of a table of a run: which of them can be read, and reading some of their columns."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from evoact.leaderboard.ask.constant_columns import constant_column
from evoact.leaderboard.schema import LEADERBOARD, VERSION_KEY, Table
from evoact.leaderboard.store.seal import Broken, check_seal

# Few distinct values: read as dictionaries, so that the ranking compares numbers instead of texts.
DICTIONARIES = ("run", "arm", "phase", "state", "task", "metric", "direction")

# Where the footer of a file that is made of others names these, as JSON.
REPLACES_KEY = b"evoact.replaces"

# What Arrow raises of a damaged file that has no seal.
DAMAGE = (OSError, pa.ArrowException, ValueError, IndexError, KeyError, OverflowError, MemoryError)

# With fewer rows it is faster to read all columns, and one after another.
_MANY = 20_000


@dataclass(frozen=True, slots=True)
class Part:
    """A readable file: its footer, read once, and the leaderboard's columns that it has.

    `leaves` maps a column's name to its number among Parquet's columns. Of a `sealed` file every byte was checked.
    `replaces` names the files beside it that it was made of, which count no more.
    """

    path: Path
    footer: pq.FileMetaData
    leaves: Mapping[str, int]
    sealed: bool
    replaces: frozenset[str] = frozenset()

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.leaves)

    @property
    def rows(self) -> int:
        return int(self.footer.num_rows)

    @property
    def version(self) -> int:
        """The version of the schema that it was written in."""
        return int(self.footer.metadata[VERSION_KEY])

    @contextmanager
    def open(self) -> Iterator[pq.ParquetFile]:
        # Opened here and not by name, and read without look-ahead: a third less time for small files.
        with pa.OSFile(str(self.path)) as file:
            yield pq.ParquetFile(
                file,
                metadata=self.footer,
                read_dictionary=[name for name in DICTIONARIES if name in self.leaves],
                pre_buffer=False,
                page_checksum_verification=True,
            )


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that is left out, and the sentence that says why."""

    path: Path
    problem: str


def inspect(path: Path, like: Part | None = None, table: Table = LEADERBOARD) -> Part | Unreadable:
    """Judge a file by its seal and its footer: torn, foreign, damaged, of a newer version, or a part.

    Args:
        like: a part that this one probably resembles, which saves looking at every column.
        table: what it should be a part of

    Raises:
        FileNotFoundError: if there is no such file.
    """
    try:
        sealed = check_seal(path)
        footer = pq.read_metadata(path)
        alike = like if like and footer.schema.equals(like.footer.schema) else None
        schema = table.schema if alike else footer.schema.to_arrow_schema()
    except FileNotFoundError:
        raise
    except Broken as error:
        return damaged(path, error)
    except DAMAGE as error:
        return Unreadable(
            path, f"{path}: expected a Parquet file, got a damaged or foreign one: {_line(error)}"
        )
    version = (footer.metadata or {}).get(table.version_key, b"").decode(errors="replace")
    if not version.isdecimal():
        return Unreadable(
            path, f"{path}: expected a part of the table {table.folder}, got a foreign Parquet file"
        )
    if int(version) > table.version:
        expected = f"expected schema version {table.version} or older"
        return Unreadable(path, f"{path}: {expected}, got {version}; upgrade evoact to read it")
    if alike:
        return Part(path, footer, alike.leaves, sealed, _replaces(footer))
    names = set(schema.names)
    for field in table.schema:
        if field.name in names and not schema.field(field.name).type.equals(field.type):
            got = schema.field(field.name).type
            return Unreadable(path, f"{path}: expected column {field.name!r} of type {field.type}, got {got}")
    numbers = {footer.schema.column(i).path.partition(".")[0]: i for i in range(footer.num_columns)}
    leaves = {name: numbers[name] for name in table.schema.names if name in names}
    return Part(path, footer, leaves, sealed, _replaces(footer))


def inspect_all(paths: Iterable[Path], table: Table = LEADERBOARD) -> tuple[list[Part], list[Unreadable]]:
    """Sort the files of a directory into the readable and the others, in the order given, without replaced ones."""
    judged: list[Part | Unreadable] = []
    like = None
    for path in paths:
        judged.append(inspect(path, like, table))
        if like is None and isinstance(judged[-1], Part):
            like = judged[-1]
    gone = replaced(item for item in judged if isinstance(item, Part))
    return (
        [item for item in judged if isinstance(item, Part) and item.path.name not in gone],
        [item for item in judged if isinstance(item, Unreadable) and item.path.name not in gone],
    )


def replaced(parts: Iterable[Part]) -> frozenset[str]:
    """Return the names of the files that any of these was made of."""
    return frozenset().union(*(part.replaces for part in parts))


def _replaces(footer: pq.FileMetaData) -> frozenset[str]:
    try:
        names = json.loads((footer.metadata or {}).get(REPLACES_KEY, b"[]"))
        return frozenset(str(name) for name in names)
    except (ValueError, TypeError):
        return frozenset()


def read(
    parts: Sequence[Part], columns: Sequence[str], table: Table = LEADERBOARD
) -> tuple[pa.Table, list[Unreadable]]:
    """Return the columns of all rows in the order of the parts, null if a file lacks one.

    A file that turns out damaged contributes no rows and is named in the second value.
    """
    empty = pa.Table.from_batches([], pa.schema([(name, _type(name, table)) for name in columns]))
    tables, broken = [empty], []
    # One after another: threads over small files cost more than they gain, on two cores and on one.
    for part in parts:
        try:
            tables.append(_read(part, columns, table))
        except DAMAGE as error:
            broken.append(damaged(part.path, error))
    return pa.concat_tables(tables, promote_options="default").select(list(columns)), broken


def batches(part: Part, columns: Sequence[str], size: int, table: Table = LEADERBOARD) -> Iterator[pa.Table]:
    """Yield these columns of a whole file, so many rows at a time, in the types of the table; null if it lacks one."""
    schema = pa.schema([table.schema.field(name) for name in columns])
    missing = pa.schema([field for field in schema if field.name not in part.leaves])
    there = [name for name in columns if name in part.leaves]
    with part.open() as file:
        for batch in file.iter_batches(size, columns=there, use_threads=False):
            rows = pa.Table.from_batches([batch])
            for field in missing:
                rows = rows.append_column(field, pa.nulls(len(rows), field.type))
            yield rows.select(columns).cast(schema)


def damaged(path: Path, error: BaseException) -> Unreadable:
    """Return a file that was a part, and what was raised when it was read."""
    return Unreadable(path, f"{path}: expected a whole file, got a damaged one: {_line(error)}")


def _read(part: Part, columns: Sequence[str], of: Table) -> pa.Table:
    large = part.rows > _MANY
    kinds = {name: _type(name, of) for name in columns if name in part.leaves}
    constant = {
        n: constant_column(part.footer, part.leaves[n], kind) if large else None for n, kind in kinds.items()
    }
    with part.open() as file:
        table = file.read(columns=[name for name in kinds if constant[name] is None], use_threads=large)
    return pa.table({name: table[name] if array is None else array for name, array in constant.items()})


def _type(name: str, table: Table) -> pa.DataType:
    kind = table.schema.field(name).type
    return pa.dictionary(pa.int32(), kind) if name in DICTIONARIES else kind


def _line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
