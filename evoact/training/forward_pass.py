"""What networks are given to run a pack's members: activations, dropout, batch norm."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Generator, Tensor

from evoact.activations.heterogeneous import SitePlan
from evoact.networks import layers
from evoact.networks.network import Network
from evoact.seeding import derive


@dataclass(frozen=True)
class Chance:
    """Where the members' dropout masks and noise of one step come from: (run seed, member name, step) alone,
    so that no generator's state has to travel with a member."""

    run_seed: int
    names: Sequence[str]
    step: int
    device: torch.device

    @cached_property
    def generators(self) -> list[Generator]:
        """One for each member."""
        return [
            Generator(self.device).manual_seed(derive(self.run_seed, "dropout", name, self.step) >> 1)
            for name in self.names
        ]

    def noise(self, template: Tensor, members: Sequence[int]) -> Tensor:
        """Uniform numbers in (0, 1) of the template's shape [sets, E], each set from its member's generator."""
        drawn = [
            torch.rand(
                template.shape[1:], generator=self.generators[k], dtype=template.dtype, device=template.device
            )
            for k in members
        ]
        return torch.stack(drawn).clamp(min=torch.finfo(template.dtype).tiny)


@dataclass(frozen=True)
class PackPass:
    """A `networks.network.ForwardPass` of a pack; plans, parameters and statistics are those of `Pack`.

    In training, dropout and noise act, and batch norm takes the batch's statistics, which move the running ones.
    """

    plans: Mapping[str, SitePlan]
    parameters: Mapping[str, Tensor]
    statistics: Mapping[str, Tensor]
    chance: Chance
    training: bool

    def activate(self, site: str, z: Tensor) -> Tensor:
        noise = self.chance.noise if self.training else None
        return self.plans[site](z, self.parameters[f"{site}.activation"], noise)

    def dropout(self, h: Tensor, rate: float) -> Tensor:
        return layers.dropout(h, rate, self.chance.generators) if self.training else h

    def batch_norm(self, name: str, h: Tensor) -> Tensor:
        return named_batch_norm(name, h, self.parameters, self.statistics, self.training)


def named_batch_norm(
    name: str, h: Tensor, parameters: Mapping[str, Tensor], statistics: Mapping[str, Tensor], training: bool
) -> Tensor:
    """`layers.batch_norm` with the parameters `NAME.scale` and `NAME.shift` and the running `NAME.mean` and
    `NAME.variance`."""
    return layers.batch_norm(
        h,
        parameters[f"{name}.scale"],
        parameters[f"{name}.shift"],
        statistics[f"{name}.mean"],
        statistics[f"{name}.variance"],
        training,
    )


def initial_statistics(network: Network, members: int, like: Tensor) -> dict[str, Tensor]:
    """Running means of 0 and variances of 1 for every batch norm, [K, channels], on `like`'s device and in
    its precision."""
    result = {}
    for name, channels in network.batch_norms.items():
        result[f"{name}.mean"] = like.new_zeros(members, channels)
        result[f"{name}.variance"] = like.new_ones(members, channels)
    return result
