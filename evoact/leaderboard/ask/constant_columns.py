"""Columns that need not be read, because the file's footer says that all their values are the same.

In a compacted run half of the columns that the ranking looks at are such: run, arm, rung, direction.
"""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from evoact.leaderboard.ask.arrow_numpy import from_numpy, from_texts

# The least and greatest value of a longer text may be cut in the footer.
_LONGEST = 32


def constant_column(footer: pq.FileMetaData, leaf: int, kind: pa.DataType) -> pa.Array | None:
    """Return the column with this number as an array, if it is all null or holds one text or whole number.

    Texts come dictionary-encoded. None means that the values differ, or that the footer does not say.
    """
    if pa.types.is_nested(kind):  # an empty list counts as null in the statistics
        return None
    values: set[object] = set()
    for i in range(footer.num_row_groups):
        group = footer.row_group(i)
        statistics = group.column(leaf).statistics
        if statistics is None or not statistics.has_null_count:
            return None
        if statistics.null_count == group.num_rows:
            values.add(None)
        elif statistics.null_count or not statistics.has_min_max or statistics.min != statistics.max:
            return None
        else:
            values.add(statistics.min)
        if len(values) > 1:
            return None
    return _filled(values.pop(), footer.num_rows, kind) if values else None


def _filled(value: object, rows: int, kind: pa.DataType) -> pa.Array | None:
    if value is None:
        return pa.nulls(rows, kind)
    if isinstance(value, int) and kind == pa.int64():
        return from_numpy(np.full(rows, value))
    if isinstance(value, str) and pa.types.is_dictionary(kind) and len(value.encode()) < _LONGEST:
        zeros = pa.py_buffer(np.zeros(rows, np.int32))
        return pa.DictionaryArray.from_arrays(
            pa.Array.from_buffers(pa.int32(), rows, [None, zeros]), from_texts([value])
        )
    return None
