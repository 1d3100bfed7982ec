"""Columns of tables as plain arrays: numbers float64 with NaN where one is missing, categories texts or None."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from evoact.errors import UserError, counted, short

# How people write that a value is missing; "?" in the archive of the University of California at Irvine.
MISSING = frozenset(
    ("", "?", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "-NaN", "-nan", "NULL", "null", "<NA>", "None", "NaT")
)
COLUMNS_SHOWN = 8


def text(value: Any) -> str | None:
    """Return a category's name; None if it is missing.

    >>> text("red"), text(3), text(3.0), text(float("nan")), text("?")
    ('red', '3', '3', None, None)
    """
    if isinstance(value, (float, np.floating)):
        if math.isnan(value):
            return None
        value = int(value) if float(value).is_integer() else value
    said = str(value)
    return None if said in MISSING else said


def columns_of(raw: Any, wanted: Mapping[str, bool]) -> dict[str, np.ndarray]:
    """Return the columns of a table by name; `wanted` says of each whether it holds numbers.

    Args:
        raw: a DataFrame or an Arrow table, a mapping from names to values, or an array [n, columns] in their order

    Raises:
        UserError: if a column is missing, or holds what is no number.
    """
    given = _by_name(raw, tuple(wanted))
    missing = [name for name in wanted if name not in given]
    if missing:
        raise UserError(
            f"expected the columns {_shown(tuple(wanted))}, got none called {missing[0]!r}; give those that "
            "the network was trained on"
        )
    found = {
        name: _numbers(name, given[name]) if number else _texts(given[name])
        for name, number in wanted.items()
    }
    if len({len(values) for values in found.values()}) > 1:
        raise UserError(
            "expected columns of the same length, got "
            + ", ".join(f"{n}: {len(v)}" for n, v in found.items())
        )
    return found


def _by_name(raw: Any, names: tuple[str, ...]) -> Mapping[str, Any]:
    if hasattr(raw, "__arrow_c_stream__"):  # pandas, Polars, Arrow and all that give their tables to others
        import pyarrow

        table = pyarrow.table(raw)
        return {name: plain(table.column(name)) for name in names if name in table.column_names}
    if isinstance(raw, Mapping):
        return raw
    if hasattr(raw, "toarray"):  # SciPy's sparse matrices
        raw = raw.toarray()
    # Rows of several kinds, as lists, would all become texts.
    x = np.asarray(raw) if hasattr(raw, "__array__") else np.asarray(raw, dtype=object)
    if x.ndim != 2 or x.shape[1] != len(names):
        raise UserError(
            f"expected {counted(len(names), 'column')} ({_shown(names)}), got an array of shape {x.shape}; give what "
            "the network was trained on"
        )
    return {name: x[:, i] for i, name in enumerate(names)}


def _shown(names: tuple[str, ...]) -> str:
    return ", ".join(names[:COLUMNS_SHOWN]) + (", ..." if len(names) > COLUMNS_SHOWN else "")


def plain(column: Any) -> np.ndarray:
    """Return an Arrow column: float64 with NaN if it holds numbers or booleans, else texts or None."""
    import pyarrow

    kind = column.type
    if pyarrow.types.is_boolean(kind):
        column = column.cast(pyarrow.uint8())
    if pyarrow.types.is_decimal(kind):
        column = column.cast(pyarrow.float64())
    if not is_numeric(kind):
        return named(column) if is_text(kind) else _objects(column.to_pylist())
    values: np.ndarray = column.to_numpy()
    return values.astype(np.float64, copy=False)


def is_text(kind: Any) -> bool:
    """Return whether an Arrow type holds texts, or categories of whatever kind."""
    from pyarrow import types

    texts = types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
    return bool(texts or types.is_dictionary(kind))


def is_numeric(kind: Any) -> bool:
    """Return whether an Arrow type holds numbers or booleans."""
    from pyarrow import types

    return bool(
        types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_decimal(kind)
    )


def named(column: Any) -> np.ndarray:
    """Return an Arrow column as the names of categories: texts or None."""
    import pyarrow

    coded = column.combine_chunks()
    coded = coded if pyarrow.types.is_dictionary(coded.type) else coded.dictionary_encode()
    names = np.array([*map(text, coded.dictionary.to_pylist()), None], dtype=object)
    return names[coded.indices.fill_null(len(names) - 1).to_numpy(zero_copy_only=False)]


def _numbers(name: str, values: Any) -> np.ndarray:
    x = np.asarray(values)
    found = (
        x.astype(np.float64) if x.dtype.kind in "biuf" else np.array([_number(name, v) for v in x.tolist()])
    )
    if np.isinf(found).any():
        raise UserError(
            f"expected finite numbers in column {name}, got {found[np.isinf(found)][0]} in row "
            f"{int(np.isinf(found).argmax())}; leave what is unknown empty"
        )
    return found


def _number(name: str, value: Any) -> float:
    try:
        return math.nan if value is None or str(value) in MISSING else float(value)
    except (TypeError, ValueError):
        raise UserError(
            f"expected numbers in column {name}, got {short(value)}; leave what is missing empty"
        ) from None


def _texts(values: Any) -> np.ndarray:
    x = np.asarray(values, dtype=object)
    return _objects([text(value) if value is not None else None for value in x.tolist()])


def _objects(values: list[Any]) -> np.ndarray:
    """Whatever they are: NumPy would make more dimensions of lists."""
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found
