"""Where evoact keeps what it can make again: generated data, downloads, compiled kernels."""

import os
import tempfile
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
