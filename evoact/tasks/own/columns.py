"""What the columns of a table are: numbers, categories, or nothing that a network could use, which is said."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evoact.errors import UserError, short
from evoact.registry import unknown
from evoact.tasks.own.raw_columns import is_numeric, is_text, named, plain
from evoact.tasks.own.suspicions import FIRST, numbers_rows
from evoact.tasks.own.written import written_otherwise

if TYPE_CHECKING:
    import pyarrow

# More different texts than either, the latter of the rows, name rows rather than kinds.
MANY_TEXTS, SHARE_OF_TEXTS = 50, 0.5
SHARE_OF_NUMBERS = 0.5  # of a column's different texts: with more that read as numbers it is a mix of both


@dataclass(frozen=True)
class Kind:
    """`number`, `category`, or `left out`, and in this case `why`; `note` is what is odd about one that is used."""

    kind: str
    why: str = ""
    note: str = ""


def kind_of_column(column: "pyarrow.ChunkedArray", name: str, categorical: bool = False) -> Kind:
    """Return what a column is.

    Raises:
        UserError: if numbers and texts are mixed in it.
    """
    from pyarrow import compute, types

    kind = column.type
    if column.null_count == len(column):
        return Kind("left out", "holds no value")
    if types.is_temporal(kind):
        return Kind(
            "left out",
            f"holds {'dates' if types.is_date(kind) or types.is_timestamp(kind) else 'times'}; store what matters of "
            "them as numbers (the month, an age in days), or split by it with task.time",
        )
    if not (is_numeric(kind) or is_text(kind)):
        return Kind("left out", f"holds {kind}, which is no number and no text")
    if categorical:
        return Kind("category")
    if types.is_integer(kind) and _beyond_floats(column):
        return Kind("left out", "holds whole numbers beyond 2^53, which name things and measure none")
    if is_numeric(kind):
        return Kind("number")
    different = compute.unique(column.combine_chunks()).drop_null()
    texts = (different.dictionary if types.is_dictionary(different.type) else different).to_pylist()
    _check_unmixed(texts, name)
    written = written_otherwise(texts)
    if len(texts) > max(MANY_TEXTS, SHARE_OF_TEXTS * (len(column) - column.null_count)):
        return Kind(
            "left out",
            written or f"holds {len(texts)} different texts in {len(column)} rows, which name rows",
        )
    return Kind("category", note=written)


def _beyond_floats(column: "pyarrow.ChunkedArray") -> bool:
    from pyarrow import compute

    ends = compute.min_max(column).as_py()
    return max(abs(ends["min"]), abs(ends["max"])) > 2**53


def _check_unmixed(texts: Sequence[str], name: str) -> None:
    words = [value for value in texts if not _is_number(value)]
    if words and len(texts) - len(words) > max(1, SHARE_OF_NUMBERS * len(texts)):
        raise UserError(
            f"expected numbers or categories in column {name}, got {len(texts) - len(words)} different numbers and "
            f"{', '.join(map(short, words[:3]))}; leave what is missing empty, or name the column in task.drop or "
            "task.categorical"
        )


def _is_number(value: str) -> bool:
    """
    >>> _is_number("1e-3"), _is_number("12 %")
    (True, False)
    """
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def features_of(
    table: "pyarrow.Table", left_out: Collection[str], categorical: Collection[str]
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return the columns that a network can use, float64 with NaN or texts with None [n], and notes about others.

    Args:
        table: all columns
        left_out: those that are no features
        categorical: numbers that are codes of categories

    Raises:
        UserError: if numbers are infinite or mixed with texts, or no column is left.
    """
    found: dict[str, np.ndarray] = {}
    notes = []
    for name in table.column_names:
        if name not in left_out:
            values, note = feature_of(table.column(name), name, name in categorical)
            notes += [note] if note else []
            if values is not None:
                found[name] = values
    if not found:
        raise UserError(
            "expected at least one column that a network can use, got none" + "; ".join(["", *notes])
        )
    return found, notes


def feature_of(
    column: "pyarrow.ChunkedArray", name: str, categorical: bool = False
) -> tuple[np.ndarray | None, str]:
    """Return a column, float64 with NaN or texts with None [n], or None if a network can use nothing of it, and a note.

    Raises:
        UserError: if numbers are infinite or mixed with texts.
    """
    kind = kind_of_column(column, name, categorical)
    values = None if kind.kind == "left out" else named(column) if kind.kind == "category" else plain(column)
    why = kind.why or ("is the same in every row" if values is not None and _constant(values) else "")
    if values is None or why:
        return None, f"column {name!r} is left out: it {why}"
    if values.dtype.kind != "f":
        return values, f"column {name!r} is read as categories, but {kind.note}" if kind.note else ""
    check_finite(values, name)
    if not numbers_rows(values):
        return values, ""
    return values, f"column {name!r} numbers the rows; add it to task.drop, unless its order means something"


def _constant(values: np.ndarray) -> bool:
    """
    >>> _constant(np.array([1.0, np.nan])), _constant(np.array(["a", "a"], object))
    (False, True)
    """
    return all(bool((part == values[0]).all()) for part in (values[:FIRST], values))


def check_finite(values: np.ndarray, name: str) -> None:
    """Check that numbers, where they are not missing, fit single precision."""
    largest = np.finfo(np.float32).max
    if max(np.fmax.reduce(values), -np.fmin.reduce(values)) > largest:
        wrong = np.abs(values) > largest
        row = int(wrong.argmax())
        others = f" and {int(wrong.sum()) - 1} more" if wrong.sum() > 1 else ""
        raise UserError(
            f"expected finite numbers that fit single precision in column {name}, got {values[row]} in row {row}"
            f"{others}; leave what is unknown empty, or drop such rows"
        )


def check_names(given: Sequence[str], key: str, table: "pyarrow.Table") -> None:
    """Check that columns are there.

    Raises:
        UserError: naming the nearest.
    """
    if len(set(given)) < len(given):
        raise UserError(f"expected different columns in task.{key}, got {short(list(given))}")
    for name in given:
        if name not in table.column_names:
            raise UserError(f"task.{key}: {unknown('column', name, table.column_names)}")


def targets_of(table: "pyarrow.Table", names: Sequence[str]) -> np.ndarray:
    """Return the columns to predict: labels or values [n], of several columns values [n, len(names)].

    Raises:
        UserError: if a row has none, or the columns hold what cannot be predicted.
    """
    from pyarrow import types

    read = []
    for name in names:
        column = table.column(name)
        if not (is_numeric(column.type) or is_text(column.type) or types.is_null(column.type)):
            raise UserError(f"expected classes or numbers in the target {name}, got {column.type}")
        values = (
            column.to_numpy() if types.is_boolean(column.type) and not column.null_count else _labels(column)
        )
        absent = np.isnan(values) if values.dtype.kind == "f" else values == None  # noqa: E711
        if np.any(absent):
            row = int(np.argmax(absent))
            raise UserError(
                f"expected a value of the target {name} in every row, got none in {int(np.sum(absent))} of "
                f"{len(values)}, the first of them row {row}; fill them in, or drop these rows"
            )
        read.append(values.astype(str) if values.dtype.kind == "O" else values)
    if len(read) == 1:
        return read[0]
    words = [name for name, values in zip(names, read, strict=True) if values.dtype.kind not in "biuf"]
    if words:
        raise UserError(
            f"expected numbers in several targets, got texts in {words[0]}; predict one column of classes"
        )
    return np.stack([values.astype(np.float64) for values in read], axis=1)


def _labels(column: "pyarrow.ChunkedArray") -> np.ndarray:
    """Integers stay so, that they may be classes; what has missing values becomes floats or texts."""
    from pyarrow import types

    if types.is_integer(column.type) and not column.null_count:
        values: np.ndarray = column.to_numpy()
        return values
    if types.is_boolean(column.type):
        return named(column)
    return plain(column)
