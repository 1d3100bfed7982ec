"""The kernel of `piecewise.c` on tensors: single precision, CPU."""

import torch
from torch import Tensor

from evoact.native.library import call
from evoact.native.tensors import threads

SERIAL = 16_384  # elements


def evaluate(x: Tensor, borders: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return values and slopes, in the shape of x, of polynomials between borders; rows [5, intervals] are the origin
    and the coefficients of each interval. Borders are filled up with infinity to a number 2^k - 1.
    """
    x = x.contiguous()
    y, slope = torch.empty_like(x), torch.empty_like(x)
    sizes = x.numel(), len(borders), rows.shape[1]
    call("evoact_piecewise", x, y, slope, borders, rows, *sizes, threads(x, SERIAL))
    return y, slope
