"""The contract of a task: arrays split once and for all, a loss to train on, a metric to be judged by."""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from evoact.activations.differentiable import followed
from evoact.native import mlp as native
from evoact.native.tensors import accepts
from evoact.tasks.metrics import metric_named
from evoact.tasks.own.preprocessing import Preprocessing


class OnDemand(Protocol):
    """Inputs too large to hold: `inputs[indices]` reads those [len(indices), *shape] when asked for."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype: ...

    @property
    def nbytes(self) -> int:
        """The bytes that the inputs take in memory, not on the disk."""
        ...

    @property
    def identity(self) -> np.ndarray:
        """The identity of these inputs, without reading them."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, indices: np.ndarray, /) -> np.ndarray: ...


@dataclass(frozen=True)
class Split:
    """`inputs` [n, *stored shape], float32, or uint8 pixels that `Task.prepare` makes numbers of;
    `targets` int64 classes [n] or float32 values [n, outputs]. Targets that were scaled to train on are in their own
    units again times `target_scale` [outputs] plus `target_mean` [outputs]."""

    inputs: np.ndarray | OnDemand
    targets: np.ndarray
    target_scale: np.ndarray | None = None
    target_mean: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.inputs)


class Task(Protocol):
    """A table entry of `evoact.tasks.TASKS` makes one from its own flat arguments."""

    @property
    def metric(self) -> str:
        """The name of its metric in `evoact.tasks.metrics`, such as `accuracy` (a fraction) or `mse`."""
        ...

    @property
    def direction(self) -> str:
        """`maximize` or `minimize`, what is better for the metric."""
        ...

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one example as a network is given it, after `prepare`."""
        ...

    @property
    def n_outputs(self) -> int: ...

    def splits(self) -> Mapping[str, Split]:
        """Return `train`, `validation` and `test`, and `test_large` if there is one; the same in every
        process."""
        ...

    def prepare(self, inputs: Tensor, seeds: Sequence[int] | None) -> Tensor:
        """Return what networks are given of stored inputs: scaled, cropped and, in training, augmented.

        Args:
            inputs: [R, B, *stored shape] of a floating dtype, which the result has too
            seeds: one for each of the R batches, from (run seed, replicate, step), all that random
                augmentation may depend on; None in evaluation, which never augments

        Returns:
            [R, B, *input_shape]
        """
        ...

    def losses(self, outputs: Tensor, targets: Tensor, members: Sequence[str]) -> Tensor:
        """Return the mean loss of each member over its batch.

        Args:
            outputs: [K, B, n_outputs]
            targets: [1, B] or [K, B] classes, or [1 or K, B, n_outputs] values
            members: K names, for tasks that treat members differently (`faulty`)

        Returns:
            [K]
        """
        ...


def cross_entropy(outputs: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return mean cross-entropy (nats) of each member: outputs [K, B, C], targets [1 or K, B] -> [K]; with `weights`
    [C] of the classes their weighted mean, as `torch.nn.CrossEntropyLoss` has it."""
    # Networks compute feature-major, so [K, C, B] is how the outputs lie in memory.
    if weights is None and accepts(outputs) and targets.dtype == torch.int64 and targets.dim() == 2:
        result: Tensor = NativeCrossEntropy.apply(outputs.transpose(1, 2), targets)
        return result
    return _cross_entropy(outputs, targets, weights)


def _cross_entropy(outputs: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
    log_p = F.log_softmax(outputs.transpose(1, 2), dim=1)
    chosen = log_p.gather(1, targets.expand(len(outputs), -1).unsqueeze(1))
    if weights is None:
        return -chosen.squeeze(1).mean(dim=1)
    w = weights.to(outputs)[targets]
    return -(chosen.squeeze(1) * w).sum(dim=1) / w.sum(dim=1)


class NativeCrossEntropy(torch.autograd.Function):
    """`cross_entropy` of outputs [K, C, B], without weights, by the kernels, unless a second derivative is wanted."""

    @staticmethod
    def forward(ctx: Any, outputs: Tensor, targets: Tensor) -> Tensor:
        losses, grad = native.cross_entropy(outputs.contiguous(), targets.contiguous())
        ctx.save_for_backward(outputs, targets, grad)
        return losses

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, None]:
        outputs, targets, grad = ctx.saved_tensors
        if torch.is_grad_enabled():  # a derivative of this derivative will be asked for
            again = followed(lambda z: _cross_entropy(z.transpose(1, 2), targets), (outputs,), grads[0])
            return again[0], None
        return grad * grads[0][:, None, None], None


def squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return mean squared error of each member: outputs [K, B, D], targets [1 or K, B, D] -> [K]."""
    return (outputs - targets).square().mean(dim=(1, 2))


@dataclass(frozen=True)
class ArrayTask:
    """A task whose splits are arrays: classification into `n_outputs` classes, or regression.

    `load` is called when the arrays are first needed, so that a config can be checked without them. Of people's own
    data `preprocessing` is what was done to it, and `notes` are sentences about what was understood or is amiss;
    `measure` is the metric if it is not accuracy or mse, `class_weights` [n_outputs] weigh the loss. An `objective` of
    outputs [K, B, ...] and targets [1 or K, B, ...], a number for each example [K, B], takes its place.
    """

    input_shape: tuple[int, ...]
    n_outputs: int
    classification: bool
    load: Callable[[], Mapping[str, Split]]
    preprocessing: Preprocessing | None = None
    notes: tuple[str, ...] = ()
    measure: str | None = None
    class_weights: tuple[float, ...] | None = None
    objective: Callable[[Any, Tensor], Tensor] | None = None

    @property
    def metric(self) -> str:
        return self.measure or ("accuracy" if self.classification else "mse")

    @property
    def direction(self) -> str:
        return metric_named(self.metric).direction

    @property
    def is_cross_entropy(self) -> bool:
        """Whether the loss is `cross_entropy`, without weights."""
        return self.classification and self.class_weights is None and self.objective is None

    def splits(self) -> Mapping[str, Split]:
        return self.load()

    def prepare(self, inputs: Tensor, seeds: Sequence[int] | None) -> Tensor:
        return inputs

    def losses(self, outputs: Tensor, targets: Tensor, members: Sequence[str]) -> Tensor:
        if self.objective is not None:
            return self.objective(outputs, targets).mean(dim=1)
        if not self.classification:
            return squared_error(outputs, targets)
        if self.class_weights is None:
            return cross_entropy(outputs, targets)
        return cross_entropy(outputs, targets, constant(self.class_weights, outputs.device, outputs.dtype))


def standardised(splits: Mapping[str, Split]) -> dict[str, Split]:
    """Return all inputs shifted and scaled by the training split's mean and standard deviation (one pair for
    all features, so that the relative scale of features stays)."""
    inputs = {name: np.asarray(s.inputs) for name, s in splits.items()}
    mean, scale = float(inputs["train"].mean()), float(inputs["train"].std()) or 1.0
    return {
        name: Split(((inputs[name] - mean) / scale).astype(np.float32), s.targets)
        for name, s in splits.items()
    }


def split_indices(n: int, fractions: Sequence[float], rng: np.random.Generator) -> list[np.ndarray]:
    """Return a random partition of 0..n-1 into parts of about these fractions, all of them non-empty.

    >>> [len(p) for p in split_indices(10, (0.6, 0.2, 0.2), np.random.default_rng(0))]
    [6, 2, 2]
    """
    bounds = [round(n * math.fsum(fractions[: i + 1])) for i in range(len(fractions) - 1)]
    return np.split(rng.permutation(n), bounds)


@functools.cache
def constant(values: tuple[float, ...], device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return these numbers on a device: sent there once, since a GPU would be waited for each time.

    >>> constant((1.0, 2.0), torch.device("cpu"), torch.float32)
    tensor([1., 2.])
    """
    return torch.tensor(values, dtype=torch.float64).to(device, dtype)


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a tensor of this process on a device, without waiting for a GPU to take it."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def to_device(split: Split, device: torch.device, dtype: torch.dtype) -> tuple[Tensor | OnDemand, Tensor]:
    """Return a split's inputs and targets on a device: floats take `dtype`, classes and pixels stay integers
    (a quarter of the memory), and inputs that are read on demand stay where they are."""
    targets = torch.as_tensor(split.targets, device=device)
    if targets.is_floating_point():
        targets = targets.to(dtype)
    if not isinstance(split.inputs, np.ndarray):
        return split.inputs, targets
    inputs = torch.as_tensor(split.inputs, device=device)
    return inputs.to(dtype) if inputs.is_floating_point() else inputs, targets


def fetch(inputs: Tensor | OnDemand, rows: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the inputs of these examples, `rows` of any shape -> [*rows.shape, *stored shape], in `dtype` on
    the rows' device."""
    if isinstance(inputs, Tensor):
        return inputs[rows].to(dtype)
    read = inputs[rows.flatten().cpu().numpy()]
    return sent(torch.as_tensor(read), rows.device).to(dtype).view(*rows.shape, *read.shape[1:])
