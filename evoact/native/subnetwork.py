"""The kernels of `subnetwork.c` on tensors: single precision, CPU, contiguous."""

import torch
from torch import Tensor

from evoact.native.library import call
from evoact.native.tensors import threads

SERIAL = 512  # points: each takes some dozens of hidden units
BLOCK = 4096  # as in subnetwork.c


def forward(x: Tensor, parameters: Tensor) -> Tensor:
    """Return networks with parameters [sets, 3h + 1] at x[sets, n]."""
    (sets, n), y = x.shape, torch.empty_like(x)
    call("evoact_subnetwork_forward", x, y, parameters, sets, n, parameters.shape[1] // 3, threads(x, SERIAL))
    return y


def backward(g: Tensor, x: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
    """Return the gradients with respect to x and the parameters, where g is that with respect to the outputs."""
    (sets, n), size = x.shape, parameters.shape[1]
    blocks = -(-n // BLOCK)
    grad_x, grad = torch.empty_like(x), torch.empty_like(parameters)
    sums = parameters.new_zeros(sets, blocks, size)
    call("evoact_subnetwork_backward", g, x, grad_x, parameters, sums, sets, n, size // 3, threads(x, SERIAL))
    call("evoact_subnetwork_fold", sums, grad, sets, blocks, size)
    return grad_x, grad
