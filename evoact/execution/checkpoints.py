"""Where members' checkpoints lie while a search may go on from them: one file each in the run directory."""

from collections.abc import Set

import numpy as np

from evoact.leaderboard.location import Location
from evoact.training.members import Checkpoint

CHECKPOINTS = "checkpoints"
SUFFIX = ".safetensors"


def store(home: Location, name: str, checkpoint: Checkpoint) -> None:
    """Whole and durable, by the worker that made it, so that it need not travel through the driver."""
    from safetensors.numpy import save

    content = save({key: np.ascontiguousarray(array) for key, array in checkpoint.items()})
    _file(home, name).write(content)


def stored(home: Location, name: str) -> Checkpoint | None:
    """Return the stored checkpoint; None if it is missing or cannot be read."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return load(_file(home, name).read())
    except (OSError, SafetensorError):
        return None


def keep_only(home: Location, names: Set[str]) -> None:
    """Delete all other checkpoints."""
    folder = home.child(CHECKPOINTS)
    for file in folder.names(SUFFIX):
        if file.removesuffix(SUFFIX) not in names:
            folder.child(file).delete()


def _file(home: Location, name: str) -> Location:
    return home.child(CHECKPOINTS, f"{name}{SUFFIX}")
