"""Keeping a training process's memory: what a step frees, the next one asks for again."""

import ctypes
import os

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
NEVER = 2**31 - 1  # bytes; the largest value that mallopt takes
KEPT = 2**25  # bytes; larger blocks would leave holes that add up to a third of a large pack


def keep_freed_memory() -> bool:
    """Have this process keep freed blocks of up to 32 MiB for its own later use; returns whether the C library can.

    By default glibc hands large blocks back to the system at once and gets them back page by page, zeroed:
    in packs of convolutional networks that is up to a fifth of a step. Larger blocks still go back, but come
    in pages of 2 MiB, where the system has them, if this is called before PyTorch makes a tensor as large.

    >>> keep_freed_memory() in (True, False)
    True
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # which PyTorch reads once
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, KEPT) and mallopt(M_TRIM_THRESHOLD, NEVER))
