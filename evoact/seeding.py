"""Randomness as an argument: every generator derives from named keys, never from a global state.

The same keys give the same stream in any process and in any order of calls, which is what makes
a search independent of the number of workers and repeatable after a crash.
"""

import hashlib
import random

import numpy as np


def derive(*keys: int | str) -> int:
    """Return a 64-bit seed that depends on every key and on their order.

    >>> derive(0, "weights", 3) == derive(0, "weights", 3)
    True
    >>> derive(0, "weights", 3) == derive(0, "batches", 3)
    False
    """
    digest = hashlib.blake2b(repr(keys).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def generator(*keys: int | str) -> np.random.Generator:
    """Return a NumPy generator for these keys.

    >>> bool(generator(1, "a").random() == generator(1, "a").random())
    True
    """
    return np.random.default_rng(derive(*keys))


def python_random(*keys: int | str) -> random.Random:
    """Return a generator of the standard library for these keys; the genetic operators draw from it."""
    return random.Random(derive(*keys))
