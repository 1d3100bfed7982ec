"""Where members' checkpoints lie while a search may go on from them: one file each in the run directory."""

from collections.abc import Set

from evoact.leaderboard.location import Location
from evoact.leaderboard.store.seal import Broken
from evoact.leaderboard.store.tensors import packed, unpacked
from evoact.training.members import Checkpoint

CHECKPOINTS = "checkpoints"
SUFFIX = ".safetensors"


def store(home: Location, name: str, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, whole and durable: its worker does so, so that it need not travel through the driver.

    An object store that is out of reach costs a checkpoint, as if it had been lost, and not the run.
    """
    try:
        _file(home, name).write(packed(checkpoint))
    except OSError:
        if home.local is not None:
            raise


def stored(home: Location, name: str) -> Checkpoint | None:
    """Return the stored checkpoint; None if it is missing or cannot be read."""
    try:
        return unpacked(_file(home, name).read())
    except (OSError, Broken):
        return None


def keep_only(home: Location, names: Set[str]) -> None:
    """Delete all other checkpoints."""
    folder = home.child(CHECKPOINTS)
    for file in folder.names(SUFFIX):
        if file.removesuffix(SUFFIX) not in names:
            folder.child(file).delete()


def _file(home: Location, name: str) -> Location:
    return home.child(CHECKPOINTS, f"{name}{SUFFIX}")
