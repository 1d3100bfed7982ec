"""The convolutional network of the Keras examples for CIFAR-10, with dropout."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from evoact.genomes.genome import Site
from evoact.networks.layers import (
    activate,
    activate_and_pool,
    bias_scheme,
    check_dropout,
    connect,
    convolution_parameters,
    convolve,
    drop,
    feature_major,
    flatten,
    image_shape,
    linear,
    scaled,
)
from evoact.networks.network import BatchNorm, ForwardPass, Parameter, checked_pieces

SITES = ("conv1", "conv2", "conv3", "conv4", "fc5")


@dataclass(frozen=True)
class KerasNet:
    """Twice (conv 3x3 same, conv 3x3 valid, pool, dropout), then linear, dropout, linear;
    `widths` are those of the five hidden layers, `dropouts` the rates behind convolutions and `fc5`."""

    input_shape: tuple[int, int, int]
    n_outputs: int
    widths: tuple[int, int, int, int, int]
    initial: str = "uniform"
    pieces: tuple[tuple[str, int], ...] = ()
    dropouts: tuple[float, float] = (0.25, 0.5)

    @property
    def sites(self) -> tuple[Site, ...]:
        return tuple(Site(*pair) for pair in zip(SITES, self.widths, strict=True))

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        channels, height, width = self.input_shape
        rows = {site.name: site.neurons * dict(self.pieces).get(site.name, 1) for site in self.sites}
        how = {"initial": self.initial, "bias": bias_scheme(self.initial)}
        result: list[Parameter] = []
        source, inputs = "", channels
        for name, neurons in zip(SITES[:4], self.widths, strict=False):
            result += convolution_parameters(name, rows[name], inputs, 3, site=name, source=source, **how)
            source, inputs = name, neurons
        positions = _after(height) * _after(width)
        result += linear("fc5", rows["fc5"], self.widths[3] * positions, site="fc5", **how)
        result += linear("fc6", self.n_outputs, self.widths[4], source="fc5", **how)
        return tuple(result)

    @property
    def batch_norms(self) -> Mapping[str, BatchNorm]:
        return {}

    def built(self, seed: int) -> Mapping[str, Tensor]:
        return {}

    def with_pieces(self, pieces: Mapping[str, int]) -> "KerasNet":
        return replace(self, pieces=checked_pieces(self.sites, pieces))

    def forward(self, parameters: Mapping[str, Tensor], layers: ForwardPass, inputs: Tensor) -> Tensor:
        h = feature_major(inputs)
        for same, valid in (("conv1", "conv2"), ("conv3", "conv4")):
            h = activate(layers, same, convolve(layers, parameters, same, h, padding=1))
            h = activate_and_pool(layers, valid, convolve(layers, parameters, valid, h), 2, 2)
            h = drop(layers, h, self.dropouts[0])
        h = layers.activate("fc5", connect(layers, parameters, "fc5", flatten(h)))
        h = layers.dropout(h, self.dropouts[1])
        return connect(layers, parameters, "fc6", h).transpose(1, 2)


def _after(length: int) -> int:
    """Height or width after both valid convolutions and poolings."""
    return ((length - 2) // 2 - 2) // 2


def kerasnet(
    input_shape: tuple[int, ...],
    n_outputs: int,
    width: float = 1.0,
    initial: str = "uniform",
    dropout: float | None = None,
) -> KerasNet:
    """Return KerasNet with convolutions of 32, 32, 64 and 64 channels and 512 hidden neurons, times `width`.

    Manessi & Rozza 2018, table I; their parameter counts fix the paddings. They do not state the initial
    weights: `initial` is `uniform` (PyTorch's default), `glorot` (that of Keras) or `he`. A
    `dropout` takes the place of the rates of Keras' example, 0.25 behind convolutions and 0.5 behind the linear layer.

    Raises:
        UserError: for images smaller than 10 x 10 or no images at all, a width that is not positive, an unknown
            `initial`, or a `dropout` out of range.

    >>> from evoact.networks.network import parameter_count
    >>> parameter_count(kerasnet((3, 32, 32), 10))
    1250858
    """
    bias_scheme(initial)
    one, two, three, four, five = scaled((32, 32, 64, 64, 512), width)
    shape = image_shape("kerasnet", input_shape, 10)
    made = KerasNet(shape, n_outputs, (one, two, three, four, five), initial)
    if dropout is None:
        return made
    check_dropout(dropout)
    return replace(made, dropouts=(dropout, dropout))
