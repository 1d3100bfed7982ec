"""The named base functions: one table, with formula, source, value and derivative of each.

Every value is composed of operations whose results do not depend on where an element lies in its
tensor: PyTorch's vectorised `exp`, `tanh`, `sin` treat a tensor's tail like the rest of it, while
its `sigmoid`, `silu`, `elu`, `mish` and `softplus` round differently there, and a candidate's
training would then depend on its neighbours in a pack.

`derivative(x, y)` takes x and y = f(x), so that it need not evaluate f again, and is itself
composed of differentiable operations, so that derivatives of any order follow.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

SELU_SCALE = 1.0507009873554805  # Klambauer et al. 2017, equation (2)
SELU_ALPHA = 1.6732632423543772
LEAK = 0.01  # Maas et al. 2013, section 2


class Value(Protocol):
    def __call__(self, x: Tensor, /, *, out: Tensor | None = None) -> Tensor: ...


@dataclass(frozen=True)
class BaseFunction:
    """A scalar function applied element by element.

    `value(x)` and `derivative(x, y)` map tensors of any shape to tensors of that shape; `value(x, out=...)`
    writes the value into `out`, which saves a pass over memory.
    """

    name: str
    formula: str
    source: str
    value: Value
    derivative: Callable[[Tensor, Tensor], Tensor]
    core: str = ""
    input_scale: float = 1.0
    output_scale: float = 1.0
    shift: float = 0.0


def _positive(x: Tensor) -> Tensor:
    return (x > 0).to(x.dtype)


def _identity(x: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.mul(x, 1, out=out)


def _relu(x: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.clamp(x, min=0, out=out)


def _leaky_relu(x: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.maximum(x, LEAK * x, out=out)


def _elu(x: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.add(x.clamp(min=0), torch.expm1(x.clamp(max=0)), out=out)


def _selu(x: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.mul(x.clamp(min=0) + SELU_ALPHA * torch.expm1(x.clamp(max=0)), SELU_SCALE, out=out)


def _selu_derivative(x: Tensor, y: Tensor) -> Tensor:
    positive = _positive(x)
    return SELU_SCALE * positive + (1 - positive) * (y + SELU_SCALE * SELU_ALPHA)


def _softplus(x: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.add(x.clamp(min=0), torch.log1p(torch.exp(-x.abs())), out=out)


def _logistic(x: Tensor) -> Tensor:
    """The logistic function with finite derivatives at large |x|, where exp(-x) overflows."""
    return 0.5 * torch.tanh(0.5 * x) + 0.5


def _sigmoid(x: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.reciprocal(torch.exp(-x).add(1), out=out)


def _softsign(x: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.div(x, 1 + x.abs(), out=out)


def _gaussian(x: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.exp(-x * x, out=out)


def _gelu(x: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.mul(0.5 * x, 1 + torch.erf(x * math.sqrt(0.5)), out=out)


def _gelu_derivative(x: Tensor, y: Tensor) -> Tensor:
    density = torch.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
    return 0.5 * (1 + torch.erf(x * math.sqrt(0.5))) + x * density


def _swish(x: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.mul(x, _sigmoid(x), out=out)


def _swish_derivative(x: Tensor, y: Tensor) -> Tensor:
    s = _logistic(x)
    return s + x * s * (1 - s)


def _mish(x: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.mul(x, torch.tanh(_softplus(x)), out=out)


def _mish_derivative(x: Tensor, y: Tensor) -> Tensor:
    t = torch.tanh(_softplus(x))
    return t + x * (1 - t * t) * _logistic(x)


def _square(x: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.mul(x, x, out=out)


def _zero(x: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.zeros_like(x) if out is None else out.zero_()


_TABLE = [
    BaseFunction("identity", "x", "-", _identity, lambda x, y: torch.ones_like(x)),
    BaseFunction(
        "relu", "max(0, x)", "Fukushima 1969; Nair & Hinton 2010", _relu, lambda x, y: torch.sign(y)
    ),
    BaseFunction(
        "leaky_relu",
        "max(0.01 x, x)",
        "Maas et al. 2013",
        _leaky_relu,
        lambda x, y: LEAK + (1 - LEAK) * _positive(x),
    ),
    BaseFunction(
        "elu", "x if x > 0 else exp(x) - 1", "Clevert et al. 2016", _elu, lambda x, y: y.clamp(max=0) + 1
    ),
    BaseFunction(
        "selu",
        "1.0507 (x if x > 0 else 1.6733 (exp(x) - 1))",
        "Klambauer et al. 2017",
        _selu,
        _selu_derivative,
    ),
    BaseFunction("softplus", "log(1 + exp(x))", "Dugas et al. 2001", _softplus, lambda x, y: _logistic(x)),
    BaseFunction("sigmoid", "1 / (1 + exp(-x))", "Verhulst 1838", _sigmoid, lambda x, y: y * (1 - y)),
    BaseFunction("tanh", "tanh(x)", "LeCun et al. 1998", torch.tanh, lambda x, y: 1 - y * y),
    BaseFunction(
        "softsign", "x / (1 + |x|)", "Bergstra et al. 2009", _softsign, lambda x, y: (1 - y.abs()).square()
    ),
    BaseFunction("sin", "sin(x)", "Sitzmann et al. 2020", torch.sin, lambda x, y: torch.cos(x)),
    BaseFunction("cos", "cos(x)", "Li & Li 2018", torch.cos, lambda x, y: -torch.sin(x)),
    BaseFunction("gaussian", "exp(-x^2)", "Liu & Yao 1996", _gaussian, lambda x, y: -2 * x * y),
    BaseFunction("gelu", "x Phi(x)", "Hendrycks & Gimpel 2016", _gelu, _gelu_derivative),
    BaseFunction(
        "swish",
        "x / (1 + exp(-x))",
        "Elfwing et al. 2018; Ramachandran et al. 2017",
        _swish,
        _swish_derivative,
    ),
    BaseFunction("mish", "x tanh(log(1 + exp(x)))", "Misra 2020", _mish, _mish_derivative),
    BaseFunction("abs", "|x|", "Jarrett et al. 2009", torch.abs, lambda x, y: torch.sign(x)),
    BaseFunction("square", "x^2", "Livni et al. 2014", _square, lambda x, y: 2 * x),
    BaseFunction("zero", "0", "-", _zero, lambda x, y: torch.zeros_like(x)),
]

BASE_FUNCTIONS: dict[str, BaseFunction] = {f.name: f for f in _TABLE}
