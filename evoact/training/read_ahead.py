"""Reading the next batch while the present one trains."""

from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

from evoact.tasks.task import OnDemand, fetch


class ReadAhead:
    """Inputs that are read on demand, one batch ahead of the training.

    What is returned does not depend on it; a batch that was read ahead and is not asked for is dropped.
    """

    def __init__(self, inputs: OnDemand, dtype: torch.dtype):
        self.inputs, self.dtype = inputs, dtype
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="read-ahead")
        self._pending: tuple[Tensor, Future[Tensor]] | None = None

    def __call__(self, rows: Tensor, following: Tensor) -> Tensor:
        """The inputs of these examples, as `fetch` gives them, and those `following` read in the background."""
        if self._pending is not None and torch.equal(self._pending[0], rows):
            read = self._pending[1].result()
        else:
            read = fetch(self.inputs, rows, self.dtype)
        self._pending = following, self._reader.submit(fetch, self.inputs, following, self.dtype)
        return read
