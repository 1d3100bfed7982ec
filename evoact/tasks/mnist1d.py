"""MNIST-1D (Greydanus 2020): ten digit shapes as signals of 40 points, made without a download.

The `mnist1d` package's generator with its default arguments (seed 42) gives the standard 4,000 training
and 1,000 test examples; 800 of the 4,000, drawn once, are the validation split. `test_large` holds
20,000 further examples from another seed: 1,000 examples have a standard error of 1.5 points,
too coarse for a verdict.
"""

import functools
import random
from collections.abc import Mapping

import numpy as np

from evoact.seeding import generator
from evoact.tasks.cache import cached
from evoact.tasks.task import ArrayTask, Split

SEED = 42  # of the standard data set
LARGE_SEED = 4242
LARGE_EXAMPLES = 20_000
VALIDATION_EXAMPLES = 800


def _generate(seed: int, examples: int, train_fraction: float) -> Mapping[str, np.ndarray]:
    from mnist1d.data import get_dataset_args, make_dataset

    args = get_dataset_args()
    args.seed, args.num_samples, args.train_split = seed, examples, train_fraction
    # The generator seeds and draws from the global generators: leave them as they were.
    python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        data = make_dataset(args)
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)  # noqa: NPY002
    return {key: data[key] for key in ("x", "y", "x_test", "y_test")}


@functools.cache
def _splits() -> Mapping[str, Split]:
    standard = cached("mnist1d", lambda: _generate(SEED, 5000, 0.8))
    large = cached("mnist1d_large", lambda: _generate(LARGE_SEED, LARGE_EXAMPLES, 1.0))
    order = generator("mnist1d", "validation").permutation(len(standard["x"]))
    validation, train = order[:VALIDATION_EXAMPLES], order[VALIDATION_EXAMPLES:]
    x, y = standard["x"].astype(np.float32), standard["y"].astype(np.int64)
    return {
        "train": Split(x[train], y[train]),
        "validation": Split(x[validation], y[validation]),
        "test": Split(standard["x_test"].astype(np.float32), standard["y_test"].astype(np.int64)),
        "test_large": Split(large["x"].astype(np.float32), large["y"].astype(np.int64)),
    }


def mnist1d() -> ArrayTask:
    """Return MNIST-1D with 3,200 / 800 / 1,000 examples and `test_large` of 20,000; metric accuracy.

    >>> mnist1d().input_shape
    (40,)
    """
    return ArrayTask(input_shape=(40,), n_outputs=10, classification=True, load=_splits)
