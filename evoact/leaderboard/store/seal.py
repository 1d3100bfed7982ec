"""A checksum over a whole Parquet file, in a gap between its last page and its footer, where no reader looks.

Parquet's own checksums cover pages alone. A bit that flips in the footer may rename a column, which then reads as null,
and one in the header of a page may make other numbers of the same bytes.
"""

import io
import zlib
from pathlib import Path
from typing import BinaryIO

MARK = b"\x00evoact1"

_SIZE = len(MARK) + 4
_TAIL = 8  # the length of the footer and Parquet's magic number
_BLOCK = 1 << 20


class Broken(Exception):
    """A file is not as it was written."""


def sealed(content: bytes) -> bytes:
    """Return a Parquet file with its checksum inside (CRC-32, as Parquet's own)."""
    at = len(content) - _TAIL - int.from_bytes(content[-_TAIL:-4], "little")
    return content[:at] + MARK + zlib.crc32(content).to_bytes(4, "little") + content[at:]


def check_seal(path: Path) -> bool:
    """Return whether the file has a seal; without one, as when another program wrote it, nothing is known.

    Raises:
        Broken: if it has one that does not fit.
    """
    with path.open("rb") as file:
        return _check(file)


def check(content: bytes) -> bool:
    """Return whether a file in memory has a seal, as above."""
    return _check(io.BytesIO(content))


def _check(file: BinaryIO) -> bool:
    size = file.seek(0, 2)
    if size < _SIZE + _TAIL:
        return False
    file.seek(size - _TAIL)
    at = size - _TAIL - int.from_bytes(file.read(4), "little") - _SIZE
    if at < 0:
        return False
    file.seek(at)
    seal = file.read(_SIZE)
    if not seal.startswith(MARK):
        return False
    checksum = 0
    for start, end in ((0, at), (at + _SIZE, size)):
        file.seek(start)
        for begin in range(start, end, _BLOCK):
            checksum = zlib.crc32(file.read(min(_BLOCK, end - begin)), checksum)
    if checksum.to_bytes(4, "little") != seal[len(MARK) :]:
        raise Broken("its checksum does not match its bytes")
    return True
