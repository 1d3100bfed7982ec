"""The kernel of `piecewise.c` on tensors: single precision, CPU."""

import torch
from torch import Tensor

from evoact.native.library import kernels
from evoact.native.tensors import threads

SERIAL = 16_384  # elements


def evaluate(x: Tensor, borders: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Values and slopes, in the shape of x, of polynomials between borders; rows [5, intervals] are the origin and
    the coefficients of each interval. Borders are filled up with infinity to a number 2^k - 1."""
    x = x.contiguous()
    y, slope = torch.empty_like(x), torch.empty_like(x)
    kernels().evoact_piecewise(
        x.data_ptr(),
        y.data_ptr(),
        slope.data_ptr(),
        borders.data_ptr(),
        rows.data_ptr(),
        x.numel(),
        len(borders),
        rows.shape[1],
        threads(x, SERIAL),
    )
    return y, slope
