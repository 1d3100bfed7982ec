"""Keeping a training process's memory: what a step frees, the next one asks for again."""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
KEPT = 2**31 - 1  # bytes; the largest value that mallopt takes


def keep_freed_memory() -> bool:
    """Have this process keep freed memory for its own later use; return whether the C library can.

    By default glibc hands large blocks back to the system at once and gets them back page by page, zeroed:
    in packs of convolutional networks that is up to a fifth of a step.

    >>> keep_freed_memory() in (True, False)
    True
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, KEPT) and mallopt(M_TRIM_THRESHOLD, KEPT))
