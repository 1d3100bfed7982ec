"""Unpickling plain data: containers, numbers, text, bytes and NumPy arrays of numbers, nothing else.

A pickle is a program; this reads those of published data sets without running what else they may hold.
"""

import io
import pickle
from typing import Any

import numpy as np


def load_plain(contents: bytes) -> Any:
    """Return what a pickle holds, text of Python 2 as bytes; None if it is damaged or holds anything else.

    >>> load_plain(pickle.dumps({b"labels": [1, 2]}))
    {b'labels': [1, 2]}
    >>> load_plain(pickle.dumps(print)) is None
    True
    """
    try:
        return _PlainUnpickler(io.BytesIO(contents), encoding="bytes").load()
    except Exception:  # a damaged pickle may raise anything: the standard library says so
        return None


def _dtype(code: str, align: bool = False, copy: bool = True) -> np.dtype:
    if np.dtype(code).hasobject:
        raise pickle.UnpicklingError(f"arrays of {code} are not plain data")
    return np.dtype(code, align=bool(align), copy=bool(copy))  # Python 2 wrote 0 and 1


def _latin1(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"{encoding} is not how bytes are pickled")
    return text.encode("latin1")


def _empty() -> bytes:
    return b""


_RECONSTRUCT = np.zeros(0).__reduce__()[0]
_ADMITTED = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): _dtype,
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,  # NumPy before 2
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("_codecs", "encode"): _latin1,
    ("__builtin__", "bytes"): _empty,  # how protocol 2 writes b""
}


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            raise pickle.UnpicklingError(f"{module}.{name} is not plain data")
        return _ADMITTED[module, name]
