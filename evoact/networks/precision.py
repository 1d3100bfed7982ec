"""The precision of products and convolutions in training; everything else stays in that of the parameters."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from evoact.errors import UserError
from evoact.native import convolution, dense
from evoact.native.tensors import accepts

# The type to which the factors are rounded, None for none; sums are taken in single precision.
PRECISIONS: Mapping[str, torch.dtype | None] = {"float32": None, "bf16": torch.bfloat16}


def rounded(factor: Tensor, precision: str) -> Tensor:
    """Return a factor as products of this precision take it.

    >>> rounded(torch.tensor([1.001]), "bf16")
    tensor([1.], dtype=torch.bfloat16)
    """
    dtype = PRECISIONS[precision]
    return factor if dtype is None else factor.to(dtype)


def product(weights: Tensor, h: Tensor, biases: Tensor | None, precision: str = "float32") -> Tensor:
    """Return each member's product of matrices: weights [K, N, D], h [K, D, B], biases [K, N, 1] -> [K, N, B]."""
    half = precision == "bf16"
    taken = accepts(weights) and accepts(h) and weights.is_contiguous()
    if taken and (PRECISIONS[precision] is None or (half and convolution.has_bf16())):
        result: Tensor = NativeProduct.apply(weights, h, biases, precision)
        return result
    if PRECISIONS[precision] is None:
        return torch.bmm(weights, h) if biases is None else torch.baddbmm(biases, weights, h)
    y = _rounded_product(weights, h, precision)
    return y if biases is None else y + biases


def _rounded_product(a: Tensor, b: Tensor, precision: str) -> Tensor:
    return torch.bmm(rounded(a, precision), rounded(b, precision)).to(a.dtype)


class NativeProduct(torch.autograd.Function):
    """`product` by the kernels; its gradients, too, unless a derivative of them is wanted."""

    @staticmethod
    def forward(ctx: Any, weights: Tensor, h: Tensor, biases: Tensor | None, precision: str) -> Tensor:
        ctx.precision = precision
        ctx.save_for_backward(weights, h)
        own = None if biases is None else biases.contiguous()
        return dense.values(weights, _one_of_equal(h), own, precision == "bf16")

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        (weights, h), g, precision = ctx.saved_tensors, grads[0].contiguous(), ctx.precision
        of_weights, of_h, of_biases, _ = ctx.needs_input_grad
        if not torch.is_grad_enabled():
            wanted = of_weights, of_h, of_biases
            return *dense.gradients(g, weights, _one_of_equal(h), *wanted, precision == "bf16"), None
        # A derivative of this derivative will be asked for.
        return (
            _rounded_product(g, h.transpose(1, 2), precision) if of_weights else None,
            _rounded_product(weights.transpose(1, 2), g, precision) if of_h else None,
            g.sum(dim=2, keepdim=True) if of_biases else None,
            None,
        )


def _one_of_equal(h: Tensor) -> Tensor:
    """One for all if all members have the same, in one of the ways that the kernels take."""
    h = h[:1] if h.stride(0) == 0 else h
    return h if dense.takes(h) else h.contiguous()


def check_precision(precision: str, device: torch.device) -> None:
    """Refuse a precision in which this device does not compute.

    Raises:
        UserError: saying what the device has.
    """
    if precision == "bf16" and not has_bf16(device):
        raise UserError(
            f"expected training.precision float32, since {_called(device)} has no arithmetic in bf16 (processors "
            "have it as avx512_bf16, NVIDIA's GPUs from compute capability 8.0 on), got 'bf16'; choose float32"
        )


def has_bf16(device: torch.device) -> bool:
    """Return whether the device multiplies numbers in bf16 faster than in single precision."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type != "cpu" or torch.cpu._is_avx512_bf16_supported()


def _called(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "this processor"
