"""What a network is: named parameters with a leading member axis, activation sites, one forward pass.

A network here is written for packs: every parameter has the shape [K, *shape], and `forward` runs K
members at once. An ordinary network is a pack of one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from evoact.genomes.genome import Site

Activate = Callable[[str, Tensor], Tensor]


@dataclass(frozen=True)
class Parameter:
    """One trainable tensor of a member, drawn uniformly from +-1/sqrt(fan_in) as PyTorch's layers."""

    name: str
    shape: tuple[int, ...]
    fan_in: int


class Network(Protocol):
    """A table entry of `evoact.networks.NETWORKS` makes one from the task's shapes and its own arguments."""

    @property
    def parameters(self) -> tuple[Parameter, ...]: ...

    @property
    def sites(self) -> tuple[Site, ...]: ...

    def forward(self, parameters: Mapping[str, Tensor], activate: Activate, inputs: Tensor) -> Tensor:
        """Run K members.

        Args:
            parameters: by name, each [K, *shape]
            activate: `activate(site, z[K, N, M])`, the site's heterogeneous activation
            inputs: [1, B, *input_shape] where all members share the batch, else [K, B, *input_shape]

        Returns:
            outputs [K, B, n_outputs]
        """
        ...


def parameter_count(network: Network) -> int:
    """Trainable weights and biases of one member, activations' own parameters not counted."""
    total = 0
    for parameter in network.parameters:
        size = 1
        for length in parameter.shape:
            size *= length
        total += size
    return total
