"""The units of `pieces.c` on tensors: single precision, CPU, contiguous; x[sets, rows, P, m], the P pieces of neurons
whose rows share their set's parameters c[sets, P + 1].
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from evoact.native.library import call
from evoact.native.mixture import TERM
from evoact.native.tensors import threads

SERIAL = 16_384  # elements
LARGEST, NORM, NETWORK, RATIONAL, HINGES = range(5)  # as in pieces.h
INTEGERS = ("kind", "pieces", "rows", "first", "numbers", "top", "bottom")
UNIT = np.dtype([*((name, np.int32) for name in INTEGERS), ("f", TERM)])


def unit(kind: int, pieces: int, f: np.ndarray | None = None, top: int = 0, bottom: int = 0) -> np.ndarray:
    """Return a unit as the kernels have it; f is its base function, a term of `mixture.TERM`, if it has one, top and
    bottom are degrees, or top the number of hinges."""
    made = np.zeros(1, UNIT)
    made["kind"], made["pieces"], made["top"], made["bottom"] = kind, pieces, top, bottom
    if f is not None:
        made["f"] = f
    return made


def value(of: np.ndarray, x: Tensor, c: Tensor) -> Tensor:
    """Return what the unit, NORM or NETWORK, gives: [sets, rows, m]."""
    y = x.new_empty(*x.shape[:2], x.shape[3])
    call("evoact_pieces", of, x, c, y, *x.shape, threads(x, SERIAL))
    return y


def gradients(of: np.ndarray, g: Tensor, x: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """Return the gradients with respect to x and c, where g is that with respect to the value."""
    grad_x, grad_c = torch.empty_like(x), torch.empty_like(c)
    call("evoact_pieces_backward", of, g, x, c, grad_x, grad_c, *x.shape, threads(x, SERIAL))
    return grad_x, grad_c


@dataclass(frozen=True)
class Units:
    """The units of a layer: those of member k are `units[begin[k]:begin[k + 1]]`, each of a set of its neurons."""

    begin: np.ndarray
    units: np.ndarray
    neurons: np.ndarray

    @staticmethod
    def of(sets: Sequence[tuple[int, np.ndarray, np.ndarray, int]], members: int) -> "Units":
        """Make them from (member, unit, neurons, where the numbers begin) of each set; a member's keep their order."""
        order = sorted(range(len(sets)), key=lambda i: sets[i][0])
        units = np.concatenate([np.zeros(0, UNIT), *(sets[i][1] for i in order)])
        units["rows"] = [len(sets[i][2]) for i in order]
        units["first"] = np.cumsum(units["rows"]) - units["rows"]
        units["numbers"] = [sets[i][3] for i in order]
        begin = np.searchsorted([sets[i][0] for i in order], np.arange(members + 1)).astype(np.int32)
        neurons = np.concatenate([np.zeros(0, int), *(sets[i][2] for i in order)])
        return Units(begin, units, neurons.astype(np.int32))
