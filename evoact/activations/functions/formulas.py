"""Values and derivatives of the base functions, that take more than one operation.

Each value is composed of operations whose results do not depend on where an element lies in its
tensor: PyTorch's vectorised `exp`, `tanh`, `sin` treat a tensor's tail like the rest of it, while
its `sigmoid`, `silu`, `elu`, `mish` and `softplus` round differently there, and a candidate's
training would then depend on its neighbours in a pack.
"""

import math

import torch
from torch import Tensor

SELU_SCALE = 1.0507009873554805  # Klambauer et al. 2017, equation (2)
SELU_ALPHA = 1.6732632423543772
LEAK = 0.01  # Maas et al. 2013, section 2
THRESHOLD = 1.0  # Konda et al. 2015


def positive(x: Tensor) -> Tensor:
    return (x > 0).to(x.dtype)


def side(x: Tensor) -> Tensor:
    """Return -1 below 0, else 1: side(x) x is |x| with a slope at 0."""
    return torch.where(x < 0, -1.0, 1.0).to(x.dtype)


def identity(x: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.mul(x, 1, out=out)


def relu(x: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.clamp(x, min=0, out=out)


def leaky_relu(x: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.maximum(x, LEAK * x, out=out)


def elu(x: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.add(x.clamp(min=0), torch.expm1(x.clamp(max=0)), out=out)


def selu(x: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.mul(x.clamp(min=0) + SELU_ALPHA * torch.expm1(x.clamp(max=0)), SELU_SCALE, out=out)


def selu_derivative(x: Tensor, y: Tensor) -> Tensor:
    right = positive(x)
    return SELU_SCALE * right + (1 - right) * (y + SELU_SCALE * SELU_ALPHA)


def softplus(x: Tensor, out: Tensor | None = None) -> Tensor:
    """Return log(1 + e^x). Autograd gives its derivatives of any order: as x or 0 and side(x) x, not as a clamp and
    |x|, whose slopes at 0 are those of neither side.
    """
    return torch.add(torch.where(x < 0, 0.0, x), torch.log1p(torch.exp(-side(x) * x)), out=out)


def logistic(x: Tensor) -> Tensor:
    """Return the logistic function with finite derivatives at large |x|, where exp(-x) overflows."""
    return 0.5 * torch.tanh(0.5 * x) + 0.5


def sigmoid(x: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.reciprocal(torch.exp(-x).add(1), out=out)


def softsign(x: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.div(x, 1 + x.abs(), out=out)


def softsign_derivative(x: Tensor, y: Tensor) -> Tensor:
    return (1 - side(x) * y).square()


def gaussian(x: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.exp(-x * x, out=out)


def gelu(x: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.mul(0.5 * x, 1 + torch.erf(x * math.sqrt(0.5)), out=out)


def gelu_derivative(x: Tensor, y: Tensor) -> Tensor:
    density = torch.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
    return 0.5 * (1 + torch.erf(x * math.sqrt(0.5))) + x * density


def swish(x: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.mul(x, sigmoid(x), out=out)


def swish_derivative(x: Tensor, y: Tensor) -> Tensor:
    s = logistic(x)
    return s + x * s * (1 - s)


def mish(x: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.mul(x, torch.tanh(softplus(x)), out=out)


def mish_derivative(x: Tensor, y: Tensor) -> Tensor:
    t = torch.tanh(softplus(x))
    return t + x * (1 - t * t) * logistic(x)


def square(x: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.mul(x, x, out=out)


def zero(x: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.zeros_like(x) if out is None else out.zero_()


def thresholded_relu(x: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.mul(torch.threshold(x, THRESHOLD, 0.0), 1, out=out)


def inside(x: Tensor, low: float, high: float) -> Tensor:
    """Return 1 strictly between the bounds, else 0."""
    return ((x > low) & (x < high)).to(x.dtype)


def hard_tanh(x: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.clamp(x, min=-1, max=1, out=out)


def relu6(x: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.clamp(x, min=0, max=6, out=out)


def hard_sigmoid(x: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.mul((x + 3).clamp(min=0, max=6), 1 / 6, out=out)


def hard_swish(x: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.mul(x, hard_sigmoid(x), out=out)


def hard_swish_derivative(x: Tensor, y: Tensor) -> Tensor:
    middle = (x + 3) * (1 / 6) + x / 6
    return torch.where(x <= -3, 0.0, torch.where(x >= 3, 1.0, middle)).to(x.dtype)


def snake(x: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.add(x, torch.sin(x).square(), out=out)
