"""Arrays in npz files that people made, with a sentence for each way in which such a file can be damaged."""

import zipfile
from collections.abc import Collection
from pathlib import Path

import numpy as np

from evoact.errors import UserError

LONGEST_REASON = 160  # characters of a library's own words


def npz_names(path: str) -> list[str]:
    """Return the names of the arrays in an npz file.

    Raises:
        UserError: if there is no such file, or it is no npz file.
    """
    if not Path(path).is_file():
        raise UserError(f"expected task.path to name an npz file, got {path!r}, which does not exist")
    try:
        with zipfile.ZipFile(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise UserError(
            f"{path}: expected an npz file, as np.savez(path, x=x, y=y) writes it, got something "
            f"unreadable ({reason(error)})"
        ) from None


def read_npz(path: str, names: Collection[str]) -> dict[str, np.ndarray]:
    """Return these arrays of an npz file; what else it holds is not read.

    Raises:
        UserError: naming the array that cannot be read.
    """
    arrays = {}
    with np.load(path, allow_pickle=False) as stored:
        for name in names:
            try:
                array = stored[name]
            # Whatever a damaged file makes them stumble over, NumPy, zipfile and zlib raise: RuntimeError of an
            # encrypted member, TokenError and MemoryError of a damaged header, zlib.error of damaged contents.
            except Exception as error:
                raise UserError(
                    f"{path}: expected an array {name} that can be read, got {reason(error)}; "
                    "save it again as an array of numbers, by np.savez(path, x=x, y=y)"
                ) from None
            if not isinstance(array, np.ndarray):  # NumPy gives the bytes of what is no array
                raise UserError(
                    f"{path}: expected an array {name}, got a file of another kind; save it again"
                )
            arrays[name] = array
    return arrays


def reason(error: Exception) -> str:
    """Return a library's error in a line.

    >>> reason(MemoryError("no room\\nat all"))
    'MemoryError: no room'
    """
    first = next(iter(str(error).splitlines()), "")[:LONGEST_REASON]
    return f"{type(error).__name__}: {first}".removesuffix(": ")
