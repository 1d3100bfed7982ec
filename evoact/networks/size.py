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
    try:
        return _counted(network, input_shape, "meta")
    except (RuntimeError, NotImplementedError, TypeError):  # somebody's module makes tensors of its own
        return _counted(network, input_shape, "cpu")


def _counted(network: Network, input_shape: tuple[int, ...], device: str) -> int:
    parameters = {p.name: torch.zeros(1, *p.shape, device=device) for p in network.parameters}
    counting = Counting({site.name: site.neurons for site in network.sites})
    with torch.no_grad():
        network.forward(parameters, counting, torch.zeros(1, 1, *input_shape, device=device))
    return sum(counting.found)


@dataclass(frozen=True)
class Counting:
    """A `ForwardPass` that leaves tensors as they are, and counts what sites give."""

    neurons: Mapping[str, int]
    found: list[int] = field(default_factory=list)
    training: bool = False
    precision: str = "float32"

    def activate(self, site: str, z: Tensor) -> Tensor:
        h = z[:, : self.neurons[site]]
        self.found.append(h.numel())
        return h

    def chosen(self, site: str, images: Tensor, size: int, stride: int) -> None:
        return None

    def dropout(self, h: Tensor, rate: float) -> Tensor:
        return h

    def batch_norm(self, name: str, h: Tensor, scale: Tensor, shift: Tensor, epsilon: float) -> Tensor:
        return h

    def activated_norm(
        self, site: str, h: Tensor, scale: Tensor, shift: Tensor, epsilon: float, added: Tensor | None
    ) -> None:
        return None

    def alone(self, member: int) -> "Counting":
        return self

    @property
    def seeds(self) -> tuple[int, ...]:
        return (0,)
