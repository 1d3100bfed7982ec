"""The spline kernels of `spline.c` on tensors: single precision, CPU, contiguous."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from evoact.native.library import kernels
from evoact.native.mixture import Program
from evoact.native.tensors import threads

SERIAL = 16_384  # elements
COPIES, PIECE = 4, 256  # as in spline.c
BLOCK = 65_536  # elements that share one gradient of the coefficients
ROWS_PER_BLOCK = 64  # the same for rows


def forward(x: Tensor, c: Tensor, low: float, per_step: float) -> Tensor:
    """Splines with coefficients c[sets, nodes + 2] at x[sets, n]."""
    sets, n = x.shape
    y = torch.empty_like(x)
    kernels().evoact_spline_forward(
        x.data_ptr(), y.data_ptr(), c.data_ptr(), sets, n, c.shape[1] - 2, low, per_step, threads(x, SERIAL)
    )
    return y


def backward(
    g: Tensor, x: Tensor, c: Tensor, low: float, per_step: float, with_c: bool = True
) -> tuple[Tensor, Tensor | None]:
    """The gradients with respect to x and, if wanted, c."""
    sets, n = x.shape
    nodes, blocks = c.shape[1] - 2, max(1, n // BLOCK)
    grad_x, sums = torch.empty_like(x), _sums(c, blocks) if with_c else None
    kernels().evoact_spline_backward(
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
        threads(x, SERIAL),
    )
    return grad_x, None if sums is None else _by_coefficient(sums, c)


def curvature(
    g: Tensor, x: Tensor, c: Tensor, hx: Tensor, hc: Tensor, low: float, per_step: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of hx . grad_x + hc . grad_c, both of `backward`, with respect to g, x and c."""
    sets, n = x.shape
    nodes, blocks = c.shape[1] - 2, max(1, n // BLOCK)
    grad_g, grad_x, sums = torch.empty_like(x), torch.empty_like(x), _sums(c, blocks)
    kernels().evoact_spline_curvature(
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
        threads(x, SERIAL),
    )
    return grad_g, grad_x, _by_coefficient(sums, c)


def value_slope(x: Tensor, c: Tensor, low: float, per_step: float) -> tuple[Tensor, Tensor, Tensor]:
    """Splines, their slopes, and how many of x lie outside, in parts."""
    sets, n = x.shape
    y, slope = torch.empty_like(x), torch.empty_like(x)
    beyond = torch.empty(sets * -(-n // PIECE), dtype=torch.int32)
    kernels().evoact_spline_value_slope(
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
        threads(x, SERIAL),
    )
    return y, slope, beyond


def tangent(
    g: Tensor, r: Tensor, x: Tensor, tx: Tensor, c: Tensor, low: float, per_step: float
) -> tuple[Tensor, Tensor]:
    """The gradients of sum(r y) + sum(g tx slope) with respect to x and c."""
    sets, n = x.shape
    nodes, blocks = c.shape[1] - 2, max(1, n // BLOCK)
    grad_x, sums = torch.empty_like(x), _sums(c, blocks)
    kernels().evoact_spline_tangent(
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
        threads(x, SERIAL),
    )
    return grad_x, _by_coefficient(sums, c)


@dataclass(frozen=True)
class Rows:
    """Rows of a larger tensor that have splines: row `rows[q]` that of number `sets[q]`, ascending.

    `begin` shares them out into blocks of rows of one spline; `rounds` are (splines, blocks) such that
    the first has every spline's first block, the second their second, and so on.
    """

    rows: np.ndarray
    sets: np.ndarray
    begin: np.ndarray
    rounds: tuple[tuple[Tensor, Tensor], ...]

    @staticmethod
    def of(rows: np.ndarray, sets: np.ndarray) -> "Rows":
        """
        Args:
            rows: [count]
            sets: the spline of each, ascending from 0 without a gap
        """
        begin: list[int] = []
        rounds: list[tuple[list[int], list[int]]] = []
        borders = np.searchsorted(sets, np.arange(int(sets[-1]) + 2))
        for number, (start, stop) in enumerate(pairwise(borders)):
            for turn, at in enumerate(range(start, stop, ROWS_PER_BLOCK)):
                if turn == len(rounds):
                    rounds.append(([], []))
                rounds[turn][0].append(number)
                rounds[turn][1].append(len(begin))
                begin.append(at)
        return Rows(
            rows.astype(np.int64),
            sets.astype(np.int32),
            np.array([*begin, len(rows)], np.int32),
            tuple((torch.tensor(numbers), torch.tensor(blocks)) for numbers, blocks in rounds),
        )


def rows_forward(
    y: Tensor,
    x: Tensor,
    c: Tensor,
    where: Rows,
    program: Program,
    grid: tuple[float, float],
    with_slopes: bool,
) -> Tensor | None:
    """Writes the splined rows of y[R, m], each a term and a spline at the first piece of x[R, P, m].

    Returns:
        their slopes [count, m], if wanted
    """
    _, p, m = x.shape
    nodes = c.shape[1] - 2
    slopes = x.new_empty(len(where.rows), m) if with_slopes else None
    room = x.new_empty(len(c), nodes, 4)
    kernels().evoact_splined_rows_forward(
        x.data_ptr(),
        y.data_ptr(),
        None if slopes is None else slopes.data_ptr(),
        c.data_ptr(),
        room.data_ptr(),
        program.begin.ctypes.data,
        program.terms.ctypes.data,
        where.rows.ctypes.data,
        where.sets.ctypes.data,
        len(c),
        len(where.rows),
        p * m,
        m,
        nodes,
        *grid,
        threads(y, SERIAL),
    )
    return slopes


def rows_backward(
    grad_x: Tensor, g: Tensor, x: Tensor, slopes: Tensor, c: Tensor, where: Rows, grid: tuple[float, float]
) -> Tensor:
    """Writes the splined rows of grad_x [R, P, m]; returns the gradient for c."""
    _, p, m = x.shape
    nodes, blocks = c.shape[1] - 2, len(where.begin) - 1
    sums = c.new_zeros(blocks, COPIES, nodes, 4)
    kernels().evoact_splined_rows_backward(
        g.data_ptr(),
        x.data_ptr(),
        slopes.data_ptr(),
        grad_x.data_ptr(),
        sums.data_ptr(),
        where.rows.ctypes.data,
        where.begin.ctypes.data,
        blocks,
        p * m,
        m,
        nodes,
        *grid,
        threads(g, SERIAL),
    )
    by_block = (sums[:, 0] + sums[:, 1]) + (sums[:, 2] + sums[:, 3])
    by_node = by_block.new_zeros(len(c), nodes, 4)
    for numbers, of_block in where.rounds:
        by_node[numbers] += by_block[of_block]
    grad_c = torch.empty_like(c)
    kernels().evoact_polynomials_fold(by_node.data_ptr(), grad_c.data_ptr(), len(c), nodes)
    return grad_c


def _sums(c: Tensor, blocks: int) -> Tensor:
    """Where a kernel adds up the coefficients' gradients, node by node."""
    return c.new_zeros(len(c), blocks, COPIES, c.shape[1] - 2, 4)


def _by_coefficient(sums: Tensor, c: Tensor) -> Tensor:
    """Sums [sets, ..., nodes, 4] as a gradient in the shape of c."""
    nodes, grad_c = c.shape[1] - 2, torch.empty_like(c)
    copies = sums.numel() // (len(c) * nodes * 4)
    kernels().evoact_spline_fold(sums.data_ptr(), grad_c.data_ptr(), len(c), copies, nodes)
    return grad_c
