"""The attention of `attention.c` on tensors: single precision, CPU, q, k and v [K, B, heads, places, width] each."""

import numpy as np
import torch
from torch import Tensor

from evoact.native.library import call
from evoact.native.tensors import threads

SERIAL = 8_192  # numbers in queries
MOST_KEYS, MOST_WIDTH = 1024, 128  # what one head needs stays in the cache


def takes(q: Tensor, k: Tensor, v: Tensor) -> bool:
    """Return whether the kernels are made for heads of these shapes."""
    alike = q.dim() == 5 and q.shape[:3] == k.shape[:3] and k.shape == v.shape and q.shape[-1] == k.shape[-1]
    return alike and 0 < k.shape[-2] <= MOST_KEYS and 0 < q.shape[-1] <= MOST_WIDTH and q.numel() > 0


def attention(q: Tensor, k: Tensor, v: Tensor, scale: float, causal: bool) -> tuple[Tensor, Tensor]:
    """Return o [K, B, heads, queries, width], which lies in memory in the order of q, and the logarithms of the sums
    that weights are divided by."""
    o, logarithms = _like(q), q.new_empty(q.shape[:-1])
    call("evoact_attention", q, k, v, o, logarithms, scale, _heads(q, k, v, o, causal))
    return o, logarithms


def gradients(
    g: Tensor, q: Tensor, k: Tensor, v: Tensor, o: Tensor, logarithms: Tensor, scale: float, causal: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients for q, k and v from g, that for o."""
    if g.stride() != o.stride():
        g = _like(o).copy_(g)
    found = _like(q), _like(k), _like(v)
    steps = np.array([step for t in found for step in t.stride()[:4]], np.int64)
    call(
        "evoact_attention_backward",
        g,
        q,
        k,
        v,
        o,
        logarithms,
        *found,
        steps,
        scale,
        _heads(q, k, v, o, causal),
    )
    return found


def rows(t: Tensor) -> Tensor:
    """Return a tensor whose last dimension is contiguous, as the kernels want it."""
    return t if t.stride(-1) == 1 else t.contiguous()


def _like(t: Tensor) -> Tensor:
    """Return a new tensor without gaps whose dimensions lie in the order of another's."""
    order = sorted(range(4), key=lambda i: -t.stride()[i])
    made = t.new_empty([t.shape[i] for i in order] + [t.shape[4]])
    return made.permute(*torch.tensor(order).argsort().tolist(), 4)


def _heads(q: Tensor, k: Tensor, v: Tensor, o: Tensor, causal: bool) -> np.ndarray:
    sizes = [*q.shape[:4], k.shape[3], q.shape[4], int(causal), threads(q, SERIAL)]
    return np.array([*sizes, *(step for t in (q, k, v, o) for step in t.stride()[:4])], np.int64)
