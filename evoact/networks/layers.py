"""Layers for packs: the parameters of each, and its computation for K members at once.

Everything is feature-major: images are [K, C, H, W, B], vectors [K, N, B], so that each neuron (or channel)
of each member is one contiguous row for the activations, and each position of all examples one for convolutions.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from evoact.errors import UserError
from evoact.genomes.hyperparameters import OF_NETWORKS
from evoact.native.convolution import Window
from evoact.networks.convolution import convolution
from evoact.networks.initial import SCHEMES
from evoact.networks.network import ForwardPass, Parameter
from evoact.networks.normalisation import batch_normed
from evoact.networks.pooling import max_pool
from evoact.networks.precision import product
from evoact.registry import lookup


def image_shape(network: str, input_shape: tuple[int, ...], least: int) -> tuple[int, int, int]:
    """Return the input shape as (channels, height, width).

    Raises:
        UserError: if it is no image, or one with fewer than `least` pixels in height or width.

    >>> image_shape("lenet5", (1, 28, 28), 16)
    (1, 28, 28)
    """
    if len(input_shape) != 3 or min(input_shape[1:]) < least:
        raise UserError(
            f"expected images of shape [channels, height, width] with at least {least} x {least} pixels for "
            f"network {network!r}, got the input shape {list(input_shape)}; choose a task with such images"
        )
    return input_shape


def scaled(widths: Sequence[int], width: float, multiple: int = 1) -> tuple[int, ...]:
    """Return each width times `width`, rounded to a multiple and at least one multiple.

    Raises:
        UserError: unless `width` is a positive number.

    >>> scaled((20, 50, 500), 0.1)
    (2, 5, 50)
    """
    if not 0 < width < math.inf:
        raise UserError(f"expected network.width above 0, such as 1.0 for the published network, got {width}")
    return tuple(multiple * max(1, round(n * width / multiple)) for n in widths)


def bias_scheme(initial: str) -> str:
    """Return how biases are drawn beside weights of the scheme `initial`.

    Raises:
        UserError: for an unknown scheme, naming the nearest.

    >>> bias_scheme("glorot")
    'zeros'
    """
    return lookup(SCHEMES, "network.initial", initial)


# --- parameters ---------------------------------------------------------------------------------


def convolution_parameters(
    name: str,
    channels: int,
    inputs: int,
    size: int,
    *,
    initial: str = "uniform",
    bias: str = "uniform",
    site: str = "",
    source: str = "",
) -> list[Parameter]:
    """Return `NAME.weight` [channels, inputs, size, size] and `NAME.bias` [channels]; `inputs` are those that one
    output channel sees."""
    fan_in = inputs * size * size
    return [
        Parameter(f"{name}.weight", (channels, inputs, size, size), fan_in, initial, site, source),
        Parameter(f"{name}.bias", (channels,), fan_in, bias, site),
    ]


def linear(
    name: str,
    width: int,
    inputs: int,
    *,
    initial: str = "uniform",
    bias: str = "uniform",
    site: str = "",
    source: str = "",
) -> list[Parameter]:
    """Return `NAME.weight` [width, inputs] and `NAME.bias` [width, 1]."""
    return [
        Parameter(f"{name}.weight", (width, inputs), inputs, initial, site, source),
        Parameter(f"{name}.bias", (width, 1), inputs, bias, site),
    ]


def normalisation(name: str, channels: int, *, site: str = "") -> list[Parameter]:
    """Return `NAME.scale` and `NAME.shift` [channels] of a batch norm."""
    return [
        Parameter(f"{name}.scale", (channels,), channels, "ones", site),
        Parameter(f"{name}.shift", (channels,), channels, "zeros", site),
    ]


# --- computation --------------------------------------------------------------------------------


def feature_major(inputs: Tensor) -> Tensor:
    """Return a batch of images as layers take them: [1 or K, B, C, H, W] -> [1 or K, C, H, W, B]."""
    return inputs.movedim(1, -1).contiguous()


def convolve(
    layers: ForwardPass,
    parameters: Mapping[str, Tensor],
    name: str,
    images: Tensor,
    *,
    stride: int = 1,
    padding: int = 0,
    groups: int = 1,
) -> Tensor:
    """Return the convolution `name`: images [1 or K, C, H, W, B] -> [K, C', H', W', B]."""
    window = Window(stride, padding, groups)
    weights, biases = parameters[f"{name}.weight"], parameters[f"{name}.bias"]
    return convolution(images, weights, biases, window, layers.precision)


def connect(layers: ForwardPass, parameters: Mapping[str, Tensor], name: str, h: Tensor) -> Tensor:
    """Return the linear layer `name`: h [K, D, B] -> [K, N, B]."""
    return product(parameters[f"{name}.weight"], h, parameters[f"{name}.bias"], layers.precision)


def flatten(images: Tensor) -> Tensor:
    """Return images [K, C, H, W, B] as vectors [K, C * H * W, B]."""
    return images.flatten(1, 3)


def average_pool(images: Tensor) -> Tensor:
    """Return the mean over all positions, as vectors: [K, C, H, W, B] -> [K, C, B]."""
    return images.flatten(2, 3).mean(dim=2)


def local_response_norm(images: Tensor, size: int, alpha: float, beta: float, k: float) -> Tensor:
    """Return each value over (k + alpha / size * sum of squares over `size` neighbouring channels)^beta
    (Krizhevsky et al. 2012, section 3.3, with alpha divided by the size as Caffe has it)."""
    return F.local_response_norm(images.flatten(2), size, alpha, beta, k).view(images.shape)


def activate(layers: ForwardPass, site: str, images: Tensor) -> Tensor:
    """Apply `ForwardPass.activate` to images; each channel is one neuron."""
    return layers.activate(site, images.flatten(2)).unflatten(2, images.shape[2:])


def activate_and_pool(layers: ForwardPass, site: str, images: Tensor, size: int, stride: int) -> Tensor:
    """Return the largest activations of each window, without padding, of images [K, C * P, H, W, B]."""
    chosen = layers.chosen(site, images, size, stride)
    return (
        max_pool(activate(layers, site, images), size, stride)
        if chosen is None
        else activate(layers, site, chosen)
    )


def drop(layers: ForwardPass, images: Tensor, rate: float) -> Tensor:
    """Apply `ForwardPass.dropout` to images."""
    return layers.dropout(images.flatten(2), rate).view(images.shape)


def normalise(
    layers: ForwardPass, parameters: Mapping[str, Tensor], name: str, images: Tensor, epsilon: float
) -> Tensor:
    """Apply `ForwardPass.batch_norm` with `NAME.scale` and `NAME.shift` to images."""
    scale, shift = parameters[f"{name}.scale"], parameters[f"{name}.shift"]
    return layers.batch_norm(name, images.flatten(2), scale, shift, epsilon).view(images.shape)


def normalise_and_activate(
    layers: ForwardPass,
    parameters: Mapping[str, Tensor],
    name: str,
    site: str,
    images: Tensor,
    epsilon: float,
    added: Tensor | None = None,
) -> Tensor:
    """Return `activate` of `normalise`, plus `added` before it, images as they are."""
    scale, shift = parameters[f"{name}.scale"], parameters[f"{name}.shift"]
    rest = None if added is None else added.flatten(2)
    at_once = layers.activated_norm(site, images.flatten(2), scale, shift, epsilon, rest)
    if at_once is not None:
        return at_once.view(images.shape)
    z = normalise(layers, parameters, name, images, epsilon)
    return activate(layers, site, z if added is None else z + added)


# --- what a forward pass offers, for packs -------------------------------------------------------


def dropout(h: Tensor, rates: Sequence[float], generators: Sequence[Generator]) -> Tensor:
    """Apply inverted dropout to h [K, N, M] at the members' rates [K]; member k draws from generator k alone, and not
    at all at a rate of 0.
    """
    kept = torch.ones_like(h, memory_format=torch.contiguous_format)
    for member, rate, generator in zip(kept, rates, generators, strict=True):
        if rate:
            member.bernoulli_(1 - rate, generator=generator).div_(1 - rate)
    return h * kept


def check_dropout(rate: float) -> None:
    """Refuse a rate of dropout that is out of range.

    Raises:
        UserError: unless it is from 0 to less than 1.
    """
    if not OF_NETWORKS["dropout"].has(rate):
        raise UserError(f"expected network.dropout from 0 to less than 1, got {rate}")


def batch_norm(
    h: Tensor,
    scale: Tensor,
    shift: Tensor,
    epsilon: float,
    statistics: tuple[Tensor, Tensor] | None = None,
    share: float | None = None,
) -> Tensor:
    """Apply batch norm to h [K, N, M] over M, by the batch's own mean and variance or by `statistics`.

    Args:
        scale, shift: [K, N]
        statistics: means and variances [K, N]; without a share they take the place of the batch's
        share: by how much the batch's own move the statistics, in place: s <- (1 - share) s + share * batch's
    """
    if statistics is None:
        return batch_normed(h, scale, shift, epsilon)
    mean, variance = statistics
    normed = F.batch_norm(
        h.reshape(1, -1, h.shape[-1]),
        mean.view(-1),
        variance.view(-1),
        scale.flatten(),
        shift.flatten(),
        training=share is not None,
        momentum=share or 0.0,
        eps=epsilon,
    )
    return normed.view(h.shape)


def check_batch_norm(momentum: float, epsilon: float) -> None:
    """Refuse settings of batch norms that are out of range.

    Raises:
        UserError: unless 0 < momentum <= 1 and epsilon is above 0 and finite.
    """
    if not 0 < momentum <= 1:
        raise UserError(
            "expected network.norm_momentum above 0 and at most 1, the weight of a new batch in running statistics, "
            f"such as 0.1, got {momentum}"
        )
    if not 0 < epsilon < math.inf:
        raise UserError(f"expected network.norm_epsilon above 0 and finite, such as 1e-5, got {epsilon}")
