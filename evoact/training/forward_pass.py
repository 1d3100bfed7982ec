"""The forward pass of a pack's members: activations, dropout, batch norm."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Generator, Tensor

from evoact.activations.routing.plan import plan_site
from evoact.activations.routing.site_plan import SitePlan
from evoact.genomes.genome import SiteGenome
from evoact.networks import layers, normalisation, pooling
from evoact.networks.network import Network
from evoact.seeding import derive

Counts = Counter[tuple[str, str]]  # batches that a batch norm has seen, by its name and the first member's


@dataclass(frozen=True)
class Chance:
    """Where the members' dropout masks and noise of one step come from: (run seed, member name, step) alone,
    so that no generator's state has to travel with a member."""

    run_seed: int
    names: Sequence[str]
    step: int
    device: torch.device

    @cached_property
    def seeds(self) -> list[int]:
        """One for each member.

        Raises:
            RuntimeError: while steps are captured: a repetition would draw the same again.
        """
        if self.device.type == "cuda" and torch.cuda.is_current_stream_capturing():
            raise RuntimeError("expected the same operations in every step, got random numbers")
        return [derive(self.run_seed, "dropout", name, self.step) >> 1 for name in self.names]

    @cached_property
    def generators(self) -> list[Generator]:
        """One for each member."""
        return [Generator(self.device).manual_seed(seed) for seed in self.seeds]

    def noise(self, template: Tensor, members: Sequence[int]) -> Tensor:
        """Return uniform numbers in (0, 1) of the template's shape [sets, E], each set from its member's generator."""
        drawn = [
            torch.rand(
                template.shape[1:], generator=self.generators[k], dtype=template.dtype, device=template.device
            )
            for k in members
        ]
        return torch.stack(drawn).clamp(min=torch.finfo(template.dtype).tiny)


class Plans(dict[str, SitePlan]):
    """How each site is evaluated, by its name, for these members, whose activations have up to `widths` parameters."""

    def __init__(
        self,
        sites: Mapping[str, Sequence[SiteGenome]],
        widths: Mapping[str, int | None],
        device: torch.device,
    ):
        super().__init__({name: plan_site(own, device, widths[name]) for name, own in sites.items()})
        self._given = sites, widths, device
        self._alone: dict[int, Plans] = {}

    def alone(self, member: int) -> "Plans":
        """Return the plans of one of the members."""
        if member not in self._alone:
            sites, widths, device = self._given
            self._alone[member] = Plans({name: [own[member]] for name, own in sites.items()}, widths, device)
        return self._alone[member]


@dataclass(frozen=True)
class PackPass:
    """A `networks.network.ForwardPass` of a pack; plans and parameters are those of `Pack`.

    In training, dropout (at a member's own rate of `dropout_rates`, if that is not None, instead of the network's) and
    noise act, and batch norm takes the batch's statistics; in evaluation it takes those in
    `statistics`, `NAME.mean` and `NAME.variance`, [K, channels] each. In training with `counts` it makes them:
    averages over all the batches that it was given, whose numbers are kept in `counts`.
    """

    plans: Plans
    parameters: Mapping[str, Tensor]
    statistics: Mapping[str, Tensor]
    chance: Chance
    training: bool
    counts: Counts | None = None
    dropout_rates: Sequence[float | None] = ()
    precision: str = "float32"

    def activate(self, site: str, z: Tensor) -> Tensor:
        noise = self.chance.noise if self.training else None
        return self.plans[site](z, self.parameters[f"{site}.activation"], noise)

    def chosen(self, site: str, images: Tensor, size: int, stride: int) -> Tensor | None:
        # Gradients of coefficients would be added up in another order than beside a neighbour that has no program.
        plan = self.plans[site]
        if plan.program is None or plan.coefficients:
            return None
        return pooling.chosen(images, size, stride, plan.program)

    def dropout(self, h: Tensor, rate: float) -> Tensor:
        rates = [rate if own is None else own for own in self.dropout_rates or [None] * len(h)]
        return layers.dropout(h, rates, self.chance.generators) if self.training and any(rates) else h

    def batch_norm(self, name: str, h: Tensor, scale: Tensor, shift: Tensor, epsilon: float) -> Tensor:
        if self.training and self.counts is None:
            return layers.batch_norm(h, scale, shift, epsilon)
        share = None
        if self.counts is not None:
            seen = name, self.chance.names[0]  # members that are computed alone count for themselves
            self.counts[seen] += 1
            share = 1 / self.counts[seen]
        statistics = self.statistics[f"{name}.mean"], self.statistics[f"{name}.variance"]
        return layers.batch_norm(h, scale, shift, epsilon, statistics, share)

    def activated_norm(
        self, site: str, h: Tensor, scale: Tensor, shift: Tensor, epsilon: float, added: Tensor | None
    ) -> Tensor | None:
        # As in `chosen`: coefficients' gradients would be added up in another order than beside some neighbours.
        plan = self.plans[site]
        if plan.program is None or plan.coefficients or not self.training or self.counts is not None:
            return None
        functions = normalisation.Functions(plan.program, plan.mixture)
        return normalisation.normed(h, scale, shift, epsilon, added, functions)

    def alone(self, member: int) -> "PackPass":
        return replace(
            self,
            plans=self.plans.alone(member),
            parameters={name: p[member : member + 1] for name, p in self.parameters.items()},
            statistics={name: s[member : member + 1] for name, s in self.statistics.items()},
            chance=replace(self.chance, names=[self.chance.names[member]]),
            dropout_rates=self.dropout_rates[member : member + 1],
        )

    @property
    def seeds(self) -> Sequence[int]:
        return self.chance.seeds


def initial_statistics(network: Network, members: int, like: Tensor) -> dict[str, Tensor]:
    """Return means of 0 and variances of 1 for every batch norm, [K, channels], on `like`'s device and in its
    precision.
    """
    result = {}
    for name, norm in network.batch_norms.items():
        result[f"{name}.mean"] = like.new_zeros(members, norm.channels)
        result[f"{name}.variance"] = like.new_ones(members, norm.channels)
    return result
