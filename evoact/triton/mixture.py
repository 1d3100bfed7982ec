"""y_r = sum_t c_t f_t(x_r) over rows of any base functions in any order, and its gradients, on CUDA.

Rows are read as they lie: a program takes one row's block of columns through the row's terms, and what a
row's result is depends on that row alone. The way back evaluates the functions again, so that nothing but
the input is kept for it.
"""

from dataclasses import dataclass

import numpy as np
import torch
import triton
import triton.language as tl
from torch import Tensor

from evoact.triton.functions import slope, value
from evoact.triton.terms import SCALES

WIDEST = 512  # columns of a program: more would keep too few programs running on a GPU
NARROWEST = 128


@dataclass(frozen=True)
class Program:
    """Row r has the terms begin[r] to begin[r + 1]: w (output_scale f(input_scale x) + shift), with the base
    function of code `function` and the weight c[coefficient], or 1 if `coefficient` is negative."""

    begin: Tensor
    function: Tensor
    coefficient: Tensor
    scales: Tensor  # [terms, 3] float64: input_scale, output_scale, shift

    @property
    def tensors(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The tensors in the form that the kernels take."""
        return self.begin, self.function, self.coefficient, self.scales

    @staticmethod
    def of(begin: np.ndarray, terms: np.ndarray, device: torch.device | str) -> "Program":
        """Make a program from terms of `terms.TERM`, row by row."""
        scales = np.stack([terms[name] for name in SCALES], axis=1)
        arrays = (begin, terms["function"], terms["coefficient"], scales)
        return Program(*(torch.as_tensor(np.ascontiguousarray(a), device=device) for a in arrays))


def forward(x: Tensor, c: Tensor, program: Program) -> Tensor:
    """Return y[rows, m] from x[rows, pieces, m], of which the first piece counts, and the coefficients c."""
    rows, pieces, m = x.shape
    y = x.new_empty(rows, m)
    if y.numel():
        width = _width(m)
        with torch.cuda.device_of(x):
            _forward[(rows, triton.cdiv(m, width))](
                x, y, c, *program.tensors, pieces * m, m, width, enable_fp_fusion=True
            )
    return y


def backward(g: Tensor, x: Tensor, c: Tensor, program: Program) -> tuple[Tensor, Tensor]:
    """Return the gradients with respect to x and c, where g[rows, m] is that with respect to y."""
    rows, pieces, m = x.shape
    width = _width(m)
    blocks = triton.cdiv(m, width)
    grad_x = torch.empty_like(x) if pieces == 1 else torch.zeros_like(x)
    shares = c.new_zeros(len(c), blocks)  # of each block in the gradients of c
    grad_c = shares.view(-1) if blocks == 1 else torch.zeros_like(c)
    with torch.cuda.device_of(x):
        if g.numel():
            _backward[(rows, blocks)](
                g, x, grad_x, c, shares, *program.tensors, pieces * m, m, blocks, width, enable_fp_fusion=True
            )
        if blocks > 1 and len(c):
            _sum_rows[(len(c),)](
                shares, grad_c, blocks, triton.next_power_of_2(blocks), enable_fp_fusion=True
            )
    return grad_x, grad_c


def _width(m: int) -> int:
    """How many of m columns a program takes; of m alone, so that a row's sums keep their order in any pack."""
    return int(min(max(triton.next_power_of_2(m), NARROWEST), WIDEST))


@triton.jit
def _term(t, c, coefficient, scales):
    """Where the weight of a term lies, negative if it has none, the weight, and its three scales."""
    place = tl.load(coefficient + t)
    weight = tl.load(c + place, mask=place >= 0, other=1.0)
    inner = tl.load(scales + 3 * t).to(weight.dtype)
    outer = tl.load(scales + 3 * t + 1).to(weight.dtype)
    shift = tl.load(scales + 3 * t + 2).to(weight.dtype)
    return place, weight, inner, outer, shift


@triton.jit
def _forward(x, y, c, begin, function, coefficient, scales, stride, m, WIDTH: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * WIDTH + tl.arange(0, WIDTH)
    there = column < m
    xs = tl.load(x + row * stride + column, mask=there, other=0.0)
    total = tl.zeros_like(xs)
    for t in range(tl.load(begin + row), tl.load(begin + row + 1)):
        _, weight, inner, outer, shift = _term(t, c, coefficient, scales)
        total += weight * (outer * value(inner * xs, tl.load(function + t)) + shift)
    tl.store(y + row * m + column, total, mask=there)


@triton.jit
def _backward(
    g, x, grad_x, c, shares, begin, function, coefficient, scales, stride, m, blocks, WIDTH: tl.constexpr
):
    row = tl.program_id(0).to(tl.int64)
    block = tl.program_id(1)
    column = block * WIDTH + tl.arange(0, WIDTH)
    there = column < m
    xs = tl.load(x + row * stride + column, mask=there, other=0.0)
    gs = tl.load(g + row * m + column, mask=there, other=0.0)
    total = tl.zeros_like(xs)
    for t in range(tl.load(begin + row), tl.load(begin + row + 1)):
        code = tl.load(function + t)
        place, weight, inner, outer, shift = _term(t, c, coefficient, scales)
        core = value(inner * xs, code)
        total += weight * outer * inner * slope(inner * xs, core, code)
        share = tl.sum(tl.where(there, gs * (outer * core + shift), 0.0), axis=0)
        tl.store(shares + place.to(tl.int64) * blocks + block, share, mask=place >= 0)
    tl.store(grad_x + row * stride + column, gs * total, mask=there)


@triton.jit
def _sum_rows(shares, sums, n, WIDTH: tl.constexpr):
    """sums[i] = sum_j shares[i, j] over n columns, in an order that depends on n alone."""
    i = tl.program_id(0).to(tl.int64)
    j = tl.arange(0, WIDTH)
    tl.store(sums + i, tl.sum(tl.load(shares + i * n + j, mask=j < n, other=0.0), axis=0))
