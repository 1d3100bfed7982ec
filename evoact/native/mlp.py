"""The kernels of `mlp.c` on tensors: single precision, CPU, contiguous."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from evoact.native.library import call
from evoact.native.mixture import Program
from evoact.native.pieces import Units
from evoact.native.tensors import threads

SERIAL = 32_768  # elements


@dataclass(frozen=True)
class Layer:
    """Weights [K, N * P, D], biases [K, N * P, 1] or None, and of the activations of all K * N neurons with P pieces
    the coefficients, the program and the units that are not in it; no pieces for an output without activations.
    """

    weights: Tensor
    biases: Tensor | None
    pieces: int = 0
    coefficients: Tensor | None = None
    program: Program | None = None
    units: Units | None = None


def cross_entropy(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean losses [K] of outputs [K, C, B] for classes [1 or K, B], and their gradients for the outputs."""
    losses, grad = outputs.new_empty(len(outputs)), torch.empty_like(outputs)
    call("evoact_cross_entropy", outputs, targets, _apart(targets), losses, grad, *outputs.shape)
    return losses, grad


def losses_and_gradients(
    layers: Sequence[Layer], inputs: Tensor, targets: Tensor, bf16: bool = False
) -> tuple[Tensor, list[tuple[Tensor, Tensor | None, Tensor | None]]]:
    """Return the mean cross-entropy [K] of each member for inputs [1 or K, B, D] and classes [1 or K, B], and for each
    layer the gradients for weights, biases and coefficients; with `bf16` factors of products are rounded."""
    k = len(layers[0].weights)
    losses, found, rows = inputs.new_empty(k), [], []
    for layer in layers:
        w, b, c = layer.weights, layer.biases, layer.coefficients
        program, u = layer.program, layer.units
        grads = (
            torch.empty_like(w),
            None if b is None else torch.empty_like(b),
            None if c is None else torch.zeros_like(c),
        )
        terms = (None, None) if program is None else (program.begin, program.terms)
        units = (None, None, None) if u is None else (u.begin, u.units, u.neurons)
        shape = w.shape[1] // max(1, layer.pieces), w.shape[2], layer.pieces
        rows.append([*shape, *map(_address, (w, b, c, *grads, *terms, *units))])
        found.append(grads)
    table = np.array(rows, np.int64)
    sizes = inputs, _apart(inputs), targets, _apart(targets), losses, k, inputs.shape[1]
    call("evoact_mlp", table, len(layers), *sizes, int(bf16), threads(layers[0].weights, SERIAL))
    return losses, found


def _apart(shared: Tensor) -> int:
    """How far members are apart, 0 if there is one for all."""
    return shared[0].numel() if len(shared) > 1 else 0


def _address(numbers: Tensor | np.ndarray | None) -> int:
    if numbers is None:
        return 0
    return numbers.data_ptr() if isinstance(numbers, Tensor) else int(numbers.ctypes.data)
