"""Scanned handwritten digits of 8 x 8 pixels (Alpaydin & Kaynak 1998), as scikit-learn ships them."""

import functools
from collections.abc import Mapping

import numpy as np

from evoact.seeding import generator
from evoact.tasks.task import ArrayTask, Split, split_indices, standardised


@functools.cache
def _splits() -> Mapping[str, Split]:
    from sklearn.datasets import load_digits

    data = load_digits()
    x, y = data.images.astype(np.float32), data.target.astype(np.int64)
    parts = split_indices(len(x), (0.6, 0.2, 0.2), generator("digits", "splits"))
    names = ("train", "validation", "test")
    return standardised({n: Split(x[p], y[p]) for n, p in zip(names, parts, strict=True)})


def digits() -> ArrayTask:
    """Return 1,797 images, split 60 / 20 / 20 per cent once and for all; metric accuracy.

    >>> digits().input_shape
    (8, 8)
    """
    return ArrayTask(input_shape=(8, 8), n_outputs=10, classification=True, load=_splits)
