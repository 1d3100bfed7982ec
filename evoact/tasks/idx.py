"""IDX files, the format of MNIST and its relatives (LeCun et al. 1998)."""

import math
from pathlib import Path

import numpy as np

from evoact.tasks.files import check, read_contents

UINT8 = 0x08


def read_idx(path: Path, shape: tuple[int | None, ...], sha256: str, verify: bool) -> np.ndarray:
    """Return the uint8 array in an IDX file, gzipped if the name ends in `.gz`.

    Args:
        shape: what it must have, with None if any length will do
        sha256: of the decompressed contents
        verify: False takes contents with another checksum, too

    Raises:
        UserError: if the file is damaged, holds something else, or fails the checksum.
    """
    contents, problem = read_contents(path, path.name.endswith(".gz"))
    problem = problem or _problem(contents, shape)
    check(str(path), contents, sha256, problem, verify)
    found = _shape(contents)
    return np.frombuffer(contents, np.uint8, offset=4 + 4 * len(found)).reshape(found).copy()


def _shape(contents: bytes) -> tuple[int, ...]:
    dimensions = contents[3]
    return tuple(int(n) for n in np.frombuffer(contents, ">u4", count=dimensions, offset=4))


def _problem(contents: bytes, shape: tuple[int | None, ...]) -> str:
    """Problems of an IDX file's contents: two zero bytes, a type, the number of dimensions, the
    lengths as big-endian integers of four bytes, the values."""
    header = 4 + 4 * len(shape)
    if len(contents) < 4 or contents[:2] != b"\0\0":
        return "expected an IDX file, got something else"
    if contents[2] != UINT8 or contents[3] != len(shape) or len(contents) < header:
        return f"expected an IDX file of bytes in {len(shape)} dimensions, got type {contents[2]} in {contents[3]}"
    found = _shape(contents)
    if any(e is not None and e != f for e, f in zip(shape, found, strict=True)):
        return f"expected shape {_text(shape)}, got {_text(found)}"
    if len(contents) - header != math.prod(found):
        return f"expected {math.prod(found)} values after the header, got {len(contents) - header}"
    return ""


def _text(shape: tuple[int | None, ...]) -> str:
    return " x ".join("any" if n is None else str(n) for n in shape)
