"""Data in memory (DataFrames, arrays, PyTorch's datasets) as a file, which workers and resumed runs read."""

import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evoact.errors import UserError
from evoact.tasks.own.raw_columns import is_numeric, named

if TYPE_CHECKING:
    import pyarrow

FOLDER = "data"  # of a run directory, for data that was given in memory
TARGET = "target"  # the column of targets that were given beside the features
LARGEST_DENSE = 2**31  # bytes that a sparse matrix may take when it is written out
FORMS = (
    "a DataFrame (pandas, Polars) or an Arrow table with the target's column, a pair (x, y) of arrays, a mapping of "
    "columns, or a PyTorch Dataset of (input, target)"
)


@dataclass(frozen=True)
class Stored:
    """A file's name and content, and the `task` section of a config that reads it, but for its `path`."""

    name: str
    content: bytes
    task: Mapping[str, Any]


def task_of(data: Any, target: Any, run_dir: str | Path) -> dict[str, Any]:
    """Return the `task` section of a config for somebody's data; what is in memory is stored in `RUN_DIR/data` first.

    Args:
        data: a path or a URI of a table, or data in memory, as `as_file` takes it
        target: the column to predict, or several; of data in memory also the targets themselves
        run_dir: a directory, or a URI that pyarrow opens

    Raises:
        UserError: if the data is no table, or the target is missing.
    """
    if isinstance(data, (str, Path)):
        return {"name": "table", "path": str(data), **({} if target is None else {"target": target})}
    from pyarrow import fs

    stored = as_file(data, target)
    place = str(run_dir)
    if "://" in place:
        filesystem, folder = fs.FileSystem.from_uri(place)
    else:
        place = folder = os.path.abspath(os.path.expanduser(place))
        filesystem = fs.LocalFileSystem()
    filesystem.create_dir(f"{folder}/{FOLDER}", recursive=True)
    with filesystem.open_output_stream(f"{folder}/{FOLDER}/{stored.name}") as stream:
        stream.write(stored.content)
    return {**stored.task, "path": f"{place}/{FOLDER}/{stored.name}"}


def as_file(data: Any, target: Any = None) -> Stored:
    """Return data in memory as one file: Parquet if it has named columns, else npz with `x` and `y`.

    Args:
        data: a DataFrame, an Arrow table, a mapping from names to columns, an array x, a pair (x, y), a SciPy sparse
            matrix, or a PyTorch `Dataset` of pairs
        target: the name of the column to predict, or several; or the targets themselves [n] or [n, outputs]

    Raises:
        UserError: if the data is none of these, or the target is missing.

    >>> stored = as_file({"age": [20, 30], "sex": ["f", "m"]}, "sex")
    >>> stored.name, stored.task
    ('table.parquet', {'name': 'table', 'target': 'sex'})
    """
    by_name = isinstance(target, str) or (
        isinstance(target, (list, tuple)) and bool(target) and all(isinstance(name, str) for name in target)
    )
    if isinstance(data, Mapping) or hasattr(data, "__arrow_c_stream__"):
        table = _table(data)
        if by_name:
            names = [target] if isinstance(target, str) else list(target)
            return _parquet(_with_texts(table, names), names)
        if target is None:
            raise UserError(
                f"expected target, the column to predict or the values themselves, got none; the columns are "
                f"{', '.join(table.column_names)}"
            )
        return _parquet(*_with_targets(_with_texts(table, ()), target))
    if by_name and not (isinstance(data, np.ndarray) and data.dtype.names):
        raise UserError(
            f"expected named columns with target {target!r}, got {type(data).__name__}; give {FORMS}"
        )
    if isinstance(data, np.ndarray) and data.dtype.names:  # a record array
        return as_file({name: data[name] for name in data.dtype.names}, target)
    x, y = _pair(data, target)
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, x=x, y=y)
    return Stored("arrays.npz", content.getvalue(), {"name": "table"})


def _table(data: Any) -> "pyarrow.Table":
    import pyarrow

    try:
        if hasattr(data, "columns") and hasattr(data, "iloc"):  # pandas: an index is no feature
            table = pyarrow.Table.from_pandas(data, preserve_index=False)
        else:
            table = pyarrow.table(dict(data) if isinstance(data, Mapping) else data)
    except (pyarrow.ArrowException, TypeError, ValueError) as error:
        raise UserError(
            f"expected columns of one kind each, got some that Arrow cannot hold ({_words(error)[:200]}); make each "
            "column numbers, or texts"
        ) from None
    return table.replace_schema_metadata(None)


def _words(error: Exception) -> str:
    """What an error says: pandas' columns add a line to what Arrow says."""
    said = [str(part).splitlines()[0].rstrip(".") for part in error.args if str(part)]
    return ": ".join(reversed(said))


def _with_texts(table: "pyarrow.Table", targets: Sequence[str]) -> "pyarrow.Table":
    """Categorical columns as texts, which files keep; numbers that are targets stay so."""
    import pyarrow

    for i, field in enumerate(table.schema):
        if pyarrow.types.is_dictionary(field.type):
            column = table.column(i)
            if field.name in targets and is_numeric(field.type.value_type):
                texts = column.cast(field.type.value_type)
            else:
                texts = pyarrow.array(named(column), pyarrow.string())
            table = table.set_column(i, field.name, texts)
    return table


def _with_targets(table: "pyarrow.Table", target: Any) -> tuple["pyarrow.Table", list[str]]:
    """The table with the targets as columns of their own."""
    y = np.asarray(target)
    if y.ndim not in (1, 2) or len(y) != table.num_rows:
        raise UserError(
            f"expected a target for each of {table.num_rows} rows, got an array of shape {y.shape}"
        )
    columns = y.reshape(len(y), -1).T
    names = [TARGET if len(columns) == 1 else f"{TARGET}{i}" for i in range(len(columns))]
    for name, values in zip(names, columns, strict=True):
        while name in table.column_names:
            raise UserError(f"expected no column called {name!r} beside the targets, got one; rename it")
        table = table.append_column(name, [values.tolist() if values.dtype.kind in "OUS" else values])
    return table, names


def _parquet(table: "pyarrow.Table", names: Sequence[str]) -> Stored:
    from pyarrow import parquet

    content = io.BytesIO()
    parquet.write_table(table, content)
    return Stored(
        "table.parquet",
        content.getvalue(),
        {"name": "table", "target": names[0] if len(names) == 1 else list(names)},
    )


def _pair(data: Any, target: Any) -> tuple[np.ndarray, np.ndarray]:
    if target is not None:
        x, y = data, target
    elif isinstance(data, tuple) and len(data) == 2:
        x, y = data
    elif hasattr(data, "__getitem__") and hasattr(data, "__len__") and not isinstance(data, np.ndarray):
        x, y = _examples(data)
    else:
        raise UserError(f"expected {FORMS}, got {type(data).__name__}")
    return _array(x, "x"), _array(y, "y")


def _examples(dataset: Any) -> tuple[Any, Any]:
    """All examples of a PyTorch `Dataset`."""
    pairs = [dataset[i] for i in range(len(dataset))]
    if not pairs or not all(isinstance(pair, (tuple, list)) and len(pair) == 2 for pair in pairs):
        raise UserError(f"expected {FORMS}, got {type(dataset).__name__} of {len(pairs)} other things")
    x, y = ([_plain(value) for value in values] for values in zip(*pairs, strict=True))
    return x, y


def _plain(value: Any) -> Any:
    """Tensors of PyTorch, wherever they are and whatever trains them, as arrays."""
    return value.detach().cpu().numpy() if hasattr(value, "detach") else value


def _array(values: Any, name: str) -> np.ndarray:
    if hasattr(values, "toarray"):
        if values.shape[0] * values.shape[1] * 8 > LARGEST_DENSE:
            raise UserError(
                f"expected {name} that fits memory when written out, got a sparse matrix {values.shape}; reduce its "
                "columns first, for instance by sklearn.decomposition.TruncatedSVD"
            )
        values = values.toarray()
    try:
        array = np.asarray(_plain(values))
    except ValueError as error:
        raise UserError(
            f"expected {name} of one shape for all examples, got others ({error}); pad or crop them"
        ) from None
    if array.dtype.kind == "O":
        kinds = sorted({type(value).__name__ for value in array.ravel().tolist()})
        if kinds != ["str"]:
            raise UserError(
                f"expected {name} of numbers, or of names as classes, got objects ({', '.join(kinds[:4])}); give a "
                "DataFrame if columns are of several kinds"
            )
        array = array.astype(str)
    return array
