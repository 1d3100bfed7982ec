"""The spline kernels of `spline.c` on tensors: single precision, CPU, contiguous."""

import torch
from torch import Tensor

from evoact.native.library import library

SERIAL = 16_384  # elements below which threads cost more than they bring
COPIES, PIECE = 4, 256  # as in spline.c
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


def backward(
    g: Tensor, x: Tensor, c: Tensor, low: float, per_step: float, with_c: bool = True
) -> tuple[Tensor, Tensor | None]:
    """The gradients with respect to x and, if wanted, c."""
    kernels = library()
    assert kernels is not None
    sets, n = x.shape
    nodes, blocks = c.shape[1] - 2, max(1, n // BLOCK)
    grad_x, sums = torch.empty_like(x), _sums(c, blocks) if with_c else None
    kernels.evoact_spline_backward(
        g.data_ptr(),
        x.data_ptr(),
        grad_x.data_ptr(),
        c.data_ptr(),
        None if sums is None else sums.data_ptr(),
        sets,
        blocks,
        n,
        nodes,
        low,
        per_step,
        _threads(x),
    )
    return grad_x, None if sums is None else _by_coefficient(sums, c)


def curvature(
    g: Tensor, x: Tensor, c: Tensor, hx: Tensor, hc: Tensor, low: float, per_step: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of hx . grad_x + hc . grad_c, both of `backward`, with respect to g, x and c."""
    kernels = library()
    assert kernels is not None
    sets, n = x.shape
    nodes, blocks = c.shape[1] - 2, max(1, n // BLOCK)
    grad_g, grad_x, sums = torch.empty_like(x), torch.empty_like(x), _sums(c, blocks)
    kernels.evoact_spline_curvature(
        g.data_ptr(),
        x.data_ptr(),
        hx.data_ptr(),
        c.data_ptr(),
        hc.data_ptr(),
        grad_g.data_ptr(),
        grad_x.data_ptr(),
        sums.data_ptr(),
        sets,
        blocks,
        n,
        nodes,
        low,
        per_step,
        _threads(x),
    )
    return grad_g, grad_x, _by_coefficient(sums, c)


def value_slope(x: Tensor, c: Tensor, low: float, per_step: float) -> tuple[Tensor, Tensor, Tensor]:
    """Splines, their slopes, and how many of x lie outside, in parts."""
    kernels = library()
    assert kernels is not None
    sets, n = x.shape
    y, slope = torch.empty_like(x), torch.empty_like(x)
    beyond = torch.empty(sets * -(-n // PIECE), dtype=torch.int32)
    kernels.evoact_spline_value_slope(
        x.data_ptr(),
        y.data_ptr(),
        slope.data_ptr(),
        c.data_ptr(),
        beyond.data_ptr(),
        sets,
        n,
        c.shape[1] - 2,
        low,
        per_step,
        _threads(x),
    )
    return y, slope, beyond


def tangent(
    g: Tensor, r: Tensor, x: Tensor, tx: Tensor, c: Tensor, low: float, per_step: float
) -> tuple[Tensor, Tensor]:
    """The gradients of sum(r y) + sum(g tx slope) with respect to x and c."""
    kernels = library()
    assert kernels is not None
    sets, n = x.shape
    nodes, blocks = c.shape[1] - 2, max(1, n // BLOCK)
    grad_x, sums = torch.empty_like(x), _sums(c, blocks)
    kernels.evoact_spline_tangent(
        g.data_ptr(),
        r.data_ptr(),
        x.data_ptr(),
        tx.data_ptr(),
        c.data_ptr(),
        grad_x.data_ptr(),
        sums.data_ptr(),
        sets,
        blocks,
        n,
        nodes,
        low,
        per_step,
        _threads(x),
    )
    return grad_x, _by_coefficient(sums, c)


def _sums(c: Tensor, blocks: int) -> Tensor:
    """Where a kernel adds up the coefficients' gradients, node by node."""
    return c.new_zeros(len(c), blocks, COPIES, c.shape[1] - 2, 4)


def _by_coefficient(sums: Tensor, c: Tensor) -> Tensor:
    """Those sums as a gradient in the shape of c."""
    nodes = c.shape[1] - 2
    by_node = sums.view(len(c), -1, nodes * 4).sum(dim=1).view(len(c), nodes, 4)
    grad_c = torch.zeros_like(c)
    for j in range(4):  # node i, never the last one, begins coefficients i to i + 3
        grad_c[:, j : j + nodes - 1] += by_node[:, :-1, j]
    return grad_c


def _threads(x: Tensor) -> int:
    return torch.get_num_threads() if x.numel() > SERIAL else 1
