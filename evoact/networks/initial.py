"""The ways to draw a parameter's first values, by name."""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Generator, Tensor

Shape = tuple[int, ...]


def _uniform(shape: Shape, fan_in: int, generator: Generator) -> Tensor:
    return (torch.rand(shape, generator=generator, dtype=torch.float64) * 2 - 1) / fan_in**0.5


def _glorot(shape: Shape, fan_in: int, generator: Generator) -> Tensor:
    fan_out = shape[0] * math.prod(shape[2:])
    drawn = torch.rand(shape, generator=generator, dtype=torch.float64) * 2 - 1
    return drawn * (6 / (fan_in + fan_out)) ** 0.5


def _he(shape: Shape, fan_in: int, generator: Generator) -> Tensor:
    return _normal((2 / fan_in) ** 0.5)(shape, fan_in, generator)


def _normal(deviation: float) -> Callable[[Shape, int, Generator], Tensor]:
    def draw(shape: Shape, fan_in: int, generator: Generator) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64) * deviation

    return draw


def _constant(value: float) -> Callable[[Shape, int, Generator], Tensor]:
    def draw(shape: Shape, fan_in: int, generator: Generator) -> Tensor:
        return torch.full(shape, value, dtype=torch.float64)

    return draw


# Each draws float64 of the shape [outputs, inputs, *kernel] or of a vector, given the fan-in.
INITIAL: Mapping[str, Callable[[Shape, int, Generator], Tensor]] = {
    "uniform": _uniform,  # +-1/sqrt(fan_in), as PyTorch's layers draw weights and biases
    "glorot": _glorot,  # Glorot & Bengio 2010, equation (16): the default of Keras
    "he": _he,  # He et al. 2015, equation (10)
    "zeros": _constant(0.0),
    "ones": _constant(1.0),
    # The `gaussian` and `constant` fillers of Caffe's AlexNet, after Krizhevsky et al. 2012, section 5.
    "constant_0.1": _constant(0.1),
    "normal_0.01": _normal(0.01),
    "normal_0.005": _normal(0.005),
}

# What a network's argument `initial` may say, and how biases are drawn then.
SCHEMES: Mapping[str, str] = {"uniform": "uniform", "glorot": "zeros", "he": "zeros"}
