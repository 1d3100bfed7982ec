"""The batch norm of `normalisation.c` on tensors: single precision, CPU, contiguous; x[K, N, M], over M."""

import torch
from torch import Tensor

from evoact.native.library import call
from evoact.native.tensors import threads

SERIAL = 32_768  # elements


def values(x: Tensor, scale: Tensor, shift: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """Return the normalised rows, and each one's mean and 1 / sqrt(variance + epsilon), [K, N, 2]."""
    y, found = torch.empty_like(x), x.new_empty(*x.shape[:2], 2)
    rows = scale.numel(), x.shape[2]
    call("evoact_batch_norm", x, scale, shift, y, found, *rows, epsilon, threads(x, SERIAL))
    return y, found


def gradients(g: Tensor, x: Tensor, scale: Tensor, found: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients for x, scale and shift of g, that for the values; `found` is what `values` gives."""
    grad_x, grad_scale, grad_shift = torch.empty_like(x), torch.empty_like(scale), torch.empty_like(scale)
    tensors = g, x, scale, found, grad_x, grad_scale, grad_shift
    call("evoact_batch_norm_backward", *tensors, scale.numel(), x.shape[2], threads(x, SERIAL))
    return grad_x, grad_scale, grad_shift
