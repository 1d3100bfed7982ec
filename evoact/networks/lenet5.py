"""LeNet-5 (LeCun et al. 1998) in the form that Caffe gave it: two convolutions, two linear layers."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from evoact.genomes.genome import Site
from evoact.networks.layers import (
    activate_and_pool,
    bias_scheme,
    connect,
    convolution_parameters,
    convolve,
    feature_major,
    flatten,
    image_shape,
    linear,
    scaled,
)
from evoact.networks.network import BatchNorm, ForwardPass, Parameter, checked_pieces


@dataclass(frozen=True)
class LeNet5:
    """conv 5x5, pool, conv 5x5, pool, linear, linear; `widths` are those of the three hidden layers."""

    input_shape: tuple[int, int, int]
    n_outputs: int
    widths: tuple[int, int, int]
    initial: str = "uniform"
    pieces: tuple[tuple[str, int], ...] = ()

    @property
    def sites(self) -> tuple[Site, ...]:
        return tuple(Site(*pair) for pair in zip(("conv1", "conv2", "fc3"), self.widths, strict=True))

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        channels, height, width = self.input_shape
        first, second, third = self.widths
        rows = {site.name: site.neurons * dict(self.pieces).get(site.name, 1) for site in self.sites}
        positions = _after(height) * _after(width)
        how = {"initial": self.initial, "bias": bias_scheme(self.initial)}
        return (
            *convolution_parameters("conv1", rows["conv1"], channels, 5, site="conv1", **how),
            *convolution_parameters("conv2", rows["conv2"], first, 5, site="conv2", source="conv1", **how),
            *linear("fc3", rows["fc3"], second * positions, site="fc3", **how),
            *linear("fc4", self.n_outputs, third, source="fc3", **how),
        )

    @property
    def batch_norms(self) -> Mapping[str, BatchNorm]:
        return {}

    def built(self, seed: int) -> Mapping[str, Tensor]:
        return {}

    def with_pieces(self, pieces: Mapping[str, int]) -> "LeNet5":
        return replace(self, pieces=checked_pieces(self.sites, pieces))

    def forward(self, parameters: Mapping[str, Tensor], layers: ForwardPass, inputs: Tensor) -> Tensor:
        h = feature_major(inputs)
        h = activate_and_pool(layers, "conv1", convolve(layers, parameters, "conv1", h), 2, 2)
        h = activate_and_pool(layers, "conv2", convolve(layers, parameters, "conv2", h), 2, 2)
        h = layers.activate("fc3", connect(layers, parameters, "fc3", flatten(h)))
        return connect(layers, parameters, "fc4", h).transpose(1, 2)


def _after(length: int) -> int:
    """Height or width after both convolutions and poolings."""
    return ((length - 4) // 2 - 4) // 2


def lenet5(
    input_shape: tuple[int, ...], n_outputs: int, width: float = 1.0, initial: str = "uniform"
) -> LeNet5:
    """Return LeNet-5 with valid convolutions of 20 and 50 channels and 500 hidden neurons, times `width`.

    Manessi & Rozza 2018, section IV, state the widths; their parameter counts fix the padding. They do not
    state the initial weights: `initial` is `uniform` (PyTorch's default), `glorot` (that of Keras, in which
    they worked) or `he`.

    Raises:
        UserError: for images smaller than 16 x 16 or no images at all, a width that is not positive, or an
            unknown `initial`.

    >>> from evoact.networks.network import parameter_count
    >>> parameter_count(lenet5((1, 28, 28), 10))
    431080
    """
    bias_scheme(initial)
    first, second, third = scaled((20, 50, 500), width)
    return LeNet5(image_shape("lenet5", input_shape, 16), n_outputs, (first, second, third), initial)
