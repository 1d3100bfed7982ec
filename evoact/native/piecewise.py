"""The kernel of `piecewise.c` on tensors: single precision, CPU."""

import functools

import torch
from torch import Tensor

from evoact.native.library import kernels
from evoact.native.tensors import threads

SERIAL = 16_384  # elements


def evaluate(x: Tensor, borders: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Values and slopes, in the shape of x, of polynomials between borders [n]; rows [5, n + 1] are the origin and
    the coefficients of each interval."""
    x, rows = x.contiguous(), rows.contiguous()
    y, slope = torch.empty_like(x), torch.empty_like(x)
    filled = padded(borders)
    kernels().evoact_piecewise(
        x.data_ptr(),
        y.data_ptr(),
        slope.data_ptr(),
        filled.data_ptr(),
        rows.data_ptr(),
        x.numel(),
        len(filled),
        rows.shape[1],
        threads(x, SERIAL),
    )
    return y, slope


@functools.lru_cache(maxsize=64)
def padded(borders: Tensor) -> Tensor:
    """Filled up with infinity to a number 2^k - 1.

    >>> padded(torch.tensor([1.0, 2.0, 4.0, 8.0])).tolist()
    [1.0, 2.0, 4.0, 8.0, inf, inf, inf]
    """
    more = 2 ** len(borders).bit_length() - 1 - len(borders)
    return torch.cat([borders, borders.new_full((more,), torch.inf)])
