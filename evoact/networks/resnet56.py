"""ResNet-56 for small images (He et al. 2016, section 4.2), with the shortcuts and biases of Keras' example.

Each residual block adds to a stream of channels that all blocks of its stage share, so the activations
on the stream can only be permuted together; those inside a block are free.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from evoact.errors import UserError
from evoact.genomes.genome import Site
from evoact.networks.layers import (
    average_pool,
    bias_scheme,
    check_batch_norm,
    connect,
    convolution_parameters,
    convolve,
    feature_major,
    image_shape,
    linear,
    normalisation,
    normalise_and_activate,
    scaled,
)
from evoact.networks.network import BatchNorm, ForwardPass, Parameter, checked_pieces


@dataclass(frozen=True)
class Block:
    """One residual block. `widens` says whether it starts a stage with half the height and width and a
    shortcut of its own; `before` is the site that feeds it."""

    name: str
    stage: int
    inputs: int
    channels: int
    before: str
    widens: bool

    @property
    def inner(self) -> str:
        """The site between its two convolutions."""
        return f"{self.name}.inner"

    @property
    def stream(self) -> str:
        """The site on the stream, after its addition."""
        return f"{self.name}.stream"


@dataclass(frozen=True)
class ResNet:
    """A convolution, three stages of `blocks` residual blocks each, the mean over positions, a linear layer."""

    input_shape: tuple[int, int, int]
    n_outputs: int
    channels: tuple[int, int, int]
    blocks: int
    initial: str = "uniform"
    norm_momentum: float = 0.1
    norm_epsilon: float = 1e-5
    pieces: tuple[tuple[str, int], ...] = ()

    def plan(self) -> Iterator[Block]:
        """Yield the residual blocks in their order."""
        before, inputs = "conv0", self.channels[0]
        for stage, channels in enumerate(self.channels, 1):
            for number in range(1, self.blocks + 1):
                name = f"stage{stage}.block{number}"
                block = Block(name, stage, inputs, channels, before, widens=stage > 1 and number == 1)
                yield block
                before, inputs = block.stream, channels

    @property
    def sites(self) -> tuple[Site, ...]:
        result = [Site("conv0", self.channels[0], "stream:stage1")]
        for block in self.plan():
            result.append(Site(block.inner, block.channels))
            result.append(Site(block.stream, block.channels, f"stream:stage{block.stage}"))
        return tuple(result)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        how = {"initial": self.initial, "bias": bias_scheme(self.initial)}
        first = self.channels[0]
        result = convolution_parameters("conv0", first, self.input_shape[0], 3, site="conv0", **how)
        result += normalisation("norm0", first, site="conv0")
        last = "conv0"
        for b in self.plan():
            rows = b.channels * dict(self.pieces).get(b.inner, 1)
            result += convolution_parameters(
                f"{b.name}.conv1", rows, b.inputs, 3, site=b.inner, source=b.before, **how
            )
            result += normalisation(f"{b.name}.norm1", rows, site=b.inner)
            result += convolution_parameters(
                f"{b.name}.conv2", b.channels, b.channels, 3, site=b.stream, source=b.inner, **how
            )
            result += normalisation(f"{b.name}.norm2", b.channels, site=b.stream)
            if b.widens:
                result += convolution_parameters(
                    f"{b.name}.shortcut", b.channels, b.inputs, 1, site=b.stream, source=b.before, **how
                )
            last = b.stream
        return (*result, *linear("output", self.n_outputs, self.channels[-1], source=last, **how))

    @property
    def batch_norms(self) -> Mapping[str, BatchNorm]:
        return {
            p.name.removesuffix(".scale"): BatchNorm(p.shape[0], self.norm_momentum)
            for p in self.parameters
            if p.name.endswith(".scale")
        }

    def built(self, seed: int) -> Mapping[str, Tensor]:
        return {}

    def with_pieces(self, pieces: Mapping[str, int]) -> "ResNet":
        return replace(self, pieces=checked_pieces(self.sites, pieces))

    def forward(self, parameters: Mapping[str, Tensor], layers: ForwardPass, inputs: Tensor) -> Tensor:
        epsilon = self.norm_epsilon
        h = convolve(layers, parameters, "conv0", feature_major(inputs), padding=1)
        h = normalise_and_activate(layers, parameters, "norm0", "conv0", h, epsilon)
        for b in self.plan():
            stride = 2 if b.widens else 1
            z = convolve(layers, parameters, f"{b.name}.conv1", h, stride=stride, padding=1)
            z = normalise_and_activate(layers, parameters, f"{b.name}.norm1", b.inner, z, epsilon)
            z = convolve(layers, parameters, f"{b.name}.conv2", z, padding=1)
            if b.widens:
                h = convolve(layers, parameters, f"{b.name}.shortcut", h, stride=stride)
            h = normalise_and_activate(layers, parameters, f"{b.name}.norm2", b.stream, z, epsilon, h)
        return connect(layers, parameters, "output", average_pool(h)).transpose(1, 2)


def resnet56(
    input_shape: tuple[int, ...],
    n_outputs: int,
    blocks: int = 9,
    width: float = 1.0,
    initial: str = "uniform",
    norm_momentum: float = 0.1,
    norm_epsilon: float = 1e-5,
) -> ResNet:
    """Return ResNet-56 v1 with stages of 16, 32 and 64 channels, times `width`, and `blocks` blocks a stage.

    6 * blocks + 2 layers have weights. Convolutions have biases and stages begin with a 1x1 convolution on
    the shortcut, which the parameter count of Manessi & Rozza 2018 asks for; paddings are symmetric, as in
    He et al. 2016. `initial` is `uniform` (PyTorch's default), `glorot` or `he` (that of He et al.).

    `norm_momentum` is the weight of a new batch in the statistics of batch norms (`BatchNorm` says how they are
    taken), `norm_epsilon` what is added to variances: by default PyTorch's; Keras' example has 0.01 and 1e-3.

    Raises:
        UserError: for no images, blocks or a width that are not positive, an unknown `initial`, or settings of batch
            norms out of range.

    >>> from evoact.networks.network import parameter_count
    >>> parameter_count(resnet56((3, 32, 32), 10))
    857706
    """
    bias_scheme(initial)
    check_batch_norm(norm_momentum, norm_epsilon)
    if blocks < 1:
        raise UserError(f"expected network.blocks of at least 1, 9 for ResNet-56, got {blocks}")
    first, second, third = scaled((16, 32, 64), width)
    shape = image_shape("resnet56", input_shape, 4)
    return ResNet(shape, n_outputs, (first, second, third), blocks, initial, norm_momentum, norm_epsilon)
