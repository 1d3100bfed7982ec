"""First and second derivatives of a network's training loss, one step at a time.

What meta-gradients need of a network is two functions, whichever way they are computed: by autograd for
every network, or by hand if that is faster (`mlp_derivatives`).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from evoact.activations.spline import Grid
from evoact.networks.network import Network
from evoact.tasks.task import Task
from evoact.training.batches import Batches
from evoact.training.forward_pass import Chance
from evoact.training.meta.typed_sites import HiddenNoise, TypedPass, TypedSite, shift_of

KEPT_BYTES = 2**28  # what is kept rather than made again


@dataclass(frozen=True)
class TrainingLoss:
    """The loss of a network of typed sites on the batches of one replicate.

    All K members of a pack see the same batches, and draw the same dropout masks. Batches are kept while
    all together take little memory. `noise` is that of the sites, by name, none if it is left out.
    """

    network: Network
    task: Task
    sites: Mapping[str, TypedSite]
    grid: Grid
    batches: Batches
    replicate: int
    noise: Mapping[str, HiddenNoise] = field(default_factory=dict)
    kept: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Return inputs [1, B, *input_shape] and targets [1, B, ...] of this step."""
        if step in self.kept:
            return self.kept[step]
        batch = self.batches([self.replicate], step)
        if (len(self.kept) + 1) * sum(t.numel() * t.element_size() for t in batch) <= KEPT_BYTES:
            self.kept[step] = batch
        return batch

    @cached_property
    def layout(self) -> tuple[list[str], list[tuple[int, ...]], list[int]]:
        """Names, shapes and sizes of the network's parameters."""
        p = self.network.parameters
        return [q.name for q in p], [q.shape for q in p], [math.prod(q.shape) for q in p]

    def named(self, weights: Tensor) -> dict[str, Tensor]:
        """Return parameters [K, *shape] by name, views of weights [K, P]."""
        names, shapes, sizes = self.layout
        parts = weights.split(sizes, dim=1)
        return {name: part.view(-1, *shape) for name, shape, part in zip(names, shapes, parts, strict=True)}

    def names(self, members: int) -> list[str]:
        """Return what the task and dropout call the members: all the same."""
        return [str(self.replicate)] * members

    def shift(self, site: str, prepared: Mapping[str, Tensor], step: int) -> Tensor | None:
        """Return the noise on a site's neurons [K, N, 1] in this step, None for none."""
        return shift_of(self.sites[site], prepared, self.noise.get(site), step)

    def __call__(
        self, weights: Tensor, prepared: Mapping[str, Tensor], step: int, beyond: list[Tensor] | None = None
    ) -> Tensor:
        """The losses [K] of weights [K, P]; counts of inputs beyond the grid are added to `beyond`."""
        inputs, targets = self.batch(step)
        named = self.named(weights)
        names = self.names(len(weights))
        chance = Chance(self.batches.run_seed, names, step, weights.device)
        shifts = {s: self.shift(s, prepared, step) for s in self.sites}
        layers = TypedPass(self.sites, prepared, self.grid, named, chance, beyond, shifts)
        return self.task.losses(self.network.forward(named, layers, inputs), targets, names)


class Derivatives(Protocol):
    """Derivatives of the losses of K members by weights [K, P] and by the prepared outer variables phi."""

    def gradient(
        self, weights: Tensor, prepared: Mapping[str, Tensor], step: int, beyond: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Return losses [K], and their gradients [K, P] by the weights. Counts of spline inputs outside the grid
        are appended to `beyond`."""
        ...

    def product(
        self,
        weights: Tensor,
        prepared: Mapping[str, Tensor],
        step: int,
        direction: Tensor | None,
        share: float,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the gradients of <dL/dweights, direction> + share L by the weights and by each of phi; the first
        term is left out if there is no direction [K, P]."""
        ...


@dataclass(frozen=True)
class ByAutograd:
    """For every network whose activations are twice differentiable in PyTorch."""

    loss: TrainingLoss

    def gradient(
        self, weights: Tensor, prepared: Mapping[str, Tensor], step: int, beyond: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        leaf = weights.detach().requires_grad_()
        with torch.enable_grad():
            losses = self.loss(leaf, prepared, step, beyond)
            (g,) = torch.autograd.grad(losses.sum(), leaf)
        return losses.detach(), g

    def product(
        self,
        weights: Tensor,
        prepared: Mapping[str, Tensor],
        step: int,
        direction: Tensor | None,
        share: float,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        leaf = weights.detach().requires_grad_()
        phi = {n: p.detach().requires_grad_() for n, p in prepared.items()}
        with torch.enable_grad():
            total = share * self.loss(leaf, phi, step).sum()
            if direction is None:
                seeds: tuple[Tensor, ...] = (total,)
                incoming: tuple[Tensor | None, ...] = (None,)
            else:
                (g,) = torch.autograd.grad(total, leaf, create_graph=True, materialize_grads=True)
                seeds, incoming = (g, total), (direction / share, None)
            seeds, incoming = zip(
                *((s, i) for s, i in zip(seeds, incoming, strict=True) if s.requires_grad), strict=True
            )
            own, *others = torch.autograd.grad(seeds, (leaf, *phi.values()), incoming, materialize_grads=True)
        return own, tuple(others)
