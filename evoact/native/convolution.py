"""The convolutions of `convolution.c` on tensors: single precision, CPU, contiguous.

Images are x[1 or K, G * C, H, W, B], weights w[K, G * N, C, size, size] and biases [K, G * N] of K members in G groups.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from evoact.native.library import call
from evoact.native.tensors import threads

SERIAL = 32_768  # elements
LARGEST_WINDOW = 16  # per side


@dataclass(frozen=True)
class Window:
    """How a window moves over images."""

    stride: int = 1
    padding: int = 0
    groups: int = 1

    def after(self, length: int, size: int) -> int:
        """Return the height or width of a result.

        >>> Window(stride=2, padding=1).after(32, 3)
        16
        """
        return (length + 2 * self.padding - size) // self.stride + 1


def has_bf16() -> bool:
    """Return whether the kernels, which there must be, multiply in bf16 here."""
    return bool(call("evoact_has_bf16"))


def convolution(x: Tensor, w: Tensor, bias: Tensor, window: Window, bf16: bool = False) -> Tensor:
    """Return the convolutions y[K, G * N, H', W', B], of factors rounded to bf16 if that is asked for."""
    height, width = (window.after(n, w.shape[-1]) for n in x.shape[2:4])
    y = x.new_empty(*bias.shape, height, width, x.shape[-1])
    call("evoact_convolution", x, w, bias, y, _shape(x.shape, w, window, bf16), threads(y, SERIAL))
    return y


def input_gradient(g: Tensor, w: Tensor, images: torch.Size, window: Window, bf16: bool = False) -> Tensor:
    """Return the gradient for images of this shape, [K, ...], from g, that for y; the sum over members if they share
    the images."""
    k, *rest = len(w), *images[1:]
    x = g.new_empty(k, *rest)
    call("evoact_convolution_inputs", g, w, x, _shape(x.shape, w, window, bf16), threads(g, SERIAL))
    return x if images[0] == k else x.sum(dim=0, keepdim=True)


def weight_gradients(
    g: Tensor, x: Tensor, w: Tensor, window: Window, bf16: bool = False
) -> tuple[Tensor, Tensor]:
    """Return the gradients for w and for the biases, from g, that for y."""
    grad_w, grad_bias = torch.empty_like(w), w.new_empty(w.shape[:2])
    sizes = _shape(x.shape, w, window, bf16)
    call("evoact_convolution_weights", g, x, grad_w, grad_bias, sizes, threads(g, SERIAL))
    return grad_w, grad_bias


def _shape(images: torch.Size, w: Tensor, window: Window, bf16: bool) -> np.ndarray:
    """The `Shape` of the kernels."""
    (members, outputs, inputs, size, _), (copies, _, height, width, examples) = w.shape, images
    after = window.after(height, size), window.after(width, size)
    shared = int(copies < members)
    channels = members, window.groups, inputs, outputs // window.groups
    return np.array(
        [*channels, height, width, examples, *after, size, window.stride, window.padding, shared, int(bf16)],
        np.int64,
    )
