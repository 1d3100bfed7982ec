"""The spline kernels of `spline.c` on tensors: single precision, CPU, contiguous."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from evoact.native.library import call
from evoact.native.mixture import Program
from evoact.native.tensors import threads

SERIAL = 16_384  # elements
COPIES, PIECE = 4, 256  # as in spline.c
BLOCK = 65_536  # elements that share one gradient of the coefficients
ROWS_PER_BLOCK = 64  # the same for rows


def forward(x: Tensor, c: Tensor, low: float, per_step: float) -> Tensor:
    """Return splines with coefficients c[sets, nodes + 2] at x[sets, n]."""
    sets, n = x.shape
    y = torch.empty_like(x)
    call("evoact_spline_forward", x, y, c, sets, n, c.shape[1] - 2, low, per_step, threads(x, SERIAL))
    return y


def backward(
    g: Tensor, x: Tensor, c: Tensor, low: float, per_step: float, with_c: bool = True
) -> tuple[Tensor, Tensor | None]:
    """Return the gradients with respect to x and, if wanted, c."""
    sets, n = x.shape
    nodes, blocks = c.shape[1] - 2, max(1, n // BLOCK)
    grad_x, sums = torch.empty_like(x), _sums(c, blocks) if with_c else None
    sizes = sets, blocks, n, nodes
    call("evoact_spline_backward", g, x, grad_x, c, sums, *sizes, low, per_step, threads(x, SERIAL))
    return grad_x, None if sums is None else _by_coefficient(sums, c)


def curvature(
    g: Tensor, x: Tensor, c: Tensor, hx: Tensor, hc: Tensor, low: float, per_step: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of hx . grad_x + hc . grad_c, both of `backward`, with respect to g, x and c."""
    sets, n = x.shape
    nodes, blocks = c.shape[1] - 2, max(1, n // BLOCK)
    grad_g, grad_x, sums = torch.empty_like(x), torch.empty_like(x), _sums(c, blocks)
    tensors = g, x, hx, c, hc, grad_g, grad_x, sums
    sizes = sets, blocks, n, nodes
    call("evoact_spline_curvature", *tensors, *sizes, low, per_step, threads(x, SERIAL))
    return grad_g, grad_x, _by_coefficient(sums, c)


def value_slope(x: Tensor, c: Tensor, low: float, per_step: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return splines, their slopes, and how many of x lie outside, in parts."""
    sets, n = x.shape
    y, slope = torch.empty_like(x), torch.empty_like(x)
    beyond = torch.empty(sets * -(-n // PIECE), dtype=torch.int32)
    sizes = sets, n, c.shape[1] - 2
    call("evoact_spline_value_slope", x, y, slope, c, beyond, *sizes, low, per_step, threads(x, SERIAL))
    return y, slope, beyond


def tangent(
    g: Tensor, r: Tensor, x: Tensor, tx: Tensor, c: Tensor, low: float, per_step: float
) -> tuple[Tensor, Tensor]:
    """Return the gradients of sum(r y) + sum(g tx slope) with respect to x and c."""
    sets, n = x.shape
    nodes, blocks = c.shape[1] - 2, max(1, n // BLOCK)
    grad_x, sums = torch.empty_like(x), _sums(c, blocks)
    sizes = sets, blocks, n, nodes
    call("evoact_spline_tangent", g, r, x, tx, c, grad_x, sums, *sizes, low, per_step, threads(x, SERIAL))
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
        """Return the splined rows.

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
    """Write the splined rows of y[R, m], each a term and a spline at the first piece of x[R, P, m].

    Returns:
        their slopes [count, m], if wanted
    """
    _, p, m = x.shape
    nodes = c.shape[1] - 2
    slopes = x.new_empty(len(where.rows), m) if with_slopes else None
    room = x.new_empty(len(c), nodes, 4)
    arrays = program.begin, program.terms, where.rows, where.sets
    sizes = len(c), len(where.rows), p * m, m, nodes
    call("evoact_splined_rows_forward", x, y, slopes, c, room, *arrays, *sizes, *grid, threads(y, SERIAL))
    return slopes


def rows_backward(
    grad_x: Tensor, g: Tensor, x: Tensor, slopes: Tensor, c: Tensor, where: Rows, grid: tuple[float, float]
) -> Tensor:
    """Write the splined rows of grad_x [R, P, m]; return the gradient for c."""
    _, p, m = x.shape
    nodes, blocks = c.shape[1] - 2, len(where.begin) - 1
    sums = c.new_zeros(blocks, COPIES, nodes, 4)
    tensors = g, x, slopes, grad_x, sums, where.rows, where.begin
    sizes = blocks, p * m, m, nodes
    call("evoact_splined_rows_backward", *tensors, *sizes, *grid, threads(g, SERIAL))
    by_block = (sums[:, 0] + sums[:, 1]) + (sums[:, 2] + sums[:, 3])
    by_node = by_block.new_zeros(len(c), nodes, 4)
    for numbers, of_block in where.rounds:
        by_node[numbers] += by_block[of_block]
    grad_c = torch.empty_like(c)
    call("evoact_polynomials_fold", by_node, grad_c, len(c), nodes)
    return grad_c


def _sums(c: Tensor, blocks: int) -> Tensor:
    """Where a kernel adds up the coefficients' gradients, node by node."""
    return c.new_zeros(len(c), blocks, COPIES, c.shape[1] - 2, 4)


def _by_coefficient(sums: Tensor, c: Tensor) -> Tensor:
    """Sums [sets, ..., nodes, 4] as a gradient in the shape of c."""
    nodes, grad_c = c.shape[1] - 2, torch.empty_like(c)
    copies = sums.numel() // (len(c) * nodes * 4)
    call("evoact_spline_fold", sums, grad_c, len(c), copies, nodes)
    return grad_c
