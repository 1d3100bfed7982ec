"""AlexNet (Krizhevsky et al. 2012) as Caffe has it: one column, convolutions in two groups.

Local response normalisation mixes neighbouring channels and the groups see half of them each, so no two
channels of a convolution are exchangeable: only the sites of the linear layers are `free`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from evoact.genomes.genome import Site
from evoact.networks.layers import (
    activate,
    check_dropout,
    connect,
    convolution_parameters,
    convolve,
    feature_major,
    flatten,
    image_shape,
    linear,
    local_response_norm,
    scaled,
)
from evoact.networks.network import BatchNorm, ForwardPass, Parameter, checked_pieces
from evoact.networks.pooling import max_pool


@dataclass(frozen=True)
class Convolution:
    """Kernel size, stride, padding and groups of a convolution, and how its biases are drawn."""

    name: str
    size: int
    stride: int
    padding: int
    groups: int
    bias: str


# Caffe's `models/bvlc_alexnet/train_val.prototxt`, of which the paper's network is a port.
CONVOLUTIONS = (
    Convolution("conv1", 11, 4, 0, 1, "zeros"),
    Convolution("conv2", 5, 1, 2, 2, "constant_0.1"),
    Convolution("conv3", 3, 1, 1, 1, "zeros"),
    Convolution("conv4", 3, 1, 1, 2, "constant_0.1"),
    Convolution("conv5", 3, 1, 1, 2, "constant_0.1"),
)
NORMALISED = ("conv1", "conv2")  # by local response normalisation
POOLED = ("conv1", "conv2", "conv5")


@dataclass(frozen=True)
class AlexNet:
    """Five convolutions and three linear layers; `widths` are those of the seven hidden layers."""

    input_shape: tuple[int, int, int]
    n_outputs: int
    widths: tuple[int, ...]
    pieces: tuple[tuple[str, int], ...] = ()
    dropout: float = 0.5

    @property
    def sites(self) -> tuple[Site, ...]:
        *channels, sixth, seventh = self.widths
        tied = [Site(c.name, n, "none") for c, n in zip(CONVOLUTIONS, channels, strict=True)]
        return (*tied, Site("fc6", sixth), Site("fc7", seventh))

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        rows = {site.name: site.neurons * dict(self.pieces).get(site.name, 1) for site in self.sites}
        result: list[Parameter] = []
        inputs, source = self.input_shape[0], ""
        for c, channels in zip(CONVOLUTIONS, self.widths, strict=False):
            result += convolution_parameters(
                c.name,
                rows[c.name],
                inputs // c.groups,
                c.size,
                initial="normal_0.01",
                bias=c.bias,
                site=c.name,
                source=source if c.groups == 1 else "",
            )
            inputs, source = channels, c.name
        *_, fifth, sixth, seventh = self.widths
        positions = _after(self.input_shape[1]) * _after(self.input_shape[2])
        hidden = {"initial": "normal_0.005", "bias": "constant_0.1"}
        result += linear("fc6", rows["fc6"], fifth * positions, site="fc6", **hidden)
        result += linear("fc7", rows["fc7"], sixth, site="fc7", source="fc6", **hidden)
        result += linear("fc8", self.n_outputs, seventh, initial="normal_0.01", bias="zeros", source="fc7")
        return tuple(result)

    @property
    def batch_norms(self) -> Mapping[str, BatchNorm]:
        return {}

    def built(self, seed: int) -> Mapping[str, Tensor]:
        return {}

    def with_pieces(self, pieces: Mapping[str, int]) -> "AlexNet":
        return replace(self, pieces=checked_pieces(self.sites, pieces))

    def forward(self, parameters: Mapping[str, Tensor], layers: ForwardPass, inputs: Tensor) -> Tensor:
        h = feature_major(inputs)
        for c in CONVOLUTIONS:
            h = convolve(layers, parameters, c.name, h, stride=c.stride, padding=c.padding, groups=c.groups)
            h = activate(layers, c.name, h)
            if c.name in NORMALISED:
                h = local_response_norm(h, size=5, alpha=1e-4, beta=0.75, k=1.0)
            if c.name in POOLED:
                h = max_pool(h, 3, 2)
        h = flatten(h)
        for name in ("fc6", "fc7"):
            h = layers.dropout(layers.activate(name, connect(layers, parameters, name, h)), self.dropout)
        return connect(layers, parameters, "fc8", h).transpose(1, 2)


def _after(length: int) -> int:
    """Height or width after all convolutions and poolings."""
    for c in CONVOLUTIONS:
        length = (length + 2 * c.padding - c.size) // c.stride + 1
        if c.name in POOLED:
            length = (length - 3) // 2 + 1
    return length


def alexnet(
    input_shape: tuple[int, ...], n_outputs: int, width: float = 1.0, dropout: float = 0.5
) -> AlexNet:
    """Return AlexNet with the published widths times `width`, and the initial weights of Caffe's; `dropout` is the rate
    behind both linear hidden layers.

    Manessi & Rozza 2018, section IV, use it on crops of 227 x 227 pixels.

    Raises:
        UserError: for images smaller than 67 x 67 or no images at all, a width that is not positive, or a
            `dropout` out of range.

    >>> from evoact.networks.network import parameter_count
    >>> parameter_count(alexnet((3, 227, 227), 1000))
    60965224
    """
    check_dropout(dropout)
    widths = scaled((96, 256, 384, 384, 256, 4096, 4096), width, multiple=2)
    return AlexNet(image_shape("alexnet", input_shape, 67), n_outputs, widths, dropout=dropout)
