"""The count of numbers that pass through a network's activations, found without computing any of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from evoact.networks.network import Network


def activation_count(network: Network, input_shape: tuple[int, ...]) -> int:
    """Return numbers that leave all activation sites for one example: neurons, or channels times positions.

    >>> from evoact.networks.lenet5 import lenet5
    >>> activation_count(lenet5((1, 28, 28), 10), (1, 28, 28)) == 20 * 24**2 + 50 * 8**2 + 500
    True
    """
    parameters = {p.name: torch.empty(1, *p.shape, device="meta") for p in network.parameters}
    counting = _Counting({site.name: site.neurons for site in network.sites})
    network.forward(parameters, counting, torch.empty(1, 1, *input_shape, device="meta"))
    return sum(counting.found)


@dataclass(frozen=True)
class _Counting:
    """A `ForwardPass` that computes nothing: its tensors have shapes alone."""

    neurons: Mapping[str, int]
    found: list[int] = field(default_factory=list)
    training: bool = False

    def activate(self, site: str, z: Tensor) -> Tensor:
        h = z[:, : self.neurons[site]]
        self.found.append(h.numel())
        return h

    def dropout(self, h: Tensor, rate: float) -> Tensor:
        return h

    def batch_norm(self, name: str, h: Tensor, epsilon: float) -> Tensor:
        return h
