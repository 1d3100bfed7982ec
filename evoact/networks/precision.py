"""The precision of products and convolutions in training; everything else stays in that of the parameters.

Factors are rounded, and their products summed in single precision. `float16` has few exponents (Micikevicius et al.
2018, section 3.2): on the way back each product's gradient is brought to its range first, member by member, by a power
of two that is taken off its results, so that nothing has to be tuned and no neighbour counts. What overflows on the way
there is infinite, and the member has diverged.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from evoact.activations.differentiable import followed
from evoact.errors import UserError
from evoact.native import convolution, dense
from evoact.native.tensors import accepts

# The type to which the factors are rounded, None for none: the device's own arithmetic does what tf32 means.
PRECISIONS: Mapping[str, torch.dtype | None] = {
    "float32": None,
    "bf16": torch.bfloat16,
    "float16": torch.float16,
    "tf32": None,
}
# The first compute capability of NVIDIA's GPUs that has it.
CAPABILITIES: Mapping[str, tuple[int, int]] = {"bf16": (8, 0), "float16": (7, 0), "tf32": (8, 0)}
OVERFLOWS = "in training.precision float16 numbers above 65,504 overflow: choose bf16 or float32"
_LARGEST = 2.0**10  # that gradients are brought to: a sum of 64 of them still fits


def rounded(factor: Tensor, precision: str) -> Tensor:
    """Return a factor as products of this precision take it.

    >>> rounded(torch.tensor([1.001]), "bf16")
    tensor([1.], dtype=torch.bfloat16)
    """
    dtype = PRECISIONS[precision]
    return factor if dtype is None else factor.to(dtype)


def multiplied(work: Callable[..., Tensor], precision: str, *factors: Tensor) -> Tensor:
    """Return `work`, a product of its factors [1 or K, ...], of the rounded factors, in their own precision."""
    if precision != "float16":
        return work(*(rounded(f, precision) for f in factors)).to(factors[0].dtype)
    # Each member has a factor of its own then, and its gradients a scale of their own.
    k = max(map(len, factors))
    result: Tensor = _InFloat16.apply(work, *(f.expand(k, *f.shape[1:]) for f in factors))
    return result


def product(weights: Tensor, h: Tensor, biases: Tensor | None, precision: str = "float32") -> Tensor:
    """Return each member's product of matrices: weights [K, N, D], h [K, D, B], biases [K, N, 1] -> [K, N, B]."""
    half = precision == "bf16"
    taken = accepts(weights) and accepts(h) and weights.is_contiguous()
    if taken and (PRECISIONS[precision] is None or (half and convolution.has_bf16())):
        result: Tensor = NativeProduct.apply(weights, h, biases, precision)
        return result
    if PRECISIONS[precision] is None:
        return torch.bmm(weights, h) if biases is None else torch.baddbmm(biases, weights, h)
    y = multiplied(torch.bmm, precision, weights, h)
    return y if biases is None else y + biases


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
            multiplied(torch.bmm, precision, g, h.transpose(1, 2)) if of_weights else None,
            multiplied(torch.bmm, precision, weights.transpose(1, 2), g) if of_h else None,
            g.sum(dim=2, keepdim=True) if of_biases else None,
            None,
        )


def _one_of_equal(h: Tensor) -> Tensor:
    """One for all if all members have the same, in one of the ways that the kernels take."""
    h = h[:1] if h.stride(0) == 0 else h
    return h if dense.takes(h) else h.contiguous()


class _InFloat16(torch.autograd.Function):
    """A product of factors [K, ...] rounded to float16, as are their gradients, brought to its range."""

    @staticmethod
    def forward(ctx: Any, work: Callable[..., Tensor], *factors: Tensor) -> Tensor:
        needed = ctx.needs_input_grad[1:]
        with torch.enable_grad():
            halves = [f.detach().half().requires_grad_(n) for f, n in zip(factors, needed, strict=True)]
            ctx.result = work(*halves)
        ctx.work, ctx.halves = work, [h for h in halves if h.requires_grad]
        ctx.save_for_backward(*factors)
        return ctx.result.detach().to(factors[0].dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        (g,) = grads
        factors, needed = ctx.saved_tensors, ctx.needs_input_grad[1:]
        if torch.is_grad_enabled():  # a derivative of this derivative will be asked for: in single precision
            return None, *followed(ctx.work, factors, g)
        scale = _scale(g)
        scaled = torch.autograd.grad(ctx.result, ctx.halves, _times(g, scale).half(), retain_graph=True)
        found = iter(scaled)
        own = (
            _times(next(found).to(f.dtype), 1 / scale) if n else None
            for f, n in zip(factors, needed, strict=True)
        )
        return None, *own


def _scale(g: Tensor) -> Tensor:
    """Return the power of two that brings each member's gradient near `_LARGEST`, [K]; 1 if it is 0 or not finite."""
    largest = g.abs().flatten(1).amax(dim=1)
    _, exponents = torch.frexp(_LARGEST / largest)
    ones = torch.ones_like(largest)
    # Not so small that its inverse overflows.
    scale = torch.ldexp(ones, (exponents - 1).clamp(-100, 100))
    return torch.where(largest.isfinite() & (largest > 0), scale, ones)


def _times(t: Tensor, factors: Tensor) -> Tensor:
    return t * factors.view(-1, *[1] * (t.dim() - 1))


@contextmanager
def arithmetic(precision: str, device: torch.device) -> Iterator[None]:
    """Have a GPU multiply numbers of single precision as asked for in this block, and sum all products in it.

    PyTorch's defaults are others: convolutions in tf32, sums of long products in half precision.
    """
    if device.type != "cuda":
        yield
        return
    cudnn: Any = torch.backends.cudnn
    products, convolutions = torch.backends.cuda.matmul, cudnn.conv
    names = ("allow_bf16_reduced_precision_reduction", "allow_fp16_reduced_precision_reduction")
    before = products.fp32_precision, convolutions.fp32_precision, [getattr(products, n) for n in names]
    products.fp32_precision = convolutions.fp32_precision = "tf32" if precision == "tf32" else "ieee"
    for name in names:
        setattr(products, name, False)
    try:
        yield
    finally:
        products.fp32_precision, convolutions.fp32_precision = before[:2]
        for name, value in zip(names, before[2], strict=True):
            setattr(products, name, value)


def precisions_of(device: torch.device) -> tuple[str, ...]:
    """Return the precisions that a device computes in faster than by emulating them, float32 first.

    >>> "tf32" in precisions_of(torch.device("cpu"))
    False
    """
    if device.type == "cuda":
        capability = torch.cuda.get_device_capability(device)
        return tuple(p for p in PRECISIONS if capability >= CAPABILITIES.get(p, (0, 0)))
    return ("float32", "bf16") if device.type != "cpu" or has_bf16(device) else ("float32",)


def check_precision(precision: str, device: torch.device) -> None:
    """Refuse a precision in which this device does not compute.

    Raises:
        UserError: saying what the device has.
    """
    if precision == "auto":
        raise ValueError("expected training.precision to be chosen before training, got 'auto'")
    has = precisions_of(device)
    if precision in has:
        return
    if device.type == "cuda":
        major, minor = torch.cuda.get_device_capability(device)
        called = f"{torch.cuda.get_device_name(device)} of compute capability {major}.{minor}"
    else:
        called = "this processor"
    needed = ", ".join(f"{name} from {a}.{b}" for name, (a, b) in CAPABILITIES.items())
    raise UserError(
        f"expected training.precision {' or '.join(has)}, which {called} has, got {precision!r} (processors have bf16 "
        f"if they have avx512_bf16, NVIDIA's GPUs by their compute capability: {needed}); choose float32 or auto"
    )


def has_bf16(device: torch.device) -> bool:
    """Return whether the device multiplies numbers in bf16 faster than in single precision."""
    if device.type == "cuda":
        return "bf16" in precisions_of(device)
    return device.type != "cpu" or torch.cpu._is_avx512_bf16_supported()
