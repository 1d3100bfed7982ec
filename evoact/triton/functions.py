"""The base functions inside Triton kernels: each chosen by its code, which is its place in `NAMES`.

Formulas, sources and what is not finite as in `evoact.activations.functions.formulas`. `value` and `slope` take blocks
of single or double precision; all elements of a block have one code, so that a program takes one branch.
"""

import triton
import triton.language as tl

NAMES = (
    "identity",
    "relu",
    "leaky_relu",
    "elu",
    "selu",
    "softplus",
    "sigmoid",
    "tanh",
    "softsign",
    "sin",
    "cos",
    "gaussian",
    "gelu",
    "swish",
    "mish",
    "abs",
    "square",
    "zero",
    "thresholded_relu",
    "relu6",
    "hard_tanh",
    "hard_sigmoid",
    "hard_swish",
    "snake",
)

LEAK: tl.constexpr = tl.constexpr(0.01)
SELU_SCALE: tl.constexpr = tl.constexpr(1.0507009873554805)
SELU_ALPHA: tl.constexpr = tl.constexpr(1.6732632423543772)
THRESHOLD: tl.constexpr = tl.constexpr(1.0)
ROOT_HALF: tl.constexpr = tl.constexpr(0.5**0.5)
NORMAL_DENSITY: tl.constexpr = tl.constexpr(0.3989422804014327)  # 1 / sqrt(2 pi)


@triton.jit
def logistic(x):
    return 1 / (1 + tl.exp(-x))


@triton.jit
def tanh(x):
    return 2 * logistic(2 * x) - 1


@triton.jit
def softplus(x):
    return clamped_below(x, 0) + tl.log(1 + tl.exp(-tl.abs(x)))


@triton.jit
def normal_cdf(x):
    return 0.5 * (1 + tl.erf(x * ROOT_HALF))


@triton.jit
def clamped_below(x, low):
    return tl.where(x < low, low, x)  # NaN stays


@triton.jit
def clamped(x, low, high):
    return tl.where(x > high, high, clamped_below(x, low))


@triton.jit
def inside(x, low, high):
    return tl.where((x > low) & (x < high), 1.0, 0.0).to(x.dtype)


@triton.jit
def sign(x):
    return tl.where(x > 0, 1.0, tl.where(x < 0, -1.0, x))  # 0 and NaN stay


@triton.jit
def value(x, code):
    """f(x)."""
    y = x  # identity
    if code == 1:  # relu
        y = clamped_below(x, 0)
    elif code == 2:  # leaky_relu
        y = tl.where(x < 0, LEAK * x, x)
    elif code == 3:  # elu
        y = tl.where(x > 0, x, tl.exp(x) - 1)
    elif code == 4:  # selu
        y = SELU_SCALE * tl.where(x > 0, x, SELU_ALPHA * (tl.exp(x) - 1))
    elif code == 5:  # softplus
        y = softplus(x)
    elif code == 6:  # sigmoid
        y = logistic(x)
    elif code == 7:  # tanh
        y = tanh(x)
    elif code == 8:  # softsign
        y = x / (1 + tl.abs(x))
    elif code == 9:  # sin
        y = tl.sin(x)
    elif code == 10:  # cos
        y = tl.cos(x)
    elif code == 11:  # gaussian
        y = tl.exp(-x * x)
    elif code == 12:  # gelu
        y = x * normal_cdf(x)
    elif code == 13:  # swish
        y = x * logistic(x)
    elif code == 14:  # mish
        y = x * tanh(softplus(x))
    elif code == 15:  # abs
        y = tl.abs(x)
    elif code == 16:  # square
        y = x * x
    elif code == 17:  # zero
        y = tl.zeros_like(x)
    elif code == 18:  # thresholded_relu
        y = tl.where(x <= THRESHOLD, 0.0, x)
    elif code == 19:  # relu6
        y = clamped(x, 0, 6)
    elif code == 20:  # hard_tanh
        y = clamped(x, -1, 1)
    elif code == 21:  # hard_sigmoid
        y = clamped(x + 3, 0, 6) / 6
    elif code == 22:  # hard_swish
        y = x * clamped(x + 3, 0, 6) / 6
    elif code == 23:  # snake
        y = x + tl.sin(x) * tl.sin(x)
    return y


@triton.jit
def slope(x, y, code):
    """f'(x) from x and y = f(x)."""
    d = tl.zeros_like(x) + 1  # identity
    if code == 1:  # relu
        d = sign(y)
    elif code == 2:  # leaky_relu
        d = LEAK + (1 - LEAK) * tl.where(x > 0, 1.0, 0.0).to(x.dtype)
    elif code == 3:  # elu
        d = tl.where(y > 0, 1.0, y + 1)
    elif code == 4:  # selu
        d = tl.where(x > 0, SELU_SCALE, y + SELU_SCALE * SELU_ALPHA)
    elif code == 5:  # softplus
        d = logistic(x)
    elif code == 6:  # sigmoid
        d = y * (1 - y)
    elif code == 7:  # tanh
        d = 1 - y * y
    elif code == 8:  # softsign
        d = (1 - tl.abs(y)) * (1 - tl.abs(y))
    elif code == 9:  # sin
        d = tl.cos(x)
    elif code == 10:  # cos
        d = -tl.sin(x)
    elif code == 11:  # gaussian
        d = -2 * x * y
    elif code == 12:  # gelu
        d = normal_cdf(x) + x * (tl.exp(-0.5 * x * x) * NORMAL_DENSITY)
    elif code == 13:  # swish
        d = logistic(x) + y * (1 - logistic(x))
    elif code == 14:  # mish
        t = tanh(softplus(x))
        d = t + x * (1 - t * t) * logistic(x)
    elif code == 15:  # abs
        d = sign(x)
    elif code == 16:  # square
        d = 2 * x
    elif code == 17:  # zero
        d = tl.zeros_like(x)
    elif code == 18:  # thresholded_relu
        d = sign(y)
    elif code == 19:  # relu6
        d = inside(x, 0, 6)
    elif code == 20:  # hard_tanh
        d = inside(x, -1, 1)
    elif code == 21:  # hard_sigmoid
        d = inside(x, -3, 3) / 6
    elif code == 22:  # hard_swish
        d = clamped(x + 3, 0, 6) / 6 + x * inside(x, -3, 3) / 6
    elif code == 23:  # snake
        d = 1 + 2 * tl.sin(x) * tl.cos(x)
    return d
