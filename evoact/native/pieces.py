"""The units of `pieces.c` on tensors: single precision, CPU, contiguous; x[sets, rows, P, m], the P pieces of neurons
whose rows share their set's parameters c[sets, P + 1].
"""

import numpy as np
import torch
from torch import Tensor

from evoact.native.library import call
from evoact.native.tensors import threads

SERIAL = 16_384  # elements


def value(name: str, x: Tensor, c: Tensor, f: np.ndarray | None) -> Tensor:
    """Return what the unit of this name gives, [sets, rows, m]; f is its base function, a term of `mixture.TERM`, if it
    has one."""
    y = x.new_empty(*x.shape[:2], x.shape[3])
    call(name, x, c, *_given(f), y, *x.shape, threads(x, SERIAL))
    return y


def gradients(name: str, g: Tensor, x: Tensor, c: Tensor, f: np.ndarray | None) -> tuple[Tensor, Tensor]:
    """Return the gradients with respect to x and c, where g is that with respect to the value."""
    grad_x, grad_c = torch.empty_like(x), torch.empty_like(c)
    call(f"{name}_backward", g, x, c, *_given(f), grad_x, grad_c, *x.shape, threads(x, SERIAL))
    return grad_x, grad_c


def _given(f: np.ndarray | None) -> tuple[np.ndarray, ...]:
    return () if f is None else (f,)
