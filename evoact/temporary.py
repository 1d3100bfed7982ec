"""Temporary directories that go with their process: what a killed one left, the next one removes."""

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

_OWNER = ".owner"


class Temporary:
    """A temporary directory for a purpose; `remove` it when it is not needed any more.

    The system holds a lock in it for as long as this process lives, by which others see that it does, also from another
    container, where processes have other numbers.
    """

    def __init__(self, purpose: str):
        """Make it, and remove those for the same purpose whose process is gone."""
        prefix = f"evoact-{purpose}-"
        for found in Path(tempfile.gettempdir()).glob(f"{prefix}*/{_OWNER}"):
            _remove_if_left(found)
        while True:
            self.place = Path(tempfile.mkdtemp(prefix=prefix))
            with suppress(FileNotFoundError):  # somebody else took it for left, before there was a lock
                self._file = (self.place / _OWNER).open("w")
                with suppress(OSError):  # a file system without locks, on which nobody removes anything
                    fcntl.flock(self._file, fcntl.LOCK_EX)
                if os.path.samestat(os.fstat(self._file.fileno()), (self.place / _OWNER).stat()):
                    return

    def remove(self) -> None:
        shutil.rmtree(self.place, ignore_errors=True)
        self._file.close()


def _remove_if_left(owner: Path) -> None:
    with suppress(OSError), owner.open("r+") as file:  # of another user, or of one that lives
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(owner.parent, ignore_errors=True)
