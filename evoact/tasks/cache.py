"""Arrays computed once and kept on disk, in `$EVOACT_CACHE` or `~/.cache/evoact`."""

import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np


def cache_directory() -> Path:
    """Where generated data is kept."""
    configured = os.environ.get("EVOACT_CACHE")
    return Path(configured) if configured else Path.home() / ".cache" / "evoact"


def is_cached(name: str) -> bool:
    """Whether there are arrays stored under `name`."""
    return (cache_directory() / f"{name}.npz").is_file()


def cached(name: str, make: Callable[[], Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The arrays stored under `name`, made by `make` where there are none or the file is damaged.

    The file appears under its name only when it is complete, so that processes may race for it.
    """
    path = cache_directory() / f"{name}.npz"
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files}
    except (FileNotFoundError, ValueError, EOFError, zipfile.BadZipFile):
        pass
    arrays = dict(make())
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{name}.{os.getpid()}.npz")
    np.savez(temporary, allow_pickle=False, **arrays)
    os.replace(temporary, path)
    return arrays
