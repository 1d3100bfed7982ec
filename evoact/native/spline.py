"""The spline kernels of `spline.c` on tensors: single precision, CPU, contiguous."""

import torch
from torch import Tensor

from evoact.native.library import library

SERIAL = 16_384  # elements below which threads cost more than they bring
COPIES = 4  # as in spline.c
BLOCK = 65_536  # elements that share one gradient of the coefficients


def accepts(x: Tensor) -> bool:
    """Whether the kernels can take this tensor."""
    return x.dtype == torch.float32 and x.device.type == "cpu" and library() is not None


def forward(x: Tensor, c: Tensor, low: float, per_step: float) -> Tensor:
    """Splines with coefficients c[sets, nodes + 2] at x[sets, n]."""
    kernels = library()
    assert kernels is not None
    sets, n = x.shape
    y = torch.empty_like(x)
    kernels.evoact_spline_forward(
        x.data_ptr(), y.data_ptr(), c.data_ptr(), sets, n, c.shape[1] - 2, low, per_step, _threads(x)
    )
    return y


def backward(g: Tensor, x: Tensor, c: Tensor, low: float, per_step: float) -> tuple[Tensor, Tensor]:
    """The gradients with respect to x and c."""
    kernels = library()
    assert kernels is not None
    sets, n = x.shape
    nodes, blocks = c.shape[1] - 2, max(1, n // BLOCK)
    grad_x, sums = torch.empty_like(x), c.new_zeros(sets, blocks, COPIES, nodes, 4)
    kernels.evoact_spline_backward(
        g.data_ptr(),
        x.data_ptr(),
        grad_x.data_ptr(),
        c.data_ptr(),
        sums.data_ptr(),
        sets,
        blocks,
        n,
        nodes,
        low,
        per_step,
        _threads(x),
    )
    by_node = sums.view(sets, COPIES * blocks, nodes * 4).sum(dim=1).view(sets, nodes, 4)
    grad_c = torch.zeros_like(c)
    for j in range(4):  # node i, never the last one, begins coefficients i to i + 3
        grad_c[:, j : j + nodes - 1] += by_node[:, :-1, j]
    return grad_x, grad_c


def _threads(x: Tensor) -> int:
    return torch.get_num_threads() if x.numel() > SERIAL else 1
