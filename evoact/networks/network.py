"""The contract of a network: named parameters with a leading member axis, activation sites, one forward pass.

A network here is written for packs: every parameter has the shape [K, *shape], and `forward` runs K
members at once. An ordinary network is a pack of one.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from evoact.errors import UserError
from evoact.genomes.genome import Site
from evoact.registry import lookup


@dataclass(frozen=True)
class Parameter:
    """One trainable tensor of a member.

    `initial` names how it is drawn (`evoact.networks.initial.INITIAL`). `site` is the activation site whose
    pre-activations it makes: axis 0 then indexes the site's neurons (each as many times in a row as it has
    pieces). `source` is the site whose neurons it takes in along axis 1, if that axis is exactly these neurons.
    One that is `frozen` keeps its first values.
    """

    name: str
    shape: tuple[int, ...]
    fan_in: int
    initial: str = "uniform"
    site: str = ""
    source: str = ""
    frozen: bool = False


@dataclass(frozen=True)
class BatchNorm:
    """One batch norm: its channels, and the weight of a new batch in running statistics, by which an exponential
    average reaches back 1 / momentum batches.

    Evaluation takes the plain averages over just so many of the last batches, with the weights as they then are
    (Wu & Johnson 2021, section 3.1, "precise" batch norm): running ones lag behind weights that still move, so that
    short trainings would be ranked by the lag.

    >>> BatchNorm(16, momentum=0.1).batches
    10
    """

    channels: int
    momentum: float = 0.1

    @property
    def batches(self) -> int:
        """The number of batches over which the statistics of evaluation are averaged."""
        return max(1, round(1 / self.momentum))


class ForwardPass(Protocol):
    """The services that a network asks of the code that runs it: all that depends on genomes, on the mode (training or
    evaluation) and on state beside the parameters.

    Tensors h and z are [K, N, M]: member, neuron or channel, and the rest (examples and positions).
    """

    @property
    def training(self) -> bool: ...

    @property
    def precision(self) -> str:
        """That of products and convolutions, a name of `networks.precision.PRECISIONS`."""
        ...

    def activate(self, site: str, z: Tensor) -> Tensor:
        """Return the site's heterogeneous activation: z[K, N * P, M] -> [K, N, M], with P pieces (1 but
        for `Network.with_pieces`); piece p of neuron n is row n * P + p."""
        ...

    def chosen(self, site: str, images: Tensor, size: int, stride: int) -> Tensor | None:
        """Return the pre-activations, of images [K, N, H, W, B], whose activations are largest in each window without
        padding, so that `activate` has fewer to do: [K, N, H', W', B]; None if that is not to be had."""
        ...

    def dropout(self, h: Tensor, rate: float) -> Tensor:
        """Apply dropout: in training, every element is zero with probability `rate`, else divided by 1 - rate; each
        member draws its own (Srivastava et al. 2014).
        """
        ...

    def batch_norm(self, name: str, h: Tensor, scale: Tensor, shift: Tensor, epsilon: float) -> Tensor:
        """Normalise each channel of each member over all other axes, then apply `scale` and `shift` [K, N]
        (Ioffe & Szegedy 2015, algorithm 1); `epsilon` is added to variances. In evaluation the statistics of
        training batches take the place of the batch's."""
        ...

    def activated_norm(
        self, site: str, h: Tensor, scale: Tensor, shift: Tensor, epsilon: float, added: Tensor | None
    ) -> Tensor | None:
        """Return `activate` of `batch_norm` plus `added` [K, N, M], if any, in one operation; None if that is not to be
        had."""
        ...

    def alone(self, member: int) -> "ForwardPass":
        """Return the pass of one of the members, for networks that can only be computed one after the other."""
        ...

    @property
    def seeds(self) -> Sequence[int]:
        """A seed for each member, from which all that is random in this pass may be drawn."""
        ...


class Network(Protocol):
    """A table entry of `evoact.networks.NETWORKS` makes one from the task's shapes and its own arguments."""

    @property
    def parameters(self) -> tuple[Parameter, ...]: ...

    @property
    def sites(self) -> tuple[Site, ...]: ...

    @property
    def batch_norms(self) -> Mapping[str, BatchNorm]:
        """The batch norms by name."""
        ...

    def built(self, seed: int) -> Mapping[str, Tensor]:
        """Return the first values of parameters that are drawn all at once, [*shape] each; those that are not among
        them are drawn one by one, as their `Parameter.initial` says."""
        ...

    def with_pieces(self, pieces: Mapping[str, int]) -> "Network":
        """Return the same network with several pre-activations per neuron at some sites, as maxout needs them.

        Args:
            pieces: pre-activations per neuron, by site; sites that are left out keep one

        Raises:
            UserError: for an unknown site, fewer than one piece, or a site that no one layer feeds.
        """
        ...

    def forward(self, parameters: Mapping[str, Tensor], layers: ForwardPass, inputs: Tensor) -> Tensor:
        """Run K members.

        Args:
            parameters: by name, each [K, *shape]
            layers: activations, dropout and batch norm of these members
            inputs: [1, B, *input_shape] if all members share the batch, else [K, B, *input_shape]

        Returns:
            outputs [K, B, n_outputs]
        """
        ...


def parameter_count(network: Network) -> int:
    """Return trainable weights and biases of one member, activations' own parameters not counted."""
    return sum(math.prod(parameter.shape) for parameter in network.parameters)


def checked_pieces(sites: tuple[Site, ...], pieces: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    """Return `pieces` as a network keeps them.

    Raises:
        UserError: for what `Network.with_pieces` refuses.

    >>> checked_pieces((Site("hidden0", 3),), {"hidden0": 2})
    (('hidden0', 2),)
    """
    known = {site.name: site for site in sites}
    for name, number in pieces.items():
        site = lookup(known, "site", name)
        if number < 1:
            raise UserError(f"expected at least one piece per neuron at site {name!r}, got {number}")
        if number > 1 and site.symmetry.startswith("stream:"):
            raise UserError(
                f"expected one piece per neuron at site {name!r}, which takes a sum of layers, got {number}; "
                "choose a site inside a residual block"
            )
    return tuple(sorted((name, number) for name, number in pieces.items() if number > 1))
