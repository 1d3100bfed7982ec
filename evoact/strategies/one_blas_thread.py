"""Linear algebra of a strategy on one thread.

Its matrices are small, so that threads mostly wait for each other: on two of them a fit took ten times as long, and
beside workers that train, whose processors they take, longer. Nor may proposals depend on how many processors a
driver has, as the order of a sum does.
"""

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def one_thread(function: Callable[P, R]) -> Callable[P, R]:
    """Return the function, during which BLAS has one thread.

    >>> import numpy as np
    >>> one_thread(np.linalg.cholesky)(np.eye(2)).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """

    @functools.wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> R:
        with _pools().limit(limits=1, user_api="blas"):
            return function(*args, **kwargs)

    return limited


@functools.cache
def _pools() -> Any:
    """Those of the libraries loaded by the first call, found once: that takes 10 ms."""
    import scipy.linalg  # noqa: F401  NumPy and SciPy bring a BLAS each
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
