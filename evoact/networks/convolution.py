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


def convolution(x: Tensor, weights: Tensor, biases: Tensor, window: Window) -> Tensor:
    """Return each member's convolution: images x[1 or K, C, H, W, B] -> [K, C', H', W', B].

    Args:
        weights: [K, C', C / groups, size, size]
        biases: [K, C']
    """
    if accepts(weights) and accepts(x) and weights.shape[-1] <= native.LARGEST_WINDOW:
        result: Tensor = NativeConvolution.apply(
            x.contiguous(), weights.contiguous(), biases.contiguous(), window
        )
        return result
    return reference(x, weights, biases, window)


def reference(x: Tensor, weights: Tensor, biases: Tensor, window: Window) -> Tensor:
    """Return `convolution` in PyTorch.

    Member by member: one convolution with a group per member rounds differently with their number, because
    the library chooses its kernel by it, and is no faster on a processor.
    """
    examples = x.movedim(-1, 1).expand(len(weights), *[-1] * 4).unbind()
    results = [
        F.conv2d(images, weight, bias, window.stride, window.padding, 1, window.groups)
        for images, weight, bias in zip(examples, weights.unbind(), biases.unbind(), strict=True)
    ]
    return torch.stack(results).movedim(1, -1).contiguous()


class NativeConvolution(torch.autograd.Function):
    """`convolution` by the kernels; its gradients by them, too, unless a derivative of them is wanted."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weights: Tensor, biases: Tensor, window: Window) -> Tensor:
        ctx.window = window
        ctx.save_for_backward(x, weights, biases)
        return native.convolution(x, weights, biases, window)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        x, weights, biases = ctx.saved_tensors
        window, g = ctx.window, grads[0].contiguous()
        if torch.is_grad_enabled():  # a derivative of this derivative will be asked for
            again = followed(functools.partial(reference, window=window), (x, weights, biases), g)
            return again[0], again[1], again[2], None
        grad_x = native.input_gradient(g, weights, x.shape, window) if ctx.needs_input_grad[0] else None
        return grad_x, *native.weight_gradients(g, x, weights, window), None
