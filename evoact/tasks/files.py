"""Published data files: where they are looked for, how they come, and how they are known to be whole."""

import gzip
import hashlib
import os
import sys
import urllib.error
import urllib.request
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from evoact.cache_directory import cache_directory
from evoact.errors import UserError
from evoact.tasks.cache import appearing

TIMEOUT_SECONDS = 60
CHUNK = 1 << 20


@dataclass(frozen=True)
class DataFile:
    """A published file: `names` it may have on disk, the first being that of the download at `url`.

    `sha256` is that of the file; of its contents if it is `gzipped`, because the same data goes
    round in files that were compressed differently.
    """

    names: tuple[str, ...]
    url: str
    sha256: str
    gzipped: bool


def folders(task: str, data: str | None) -> list[Path]:
    """Return the folders in which a task's files are looked for: `data` alone if it is given; else in the task's folder
    in `$EVOACT_DATA`, then in the cache, where downloads go.

    >>> folders("cifar10", "here")
    [PosixPath('here')]
    >>> folders("cifar10", "~nobody-of-this-name/data")
    [PosixPath('~nobody-of-this-name/data')]
    """
    if data is not None:
        return [Path(os.path.expanduser(data))]  # as it is for a user who is not known
    configured = os.environ.get("EVOACT_DATA")
    return [Path(root) / task for root in ([configured] if configured else [])] + [cache_directory() / task]


def find(names: Sequence[str], task: str, data: str | None) -> Path | None:
    """Return the first of these names that exists in the task's folders."""
    candidates = (folder / name for folder in folders(task, data) for name in names)
    return next((path for path in candidates if path.exists()), None)


def missing(what: str, task: str, data: str | None, remedy: str) -> UserError:
    """Return the sentence for data that is not there."""
    places = " or ".join(str(folder) for folder in folders(task, data))
    return UserError(f"task {task}: expected {what} in {places}, found none; {remedy}")


def require(file: DataFile, task: str, data: str | None, download: bool) -> Path:
    """Return the path of a published file, downloaded if that is asked for and it is not there.

    Raises:
        UserError: if it is missing, cannot be downloaded, or is not what was published.
    """
    found = find(file.names, task, data)
    if found is not None:
        return found
    if not download:
        what = f"{file.names[0]} ({'contents with ' if file.gzipped else ''}sha256 {file.sha256})"
        raise missing(what, task, data, "set task.data to its folder, or task.download: true to fetch it")
    target = folders(task, data)[-1] / file.names[0]
    _download(file, target)
    return target


def _download(file: DataFile, target: Path) -> None:
    """Under a temporary name, checked, then renamed: what is under `target` is whole."""
    if os.environ.get("EVOACT_OFFLINE", "0") not in ("", "0"):
        raise UserError(
            f"expected to be allowed to download {file.url}, but EVOACT_OFFLINE is set: "
            f"put the file into {target.parent}, or unset EVOACT_OFFLINE"
        )
    print(f"downloading {file.url} to {target}", file=sys.stderr)
    try:
        with appearing(target) as temporary:
            with urllib.request.urlopen(file.url, timeout=TIMEOUT_SECONDS) as source:
                expected = source.headers.get("Content-Length")
                with temporary.open("wb") as output:
                    while chunk := source.read(CHUNK):
                        output.write(chunk)
            received = temporary.stat().st_size
            if expected is not None and received != int(expected):
                raise UserError(
                    f"{file.url}: expected {expected} bytes, got {received}; the connection broke, try again"
                )
            contents, problem = read_contents(temporary, file.gzipped)
            check(file.url, contents, file.sha256, problem, remedy="try again, or get it elsewhere")
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise UserError(
            f"could not download {file.url} to {target.parent}: {reason}; "
            "try again, or put the file there yourself"
        ) from None


def read_contents(path: Path, compressed: bool) -> tuple[bytes, str]:
    """Return a file's contents and what is wrong with its compression, if anything is; then the contents are
    as much as could be read."""
    raw = path.read_bytes()
    if not compressed:
        return raw, ""
    try:
        return gzip.decompress(raw), ""
    except (OSError, EOFError, zlib.error):
        stream = zlib.decompressobj(wbits=31)
        try:
            return stream.decompress(raw), "expected a whole gzip file, got one that ends too early"
        except zlib.error:
            return raw, "expected a gzip file, got a damaged file or one of another type"


def check(
    name: str,
    contents: bytes,
    sha256: str,
    problem: str = "",
    verify: bool = True,
    remedy: str = "get the file again, or set task.verify: false if it is meant to differ",
) -> None:
    """Check that contents are as published: no `problem` was found, and with `verify` the checksum agrees.

    Raises:
        UserError: naming the file, the problem, and the checksum expected and found.

    >>> check("a.bin", b"", "00ff")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    evoact.errors.UserError: a.bin: expected contents with sha256 00ff, found e3b0...; get the file again...
    """
    if not (problem or verify):
        return
    found = hashlib.sha256(contents).hexdigest()
    if problem and found != sha256:
        raise UserError(f"{name}: {problem} (sha256 of the contents: expected {sha256}, found {found})")
    if found != sha256:
        raise UserError(f"{name}: expected contents with sha256 {sha256}, found {found}; {remedy}")
