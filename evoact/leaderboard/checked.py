"""JSON that says if it was changed: an entry `sum`, the checksum of the others, whatever way they are written."""

import json
from collections.abc import Mapping
from typing import Any
from zlib import crc32

SUM = "sum"


def checked(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is to be written: the data as it will be read, and its checksum.

    >>> unchecked(checked({"a": (1, 2)}))
    {'a': [1, 2]}
    """
    plain = json.loads(json.dumps(data))
    return {**plain, SUM: _checksum(plain)}


def unchecked(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data without its checksum; one without any, as older versions wrote it, is taken as it is.

    Raises:
        ValueError: if it is not what the checksum is of.
    """
    content = {name: value for name, value in data.items() if name != SUM}
    if SUM in data and data[SUM] != _checksum(content):
        raise ValueError("another checksum")
    return content


def _checksum(content: Mapping[str, Any]) -> str:
    return f"{crc32(json.dumps(content, sort_keys=True).encode()):08x}"
