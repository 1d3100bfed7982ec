"""The mixture kernels of `activations.c` on tensors: single precision, CPU, contiguous."""

import functools
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from evoact.native.library import call, library
from evoact.native.tensors import threads

TERM = np.dtype(
    [
        ("function", np.int32),
        ("coefficient", np.int32),
        ("input_scale", np.float32),
        ("output_scale", np.float32),
        ("shift", np.float32),
    ]
)
ALONE, SPLINED = -1, -2  # as in activations.h
SERIAL = 32_768  # elements


@functools.lru_cache(maxsize=1)
def function_codes() -> dict[str, int]:
    """Return the base functions that the kernels know, by name; none if there are no kernels."""
    if library() is None:
        return {}
    codes: dict[str, int] = {}
    while (found := call("evoact_function_name", len(codes))) is not None:
        codes[found.decode()] = len(codes)
    return codes


def one_term(core: str, input_scale: float, output_scale: float, shift: float) -> np.ndarray | None:
    """Return output_scale * core(input_scale * x) + shift as a term; None if the kernels do not know the function."""
    if (code := function_codes().get(core)) is None:
        return None
    return np.array([(code, ALONE, input_scale, output_scale, shift)], TERM)


@dataclass(frozen=True)
class Program:
    """The terms of each row: `terms[begin[r]:begin[r + 1]]` are row r's."""

    begin: np.ndarray
    terms: np.ndarray

    @staticmethod
    def of(rows: int, row_of_term: np.ndarray, terms: np.ndarray) -> "Program":
        """Make a program from terms in any order and the row of each; a row's terms keep their order."""
        place = np.argsort(row_of_term, kind="stable")
        counts = np.bincount(row_of_term, minlength=rows)
        begin = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        return Program(begin, np.ascontiguousarray(terms[place]))


def forward(x: Tensor, c: Tensor, program: Program) -> Tensor:
    """Return y[rows, m] from x[rows, pieces, m] and the coefficients c; splined rows are left as they are."""
    rows, pieces, m = x.shape
    y = x.new_empty(rows, m)
    call("evoact_mixture_forward", x, y, c, program.begin, program.terms, rows, pieces, m, threads(y, SERIAL))
    return y


def backward(g: Tensor, x: Tensor, c: Tensor, y: Tensor, program: Program) -> tuple[Tensor, Tensor]:
    """Return the gradients with respect to x, but for splined rows, and c, where g is that with respect to y."""
    rows, pieces, m = x.shape
    grad_x, grad_c = torch.empty_like(x), torch.zeros_like(c)
    tensors = g, x, y, grad_x, c, grad_c, program.begin, program.terms
    call("evoact_mixture_backward", *tensors, rows, pieces, m, threads(y, SERIAL))
    return grad_x, grad_c


# --- neurons as columns -----------------------------------------------------------------------------

COLUMNS, APART, SPAN = 16, 208, 64  # as in activations.c


@dataclass(frozen=True)
class ColumnProgram:
    """A program whose rows are sorted by their terms, and the row `place[j]` of each neuron j."""

    program: Program
    place: np.ndarray

    @staticmethod
    def of(program: Program) -> "ColumnProgram":
        """Sort the rows of a program: those of the same functions together."""
        rows = [program.terms[a:b] for a, b in pairwise(program.begin)]
        order = sorted(range(len(rows)), key=lambda r: tuple(rows[r]["function"].tolist()))
        counts = [len(rows[r]) for r in order]
        begin = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        terms = np.concatenate([rows[r] for r in order]) if rows else program.terms
        return ColumnProgram(Program(begin, np.ascontiguousarray(terms)), np.argsort(order).astype(np.int32))


def columns_forward(x: Tensor, c: Tensor, of: ColumnProgram) -> Tensor:
    """Return y[m, neurons] from x[m, neurons]."""
    y = torch.empty_like(x)
    n = threads(y, SERIAL)
    room = x.new_empty(n, 2, x.shape[1] * COLUMNS + APART)
    p = of.program
    call("evoact_mixture_columns_forward", x, y, c, p.begin, p.terms, of.place, room, *x.shape, n)
    return y


def columns_backward(g: Tensor, x: Tensor, c: Tensor, y: Tensor, of: ColumnProgram) -> tuple[Tensor, Tensor]:
    """Return the gradients with respect to x and c."""
    grad_x, n = torch.empty_like(x), threads(y, SERIAL)
    room, grad_c = x.new_empty(n, 4, x.shape[1] * COLUMNS + APART), c.new_zeros(-(-len(x) // SPAN), len(c))
    p = of.program
    tensors = g, x, y, grad_x, c, grad_c, p.begin, p.terms, of.place, room
    call("evoact_mixture_columns_backward", *tensors, *x.shape, len(c), n)
    return grad_x, grad_c.sum(0)
