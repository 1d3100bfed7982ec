"""Where evoact keeps what it can make again: generated data, downloads, compiled kernels."""

import os
from pathlib import Path


def cache_directory() -> Path:
    """`$EVOACT_CACHE`, or `~/.cache/evoact`."""
    configured = os.environ.get("EVOACT_CACHE")
    return Path(configured) if configured else Path.home() / ".cache" / "evoact"
