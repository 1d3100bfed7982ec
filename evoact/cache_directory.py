"""Where evoact keeps what it can make again: generated data, downloads, compiled kernels."""

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from evoact.errors import UserError


def cache_directory() -> Path:
    """Return `$EVOACT_CACHE`, or `~/.cache/evoact`, or for a user without a home directory one of their own among
    temporary files.

    Raises:
        UserError: if that last one is another user's.
    """
    configured = os.environ.get("EVOACT_CACHE")
    if configured:
        return Path(configured)
    try:
        return Path.home() / ".cache" / "evoact"
    except RuntimeError:  # a container may run as a number that no user has
        return _temporary()


def code_directory(name: str) -> Path:
    """Return the folder `name` of the cache, for code that will be loaded; made if need be. If others could write to it
    there, it is one among temporary files.

    Raises:
        UserError: if that is another user's, too.
        OSError: if it cannot be made.
    """
    place = cache_directory() / name
    with suppress(OSError):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        if place.stat().st_uid == os.geteuid():
            place.chmod(0o700)  # one of an earlier version may be open to a group
    if is_private(place):
        return place
    place = _temporary() / name
    place.mkdir(mode=0o700, exist_ok=True)
    return place


def is_private(place: Path) -> bool:
    """Return whether a file or directory is the user's, or the system's, and nobody else can write to or replace it.

    Above it a directory may be the group's, as homes often are, and anybody's if it is sticky, as /tmp is.
    """
    try:
        found = place.resolve(strict=True)
        states = [found.stat(), *(parent.stat() for parent in found.parents)]
    except OSError:
        return False
    own, above = states[0], states[1:]
    return (
        all(state.st_uid in (os.geteuid(), 0) for state in states)
        and not own.st_mode & 0o022
        and all(not state.st_mode & stat.S_IWOTH or state.st_mode & stat.S_ISVTX for state in above)
    )


def _temporary() -> Path:
    """Code is loaded from it, so nobody else may have made it."""
    place = Path(tempfile.gettempdir()) / f"evoact-cache-{os.getuid()}"
    place.mkdir(mode=0o700, exist_ok=True)
    found = place.lstat()
    if found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise UserError(
            f"expected a cache directory of your own, got {place}, which others can write to; "
            "set EVOACT_CACHE to a directory"
        )
    return place
