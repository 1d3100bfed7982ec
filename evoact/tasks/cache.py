"""Arrays computed once and kept on disk, in `$EVOACT_CACHE` or `~/.cache/evoact`."""

import os
import tempfile
import uuid
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from evoact.cache_directory import cache_directory
from evoact.errors import UserError


def is_cached(name: str) -> bool:
    """Return whether there are arrays stored under `name`."""
    return (cache_directory() / f"{name}.npz").is_file()


def cached(name: str, make: Callable[[], Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Return the arrays stored under `name`, made by `make` if there are none or the file is damaged.

    The file appears under its name only when it is complete, so that processes may race for it.
    """
    path = cache_directory() / f"{name}.npz"
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        pass
    with _writing(path):  # first, because to make them may take long
        path.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path.parent).close()
    arrays = dict(make())
    with _writing(path), appearing(path) as temporary, temporary.open("wb") as output:
        np.savez(output, allow_pickle=False, **arrays)
    return arrays


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"expected to be able to write {path}: {error.strerror or error}; "
            "set EVOACT_CACHE to a folder with room for it"
        ) from None


@contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """Yield a temporary name to write to, which becomes `path` when all went well and goes otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
