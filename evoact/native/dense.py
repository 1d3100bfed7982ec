"""The products of `dense.c` on tensors: single precision, CPU, w[K, N, D] and g[K, N, B] contiguous; x[1 or K, D, B]
contiguous, or the transpose of what is. With `bf16`, which the processor must have (`convolution.has_bf16`), factors
are rounded and sums taken in single precision.
"""

import torch
from torch import Tensor

from evoact.native.library import call
from evoact.native.tensors import threads

SERIAL = 32_768  # elements


def takes(x: Tensor) -> bool:
    """Return whether x lies in one of the two ways."""
    return x.is_contiguous() or x.transpose(1, 2).is_contiguous()


def values(w: Tensor, x: Tensor, biases: Tensor | None, bf16: bool = False) -> Tensor:
    """Return w x + biases [K, N, 1]: [K, N, B]."""
    (k, n, d), m = w.shape, x.shape[2]
    y = w.new_empty(k, n, m)
    call("evoact_dense", w, x, *_lies(x), biases, y, k, n, d, m, int(bf16), threads(w, SERIAL))
    return y


def gradients(
    g: Tensor, w: Tensor, x: Tensor, of_w: bool, of_x: bool, of_biases: bool, bf16: bool = False
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Return the gradients for w, x (of each member) and the biases [K, N, 1], those that are wanted, from g, that for
    the values."""
    (k, n, d), m = w.shape, x.shape[2]
    grad_w = torch.empty_like(w) if of_w else None
    grad_x = w.new_empty(k, d, m) if of_x else None
    grad_biases = w.new_empty(k, n, 1) if of_biases else None
    tensors = grad_x, grad_w, grad_biases
    call("evoact_dense_backward", g, w, x, *_lies(x), *tensors, k, n, d, m, int(bf16), threads(w, SERIAL))
    return grad_w, grad_x, grad_biases


def _lies(x: Tensor) -> tuple[int, int]:
    """How far members are apart, 0 if there is one for all, and whether x lies across."""
    return (x[0].numel() if len(x) > 1 else 0), int(not x.is_contiguous())
