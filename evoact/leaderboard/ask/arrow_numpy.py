"""Numbers and texts between numpy and Arrow, straight through Arrow's buffers.

pyarrow's own conversions import pandas wherever it is installed: half a second and 60 MB, more than
a whole ranking takes.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

_DTYPES = {pa.int32(): np.int32, pa.int64(): np.int64, pa.float64(): np.float64}


def to_numpy(column: pa.ChunkedArray, missing: float) -> np.ndarray:
    """Return a column of int32, int64 or float64 as one array, with `missing` in place of null.

    >>> to_numpy(pa.chunked_array([[1, None], [3]]), -1)
    array([ 1, -1,  3])
    """
    dtype = np.dtype(_DTYPES[column.type])
    if len(column) and column.null_count == len(column):  # takes no memory
        return np.broadcast_to(dtype.type(missing), len(column))
    pieces = [np.zeros(0, dtype)]
    for chunk in column.chunks:
        if chunk.null_count == len(chunk):
            pieces.append(np.full(len(chunk), missing, dtype))
            continue
        validity, values = chunk.buffers()
        piece = np.frombuffer(values, dtype, len(chunk), chunk.offset * dtype.itemsize)
        if chunk.null_count:
            bits = np.unpackbits(np.frombuffer(validity, np.uint8), bitorder="little")
            piece = np.where(bits[chunk.offset : chunk.offset + len(chunk)], piece, dtype.type(missing))
        pieces.append(piece)
    return np.concatenate(pieces)


def from_numpy(values: np.ndarray) -> pa.Array:
    """Return an array of integers or floats as an Arrow array of int64 or float64, NaN as null.

    >>> from_numpy(np.array([1.5, np.nan])).to_pylist()
    [1.5, None]
    """
    if values.dtype.kind == "f":
        kind, values, validity = pa.float64(), values.astype(np.float64), ~np.isnan(values)
        bitmap = pa.py_buffer(np.packbits(validity, bitorder="little"))
    else:
        kind, values, bitmap = pa.int64(), values.astype(np.int64), None
    return pa.Array.from_buffers(kind, len(values), [bitmap, pa.py_buffer(np.ascontiguousarray(values))])


def from_texts(texts: Sequence[str]) -> pa.Array:
    """Return texts as an Arrow array.

    >>> from_texts(["sin", "", "3 · relu"]).to_pylist()
    ['sin', '', '3 · relu']
    """
    encoded = [text.encode() for text in texts]
    offsets = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    return pa.Array.from_buffers(
        pa.string(), len(encoded), [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded))]
    )
