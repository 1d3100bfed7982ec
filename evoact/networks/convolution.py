"""Convolutions for packs, differentiable to any order: kernels if there are some, PyTorch elsewhere."""

import functools
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from evoact.activations.differentiable import followed
from evoact.native import convolution as native
from evoact.native.convolution import Window
from evoact.native.tensors import accepts
from evoact.networks.precision import multiplied


def convolution(
    x: Tensor, weights: Tensor, biases: Tensor, window: Window, precision: str = "float32"
) -> Tensor:
    """Return each member's convolution: images x[1 or K, C, H, W, B] -> [K, C', H', W', B].

    Args:
        weights: [K, C', C / groups, size, size]
        biases: [K, C']
        precision: in which weights and images are multiplied
    """
    taken = accepts(weights) and accepts(x) and weights.shape[-1] <= native.LARGEST_WINDOW
    if taken and (precision == "float32" or (precision == "bf16" and native.has_bf16())):
        tensors = x.contiguous(), weights.contiguous(), biases.contiguous()
        result: Tensor = NativeConvolution.apply(*tensors, window, precision)
        return result
    return reference(x, weights, biases, window, precision)


def reference(x: Tensor, weights: Tensor, biases: Tensor, window: Window, precision: str) -> Tensor:
    """Return `convolution` in PyTorch.

    Member by member: one convolution with a group per member rounds differently with their number, because
    the library chooses its kernel by it, and is no faster on a processor.
    """

    def work(x: Tensor, weights: Tensor) -> Tensor:
        images = x.movedim(-1, 1).expand(len(weights), *[-1] * 4).unbind()
        results = [
            F.conv2d(of, weight, None, window.stride, window.padding, 1, window.groups)
            for of, weight in zip(images, weights.unbind(), strict=True)
        ]
        return torch.stack(results).movedim(1, -1)

    return multiplied(work, precision, x, weights) + biases[..., None, None, None]


class NativeConvolution(torch.autograd.Function):
    """`convolution` by the kernels; its gradients by them, too, unless a derivative of them is wanted."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weights: Tensor, biases: Tensor, window: Window, precision: str
    ) -> Tensor:
        ctx.window, ctx.precision = window, precision
        ctx.save_for_backward(x, weights, biases)
        return native.convolution(x, weights, biases, window, precision == "bf16")

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        x, weights, biases = ctx.saved_tensors
        g, how = grads[0].contiguous(), (ctx.window, ctx.precision == "bf16")
        if torch.is_grad_enabled():  # a derivative of this derivative will be asked for
            plain = functools.partial(reference, window=ctx.window, precision=ctx.precision)
            return *followed(plain, (x, weights, biases), g), None, None
        grad_x = native.input_gradient(g, weights, x.shape, *how) if ctx.needs_input_grad[0] else None
        if not any(ctx.needs_input_grad[1:3]):  # weights that stay as they are
            return grad_x, None, None, None, None
        return grad_x, *native.weight_gradients(g, x, weights, *how), None, None
