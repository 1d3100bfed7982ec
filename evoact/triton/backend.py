"""Where the Triton kernels are, and for which devices.

EVOACT_TRITON=0 leaves them out. With TRITON_INTERPRET=1, Triton's own switch, they serve CPUs too, in Triton's
interpreter, which is slow and for tests of the kernels alone.
"""

import functools
import os
from types import ModuleType

import torch


def wanted(device: torch.device) -> bool:
    """Return whether the kernels are there and meant for this device."""
    return (device.type == "cuda" or os.environ.get("TRITON_INTERPRET") == "1") and loaded() is not None


@functools.cache
def loaded() -> ModuleType | None:
    """Return the module of the kernels, `evoact.triton.mixture`, or None."""
    if os.environ.get("EVOACT_TRITON", "1") == "0":
        return None
    try:
        from evoact.triton import mixture
    except ImportError:
        return None
    return mixture


def kernels() -> ModuleType:
    """Return the same, for a caller that knows that it is there."""
    found = loaded()
    assert found is not None
    return found


def function_codes() -> dict[str, int]:
    """Return the base functions that the kernels know, by name."""
    from evoact.triton.functions import NAMES

    return {name: code for code, name in enumerate(NAMES)}
