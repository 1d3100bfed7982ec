"""Tables in files: CSV, Parquet, Feather, folders of Parquet files, here or at any URI that pyarrow opens."""

import os
import re
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from evoact.errors import UserError, counted
from evoact.tasks.own.npz import npz_names, read_npz, reason
from evoact.tasks.own.raw_columns import MISSING

if TYPE_CHECKING:
    import pyarrow

SUFFIXES = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".feather": "feather",
    ".arrow": "feather",
    ".ipc": "feather",
    ".npz": "npz",
}
COMPRESSED = (".gz", ".bz2", ".zst", ".lz4")
KINDS = "CSV (.csv, .tsv), Parquet, Feather, npz, or a folder of Parquet files"
HEAD = 2**20  # bytes of a CSV file that tell its delimiter
BLOCK, LARGEST_BLOCK = 2**22, 2**30  # bytes that are parsed at a time


def kind_of(path: str) -> str:
    """Return `csv`, `parquet`, `feather` or `npz`, by the ending of a name; `folder` of another.

    >>> kind_of("s3://bucket/a.csv.gz?region=us-east-1"), kind_of("a.PARQUET"), kind_of("a")
    ('csv', 'parquet', 'folder')
    """
    root, ending = _split(path)
    if ending in COMPRESSED:
        ending = os.path.splitext(root)[1]
    return SUFFIXES.get(ending, "folder")


def _split(path: str) -> tuple[str, str]:
    """The name in lower case, without the options of a URI, and its ending."""
    name = path.partition("?")[0] if "://" in path else path
    return os.path.splitext(name.lower().rstrip("/"))


def read_table(path: str) -> "pyarrow.Table":
    """Return the table of a file, or of a folder of Parquet files.

    Raises:
        UserError: if there is none, it is empty, cannot be read, or two of its columns have one name.
    """
    import pyarrow
    from pyarrow import fs

    try:
        filesystem, place = _opened(path)
        info = filesystem.get_file_info(place)
    except (OSError, ValueError) as error:
        raise UserError(f"expected a file that pyarrow opens, got {path!r} ({reason(error)})") from None
    if info.type == fs.FileType.NotFound:
        raise UserError(f"expected a table, {KINDS}, got {path!r}, which does not exist")
    kind = kind_of(path) if info.type == fs.FileType.File else "folder"
    if info.type == fs.FileType.File and kind == "folder":
        raise UserError(f"expected a table, {KINDS}, got {path!r} with another ending; rename or convert it")
    if info.type == fs.FileType.File and not info.size:
        raise UserError(f"{path}: expected a table with a line of names and rows, got an empty file")
    try:
        table = _READERS[kind](filesystem, place, path)
        names = table.column_names
    except (pyarrow.ArrowException, OSError, ValueError, KeyError) as error:
        raise UserError(f"{path}: expected a table that can be read, got {_sentence(error, kind)}") from None
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise UserError(f"{path}: expected one column {twice[0]!r}, got several of that name; rename them")
    if not table.num_rows or not table.num_columns:
        raise UserError(
            f"{path}: expected rows, got {counted(table.num_columns, 'column')} and {counted(table.num_rows, 'row')}"
        )
    return table


def widened(table: "pyarrow.Table", columns: Mapping[str, Any]) -> "pyarrow.Table":
    """Return a table with more columns, NumPy arrays [rows] by name, behind its own.

    Raises:
        UserError: if it has a column of such a name.
    """
    import pyarrow

    for name, values in columns.items():
        if name in table.column_names:
            raise UserError(
                f"expected a table without a column {name!r}, which is to be written, got one; rename it"
            )
        table = table.append_column(name, pyarrow.array(values))
    return table


def written_as(path: str) -> str:
    """Return in which form a table is written to a file of this name, `csv`, `tsv` or `parquet`.

    >>> written_as("why?.TSV"), written_as("s3://bucket/a.tsv?region=us-east-1"), written_as("a.pq")
    ('tsv', 'tsv', 'parquet')

    Raises:
        UserError: for another ending.
    """
    kind, ending = kind_of(path), _split(path)[1]
    if kind not in ("csv", "parquet") or ending in COMPRESSED:
        raise UserError(f"expected a file that ends in .csv or .parquet, got {path!r}; name it so")
    return "tsv" if ending == ".tsv" else kind


def encoded(table: "pyarrow.Table", form: str) -> bytes:
    """Return a table as the bytes of a file in a form of `written_as`."""
    import pyarrow
    from pyarrow import csv, parquet

    content = pyarrow.BufferOutputStream()
    if form == "parquet":
        parquet.write_table(table, content)
    else:
        csv.write_csv(table, content, csv.WriteOptions(delimiter="\t" if form == "tsv" else ","))
    return content.getvalue().to_pybytes()


def _opened(path: str) -> tuple[Any, str]:
    from pyarrow import fs

    if "://" in path:
        filesystem, place = fs.FileSystem.from_uri(path)
        return filesystem, place
    return fs.LocalFileSystem(), os.path.abspath(os.path.expanduser(path))


def _csv(filesystem: Any, place: str, path: str) -> "pyarrow.Table":
    import pyarrow

    with filesystem.open_input_stream(place) as stream:
        head = stream.read(HEAD)
    try:
        table = _parsed(filesystem, place, head, BLOCK)
    except pyarrow.ArrowInvalid as error:
        # Types are inferred from the first block: with one of all, what stands far below decides, too.
        size = filesystem.get_file_info(place).size or 0
        if "conversion error" not in str(error) or size > LARGEST_BLOCK:
            raise
        table = _parsed(filesystem, place, head, LARGEST_BLOCK)
    binary = [field.name for field in table.schema if pyarrow.types.is_binary(field.type)]
    if binary:
        raise UserError(
            f"{path}: expected text in UTF-8, got other bytes in column {binary[0]}; save it as UTF-8"
        )
    return table


def _parsed(filesystem: Any, place: str, head: bytes, block: int) -> "pyarrow.Table":
    from pyarrow import csv

    delimiter = _delimiter(head.partition(b"\n")[0])
    comma = (
        delimiter == ";" and re.search(rb"[;\n]-?\d+,\d+[;\r\n]", head) and not re.search(rb"\d\.\d", head)
    )
    with filesystem.open_input_stream(place) as stream:
        return csv.read_csv(
            stream,
            csv.ReadOptions(block_size=block),
            csv.ParseOptions(delimiter=delimiter, newlines_in_values=b'"' in head),
            csv.ConvertOptions(
                null_values=sorted(MISSING),
                strings_can_be_null=True,
                true_values=["true", "True", "TRUE"],
                false_values=["false", "False", "FALSE"],
                decimal_point="," if comma else ".",
            ),
        )


def _delimiter(header: bytes) -> str:
    """
    >>> _delimiter(b"age;sex;income"), _delimiter(b"a,b;c,d"), _delimiter(b"alone")
    (';', ',', ',')
    """
    return max(",;\t|", key=lambda sign: header.count(sign.encode()))


def _parquet(filesystem: Any, place: str, path: str) -> "pyarrow.Table":
    from pyarrow import parquet

    return parquet.read_table(place, filesystem=filesystem)


def _feather(filesystem: Any, place: str, path: str) -> "pyarrow.Table":
    from pyarrow import feather

    with filesystem.open_input_file(place) as file:
        return feather.read_table(file)


def _npz(filesystem: Any, place: str, path: str) -> "pyarrow.Table":
    """Arrays of one length are columns; those of two dimensions are several."""
    import pyarrow

    arrays = read_npz(place, npz_names(place))
    columns = {}
    for name, array in arrays.items():
        if array.ndim == 1:
            columns[name] = array
        elif array.ndim == 2:
            columns |= {f"{name}{i}": array[:, i] for i in range(array.shape[1])}
    return pyarrow.table(columns)


def _folder(filesystem: Any, place: str, path: str) -> "pyarrow.Table":
    from pyarrow import dataset

    found = dataset.dataset(place, filesystem=filesystem, format="parquet", partitioning="hive")
    if not found.files:
        raise UserError(f"{path}: expected a folder of Parquet files, got one without any")
    return found.to_table()


_READERS = {"csv": _csv, "parquet": _parquet, "feather": _feather, "npz": _npz, "folder": _folder}


def _sentence(error: Exception, kind: str) -> str:
    said = reason(error)
    if isinstance(error, UnicodeDecodeError) or "UTF-8" in said or "UTF8" in said:
        return f"text that is not UTF-8 ({said}); save it as UTF-8"
    if kind == "csv" and "Expected" in said and "columns" in said:
        return (
            f"lines of different lengths ({said}); quote texts that hold the delimiter, or complete the line"
        )
    return f"{said}; save it again"
