"""Tensors as a safetensors file that says if it is damaged: a checksum of each in the metadata of its header.

Files without one, from before there were any, are read unchecked.
"""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from evoact.leaderboard.store.seal import Broken

CHECKSUMS = "crc32"


def packed(tensors: Mapping[str, np.ndarray]) -> bytes:
    """Return tensors as the bytes of one file.

    >>> unpacked(packed({"w": np.arange(3)}))["w"].tolist()
    [0, 1, 2]
    """
    from safetensors.numpy import save

    arrays = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    return save(arrays, {CHECKSUMS: json.dumps({name: _checksum(array) for name, array in arrays.items()})})


def unpacked(content: bytes) -> dict[str, np.ndarray]:
    """Return the tensors of a file in memory, by name.

    Raises:
        Broken: if it is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays: dict[str, np.ndarray] = load(content)
    except (SafetensorError, ValueError) as error:
        raise Broken(str(error)) from None
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    told = _told(header.get("__metadata__"))
    if told is not None and told != {name: _checksum(array) for name, array in arrays.items()}:
        raise Broken("its checksums do not match its tensors")
    return arrays


def first(path: Path, prefix: str) -> np.ndarray | None:
    """Return the first tensor with such a name, reading no other; None if there is none.

    Raises:
        Broken: if the file, as far as it was read, is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as file:
            name = next((name for name in file.keys() if name.startswith(prefix)), None)  # noqa: SIM118
            told = _told(file.metadata())
            array: np.ndarray | None = None if name is None else file.get_tensor(name)
    except (SafetensorError, ValueError) as error:
        raise Broken(str(error)) from None
    of_prefix = {n: checksum for n, checksum in (told or {}).items() if n.startswith(prefix)}
    found = {} if name is None or array is None else {name: _checksum(array)}
    if told is not None and not (found.items() <= of_prefix.items() and bool(found) == bool(of_prefix)):
        raise Broken("its checksums do not match its tensors")
    return array


def _told(metadata: Mapping[str, str] | None) -> dict[str, int] | None:
    if not metadata or CHECKSUMS not in metadata:
        return None
    try:
        told = json.loads(metadata[CHECKSUMS])
    except ValueError:
        raise Broken("its checksums cannot be read") from None
    if not isinstance(told, dict):
        raise Broken("its checksums cannot be read")
    return told


def _checksum(array: np.ndarray) -> int:
    """Of a tensor's type and shape, too: safetensors takes other numbers from the same bytes."""
    return zlib.crc32(
        np.ascontiguousarray(array).data, zlib.crc32(f"{array.dtype.str} {array.shape}".encode())
    )
