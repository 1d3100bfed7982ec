"""The base functions: one table, with formula, source, value and derivative of each, and expressions over it.

`derivative(x, y)` takes x and y = f(x), so that it need not evaluate f again, and is itself
composed of differentiable operations, so that derivatives of any order follow. At a kink each derivative is the
limit from one side, or the mean of both (0 for abs, as in PyTorch), and never infinite. How values are
composed, and why, is in `evoact.activations.functions.formulas`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from evoact.activations.functions import formulas
from evoact.activations.functions.quadrature import gaussian_moments_of
from evoact.errors import UserError
from evoact.genomes.function_names import ABSENT, Expression, parse
from evoact.registry import lookup


class Value(Protocol):
    def __call__(self, x: Tensor, /, *, out: Tensor | None = None) -> Tensor: ...


@dataclass(frozen=True)
class BaseFunction:
    """A scalar function applied element by element.

    `value(x)` and `derivative(x, y)` map tensors of any shape to tensors of that shape; `value(x, out=...)`
    writes the value into `out`, which saves a pass over memory. `kinks` are where it has corners or jumps. A
    `smooth` one bends on no smaller scale than 0.1, so that a cubic spline on a grid can stand for it. `code` is
    the text of the file that holds a plugin's, and its name there. For an expression, y = output_scale *
    f(input_scale * x) + shift with the function f that `core` names.
    """

    name: str
    formula: str
    source: str
    value: Value
    derivative: Callable[[Tensor, Tensor], Tensor]
    kinks: tuple[float, ...] = ()
    smooth: bool = False
    code: tuple[str, str] = ("", "")
    core: str = ""
    input_scale: float = 1.0
    output_scale: float = 1.0
    shift: float = 0.0


_TABLE = [
    BaseFunction("identity", "x", "-", formulas.identity, lambda x, y: torch.ones_like(x), smooth=True),
    BaseFunction(
        "relu",
        "max(0, x)",
        "Fukushima 1969; Nair & Hinton 2010",
        formulas.relu,
        lambda x, y: torch.sign(y),
        kinks=(0,),
    ),
    BaseFunction(
        "leaky_relu",
        "max(0.01 x, x)",
        "Maas et al. 2013",
        formulas.leaky_relu,
        lambda x, y: formulas.LEAK + (1 - formulas.LEAK) * formulas.positive(x),
        kinks=(0,),
    ),
    BaseFunction(
        "elu",
        "x if x > 0 else exp(x) - 1",
        "Clevert et al. 2016",
        formulas.elu,
        lambda x, y: y.clamp(max=0) + 1,
    ),
    BaseFunction(
        "selu",
        "1.0507 (x if x > 0 else 1.6733 (exp(x) - 1))",
        "Klambauer et al. 2017",
        formulas.selu,
        formulas.selu_derivative,
        kinks=(0,),
    ),
    BaseFunction(
        "softplus",
        "log(1 + exp(x))",
        "Dugas et al. 2001",
        formulas.softplus,
        lambda x, y: formulas.logistic(x),
        smooth=True,
    ),
    BaseFunction(
        "sigmoid",
        "1 / (1 + exp(-x))",
        "Verhulst 1838",
        formulas.sigmoid,
        lambda x, y: y * (1 - y),
        smooth=True,
    ),
    BaseFunction("tanh", "tanh(x)", "LeCun et al. 1998", torch.tanh, lambda x, y: 1 - y * y, smooth=True),
    BaseFunction(
        "softsign",
        "x / (1 + |x|)",
        "Bergstra et al. 2009",
        formulas.softsign,
        formulas.softsign_derivative,
    ),
    BaseFunction("sin", "sin(x)", "Sitzmann et al. 2020", torch.sin, lambda x, y: torch.cos(x), smooth=True),
    BaseFunction("cos", "cos(x)", "Li & Li 2018", torch.cos, lambda x, y: -torch.sin(x), smooth=True),
    BaseFunction(
        "gaussian", "exp(-x^2)", "Liu & Yao 1996", formulas.gaussian, lambda x, y: -2 * x * y, smooth=True
    ),
    BaseFunction("gelu", "x Phi(x)", "Hendrycks & Gimpel 2016", formulas.gelu, formulas.gelu_derivative),
    BaseFunction(
        "swish",
        "x / (1 + exp(-x))",
        "Elfwing et al. 2018; Ramachandran et al. 2017",
        formulas.swish,
        formulas.swish_derivative,
    ),
    BaseFunction("mish", "x tanh(log(1 + exp(x)))", "Misra 2020", formulas.mish, formulas.mish_derivative),
    BaseFunction("abs", "|x|", "Jarrett et al. 2009", torch.abs, lambda x, y: torch.sign(x), kinks=(0,)),
    BaseFunction("square", "x^2", "Livni et al. 2014", formulas.square, lambda x, y: 2 * x, smooth=True),
    BaseFunction(
        "thresholded_relu",
        "x if x > 1 else 0",
        "Konda et al. 2015",
        formulas.thresholded_relu,
        lambda x, y: torch.sign(y),
        kinks=(1,),
    ),
    BaseFunction(
        "relu6",
        "min(max(0, x), 6)",
        "Krizhevsky 2010",
        formulas.relu6,
        lambda x, y: formulas.inside(x, 0, 6),
        kinks=(0, 6),
    ),
    BaseFunction(
        "hard_tanh",
        "min(max(-1, x), 1)",
        "Collobert 2004",
        formulas.hard_tanh,
        lambda x, y: formulas.inside(x, -1, 1),
        kinks=(-1, 1),
    ),
    BaseFunction(
        "hard_sigmoid",
        "min(max(0, x + 3), 6) / 6",
        "Howard et al. 2019",
        formulas.hard_sigmoid,
        lambda x, y: formulas.inside(x, -3, 3) / 6,
        kinks=(-3, 3),
    ),
    BaseFunction(
        "hard_swish",
        "x min(max(0, x + 3), 6) / 6",
        "Howard et al. 2019",
        formulas.hard_swish,
        formulas.hard_swish_derivative,
        kinks=(-3, 3),
    ),
    BaseFunction(
        "snake", "x + sin(x)^2", "Ziyin et al. 2020", formulas.snake, lambda x, y: 1 + torch.sin(2 * x)
    ),
    BaseFunction("zero", "0", "-", formulas.zero, lambda x, y: torch.zeros_like(x), smooth=True),
]

BASE_FUNCTIONS: dict[str, BaseFunction] = {f.name: replace(f, core=f.name) for f in _TABLE}
# Those of plugins that this process knows, by names with a colon, and why others cannot be used
# (`evoact.activations.functions.plugged`).
PLUGGED: dict[str, BaseFunction] = {}
REFUSED: dict[str, str] = {}
# How far from 0 any of them has a corner or jump: where quadrature must not reach across.
KINKS = tuple(sorted({float(abs(kink)) for f in _TABLE for kink in f.kinks} - {0.0}))


# --- expressions ----------------------------------------------------------------------------------


_KNOWN: dict[str, BaseFunction] = {}  # unlike an `lru_cache`, compilers look into it and go no further
_MOST_KNOWN = 4096


def base_function(name: str) -> BaseFunction:
    """Return the function that a name or an expression stands for; `absent` is the constant 0.

    Raises:
        UserError: for what is neither, with the nearest name, or a function that cannot be normalised.

    >>> f = base_function("2*sin(3*x)")
    >>> f.formula, f.core, f.input_scale, f.output_scale
    ('2 f(3 x), f = sin(x)', 'sin', 3.0, 2.0)
    >>> round(base_function("normalised(relu)").shift, 4)
    -0.6833
    """
    if name in _KNOWN:
        return _KNOWN[name]
    if len(_KNOWN) >= _MOST_KNOWN:
        _KNOWN.clear()
    _KNOWN[name] = _made(name)
    return _KNOWN[name]


def core_function(name: str) -> BaseFunction:
    """Return the function of this name, of the table or of a plugin.

    Raises:
        UserError: for what is neither, with the nearest name, or a plugin's that cannot be used.
    """
    if name in REFUSED:
        raise UserError(REFUSED[name])
    if ":" in name and name not in PLUGGED:
        raise UserError(
            f"expected {name.partition(':')[0]} among the plugins of the config, or an installed package that offers "
            f"{name}, got neither; list it under plugins"
        )
    return PLUGGED[name] if name in PLUGGED else lookup(BASE_FUNCTIONS | PLUGGED, "base function", name)


def forget_expressions() -> None:
    """Forget what has been made of functions by their names: another stands behind one now."""
    _KNOWN.clear()


def _made(name: str) -> BaseFunction:
    if name == ABSENT:
        return replace(BASE_FUNCTIONS["zero"], name=ABSENT)
    expression = parse(name)
    core = core_function(expression.core)
    if expression == Expression(core.name):
        return core
    a, b, c = expression.output_scale, expression.input_scale, 0.0
    if expression.normalised:
        a, c = _normalising(core, a, b, str(expression))
    return BaseFunction(
        str(expression),
        f"{a:.6g} f({b:g} x){f' {c:+.6g}' if c else ''}, f = {core.formula}",
        core.source,
        _scaled_value(core, b, a, c),
        _scaled_derivative(core, b, a),
        core=core.name,
        input_scale=b,
        output_scale=a,
        shift=c,
    )


def _normalising(core: BaseFunction, sign: float, b: float, name: str) -> tuple[float, float]:
    """The factor a and the shift c at which a f(b x) + c has mean 0 and second moment 1 under N(0, 1)."""
    mean, square = gaussian_moments_of(core.value, b, KINKS)
    variance = square - mean * mean
    if not variance > 1e-12 * max(1.0, square):
        raise UserError(
            f"expected a function that varies under a Gaussian input, got {name!r}: it is constant"
        )
    a = sign / math.sqrt(variance)
    return a, -a * mean


def _scaled_value(core: BaseFunction, b: float, a: float, c: float) -> Value:
    def value(x: Tensor, /, *, out: Tensor | None = None) -> Tensor:
        y = core.value(x if b == 1 else x * b)
        if c == 0:
            return torch.mul(y, a, out=out)
        return torch.add(y * a, c, out=out)

    return value


def _scaled_derivative(core: BaseFunction, b: float, a: float) -> Callable[[Tensor, Tensor], Tensor]:
    """f' at b x from f(b x) evaluated again: (y - c) / a would have lost the digits of a small f."""

    def derivative(x: Tensor, y: Tensor) -> Tensor:
        inner = x * b
        return core.derivative(inner, apply(core, inner)) * (a * b)

    return derivative


# --- differentiable application -------------------------------------------------------------------


class _Apply(torch.autograd.Function):
    """f(x) whose derivatives, of any order, are the table's, because autograd's would be inf times 0."""

    generate_vmap_rule = True  # so that `torch.func` goes through it

    @staticmethod
    def forward(x: Tensor, f: BaseFunction) -> Tensor:
        return f.value(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, ctx.f = inputs
        ctx.save_for_backward(x, output)
        ctx.save_for_forward(x, output)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, None]:
        x, y = ctx.saved_tensors
        return grads[0] * ctx.f.derivative(x, y), None


class _ApplyForwards(_Apply):
    """The same with forward-mode derivatives, which compilers do not follow."""

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        x, y = ctx.saved_tensors
        result: Tensor = tangents[0] * ctx.f.derivative(x, y)
        return result


def apply(f: BaseFunction, x: Tensor) -> Tensor:
    """Return f(x), differentiable to any order.

    >>> x = torch.tensor([-200.0], requires_grad=True)
    >>> torch.autograd.grad(apply(base_function("sigmoid"), x).sum(), x)
    (tensor([0.]),)
    """
    if not (torch.is_grad_enabled() and x.requires_grad):
        return f.value(x)
    return (_Apply if torch.compiler.is_compiling() else _ApplyForwards).apply(x, f)
