"""The steps of a pack, one after the other; on CUDA captured as a graph, with nothing in them that waits for the GPU.

A step of a pack is some hundred small kernels, which take a GPU less time than a processor needs to launch them. Packs
do the same operations at the same addresses in every step, so after a few steps they are captured once (a CUDA graph)
and then launched together, until members leave the pack. What differs between steps is copied in: the batch, prepared
on a second stream while the step before is computed, and the optimizer's coefficients, sent many steps at a time.

EVOACT_GRAPHS=0 leaves graphs out. People's own networks and losses, whose Python may do another thing in another step,
are never captured, nor is what draws random numbers, such as dropout.
"""

import os
from collections.abc import Callable

import torch
from torch import Tensor, cuda

from evoact.networks.own.module_network import ModuleNetwork
from evoact.tasks.images import ImageTask
from evoact.tasks.task import ArrayTask, sent
from evoact.tasks.trajectories import VectorFieldTask
from evoact.training.pack import Pack, coefficients_of, count_step, train_step, updated

WARM_UP = 3  # steps before the capture, in which kernels are compiled and libraries set up
SENT_TOGETHER = 256  # steps whose coefficients go to the GPU at once


class Steps:
    """Each call is an optimizer step of every member of a pack, as `train_step` does it, and returns their losses [K].

    The pack's tensors stay in their places while this is in use.
    """

    def __init__(self, pack: Pack):
        self.pack = pack
        self.device = next(iter(pack.parameters.values())).device
        self.call = _OnGPU(pack, self.device) if self.device.type == "cuda" else self._plain

    def __call__(self) -> Tensor:
        return self.call()

    def _plain(self) -> Tensor:
        return train_step(self.pack)


class _OnGPU:
    """The steps on a GPU; `captured` says whether they are a graph by now."""

    def __init__(self, pack: Pack, device: torch.device):
        self.pack, self.device = pack, device
        self.ahead = _Ahead(pack)
        self.first, self.table = 0, torch.empty(0)  # coefficients of the steps from the first on, a row each
        # Steps to go before the capture; negative: there will be none.
        self.left = WARM_UP if repeats(pack) else -1
        self.inputs = self.targets = self.coefficients = self.losses = torch.empty(0)
        self.replay: Callable[[], None] | None = None

    @property
    def captured(self) -> bool:
        return self.replay is not None

    def __call__(self) -> Tensor:
        pack = self.pack
        inputs, targets = self.ahead(pack.step)
        coefficients = self._coefficients(pack.step)
        if self.left == 0:
            self.left = -1
            self._capture(inputs, targets, coefficients)
        if self.replay is not None:
            self.inputs.copy_(inputs)
            self.targets.copy_(targets)
            self.coefficients.copy_(coefficients)
            self.replay()
            losses = self.losses.clone()
        else:
            losses = updated(pack, inputs, targets, coefficients.unbind())
            self.left -= self.left > 0
        count_step(pack)
        return losses

    def _coefficients(self, step: int) -> Tensor:
        """A step's own, [n] in double precision."""
        if not self.first <= step < self.first + len(self.table):
            rows = [coefficients_of(self.pack, i) for i in range(step, step + SENT_TOGETHER)]
            self.first, self.table = step, sent(torch.tensor(rows, dtype=torch.float64), self.device)
        return self.table[step - self.first]

    def _capture(self, *examples: Tensor) -> None:
        self.inputs, self.targets, self.coefficients = (t.clone() for t in examples)

        def work() -> Tensor:
            return updated(self.pack, self.inputs, self.targets, self.coefficients.unbind())

        try:
            self.replay, self.losses = capture(work)
        except RuntimeError:  # an operation that cannot be captured: every step is launched piece by piece
            self.inputs = self.targets = self.coefficients = torch.empty(0)


class _Ahead:
    """A pack's batches, each prepared on a second stream while the step before it is computed."""

    def __init__(self, pack: Pack):
        self.batches, self.seeds = pack.batches.apart(), [m.seed for m in pack.members]
        self.stream = cuda.Stream()
        self.ready: tuple[int, Tensor, Tensor] | None = None

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        if self.ready is None or self.ready[0] != step:
            self._prepare(step)
        assert self.ready is not None
        _, inputs, targets = self.ready
        here = cuda.current_stream()
        here.wait_stream(self.stream)
        for tensor in (inputs, targets):
            _read_by(here, tensor)
        self._prepare(step + 1)
        return inputs, targets

    def _prepare(self, step: int) -> None:
        # For the data, and for whoever reads what it is to overwrite.
        self.stream.wait_stream(cuda.current_stream())
        with cuda.stream(self.stream):
            self.ready = (step, *self.batches(self.seeds, step))


def repeats(pack: Pack) -> bool:
    """Return whether every step of a pack is known to do the same operations, so that it may be captured."""
    task = pack.task
    known = isinstance(task, ArrayTask | ImageTask | VectorFieldTask)
    own = isinstance(pack.network, ModuleNetwork) or (
        isinstance(task, ArrayTask) and task.objective is not None
    )
    return os.environ.get("EVOACT_GRAPHS", "1") != "0" and known and not own


def capture(work: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
    """Return what repeats `work`, which is captured and not done yet, and the tensor that then holds its result.

    Raises:
        RuntimeError: if an operation in it cannot be captured.
    """
    graph = cuda.CUDAGraph()
    with cuda.graph(graph):
        result = work()
    return graph.replay, result


def _read_by(stream: cuda.Stream, tensor: Tensor) -> None:
    """Keep a tensor's memory from other streams as long as this one reads it; a test takes its place on a processor."""
    tensor.record_stream(stream)
