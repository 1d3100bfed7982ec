"""The outer problem of meta-training: its variables, and the ways to the gradient of its loss.

Outer variables are flat, [K, V] for K trial values: the activation parameters of all sites side by side,
then the logarithm of the inner learning rate if that is learned.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from evoact.activations.spline import Grid
from evoact.genomes.meta_training import REVERSED
from evoact.networks.mlp import MLP
from evoact.networks.network import Network
from evoact.seeding import derive
from evoact.tasks.task import OnDemand, Task
from evoact.training.batches import Batches
from evoact.training.members import initial_weights
from evoact.training.meta.derivatives import ByAutograd, Derivatives, TrainingLoss
from evoact.training.meta.inner_optimizers import InnerOptimizer
from evoact.training.meta.mlp_derivatives import MLPDerivatives
from evoact.training.meta.typed_sites import (
    HiddenNoise,
    Prepared,
    TypedSite,
    draw_noise,
    prepare,
    shifts,
)
from evoact.training.meta.unrolled import InnerLoop, MetaGradient, first_order, inner_losses, unrolled


@dataclass(frozen=True)
class OuterProblem:
    """The parts that all outer steps share. `learning_rate` is the inner one if it is not learned, else None; `noise`
    is how far hidden vectors are moved at random.
    """

    network: Network
    task: Task
    sites: tuple[TypedSite, ...]
    grid: Grid
    optimizer: InnerOptimizer
    learning_rate: float | None
    inputs: Tensor | OnDemand
    targets: Tensor
    batch_size: int
    steps: int
    seed: int
    dtype: torch.dtype
    noise: float = 0.0

    def loop(self, outer_step: int) -> InnerLoop:
        """Return the fresh network of this outer step, and the batches that it will see."""
        drawn = [w.flatten() for w in initial_weights(self.network, outer_step, self.seed).values()]
        return InnerLoop(
            derivatives=self._derivatives(outer_step),
            optimizer=self.optimizer,
            start=torch.cat(drawn).to(self.targets.device, self.dtype),
            steps=self.steps,
        )

    def _derivatives(self, outer_step: int) -> Derivatives:
        """By hand if all sites are splines of an MLP without dropout, else by autograd."""
        loss = TrainingLoss(
            network=self.network,
            task=self.task,
            sites={site.name: site for site in self.sites},
            grid=self.grid,
            batches=Batches(
                self.inputs, self.targets, self.batch_size, self.seed, self.task.prepare, self.dtype
            ),
            replicate=outer_step,
            noise=self._noise(outer_step),
        )
        splines = all(site.splines_alone for site in self.sites)
        network = self.network
        if splines and isinstance(network, MLP) and not (network.dropout or network.norm):
            return MLPDerivatives(loss, network, self.grid)
        return ByAutograd(loss)

    def _noise(self, outer_step: int) -> dict[str, HiddenNoise]:
        """The noise of all inner steps, by site, on the device of the targets; none at level 0."""
        if not self.noise:
            return {}
        draw = torch.Generator().manual_seed(derive(self.seed, "noise", outer_step) >> 1)
        drawn = {site.name: draw_noise(site, self.noise, self.steps, draw) for site in self.sites}
        return {
            name: HiddenNoise(*(t.to(self.targets.device, self.dtype) for t in (noise.neurons, noise.units)))
            for name, noise in drawn.items()
        }

    def variables(self, outer: Tensor, outer_step: int = 0) -> tuple[Prepared, Tensor]:
        """Return what the inner loop of an outer step reads for outer variables [K, V]: activations, learning rates [K,
        1].
        """
        prepared: Prepared = {}
        noise = self._noise(outer_step)
        first = 0
        for site in self.sites:
            own = outer[:, first : first + site.parameters]
            prepared |= prepare(site, own, self.grid)
            prepared |= shifts(site, own, noise[site.name]) if noise else {}
            first += site.parameters
        if self.learning_rate is None:
            return prepared, outer[:, first:].exp()
        return prepared, outer.new_full((len(outer), 1), self.learning_rate)


@dataclass(frozen=True)
class OuterGradient:
    """The outer loss (the mean over the inner steps) and its gradient [V] at some outer variables; inputs of
    splines beyond their grid, and gradient-examples spent (as many networks' examples forward and back)."""

    loss: float
    gradient: Tensor
    beyond: int
    examples: int

    @property
    def finite(self) -> bool:
        return bool(self.gradient.isfinite().all()) and abs(self.loss) < float("inf")


def by_reversal(
    problem: OuterProblem,
    outer: Tensor,
    outer_step: int,
    inner: Callable[[InnerLoop, Mapping[str, Tensor], Tensor], MetaGradient],
    cost: int,
) -> OuterGradient:
    """Return the gradient [V] at `outer` [V] from what `inner` finds for the prepared variables."""
    leaf = outer.detach()[None].requires_grad_()
    with torch.enable_grad():
        prepared, rate = problem.variables(leaf, outer_step)
    found = inner(problem.loop(outer_step), {n: p.detach() for n, p in prepared.items()}, rate.detach())
    ends = [(p, found.prepared[n]) for n, p in prepared.items() if p.requires_grad]
    ends += [(rate, found.rate)] if rate.requires_grad else []
    (gradient,) = torch.autograd.grad(
        [p for p, _ in ends], leaf, [g for _, g in ends], materialize_grads=True
    )
    examples = cost * problem.steps * problem.batch_size
    return OuterGradient(float(found.losses.mean()), gradient[0], int(found.beyond), examples)


def by_unrolling(
    problem: OuterProblem,
    outer: Tensor,
    outer_step: int,
    window: int | None = None,
    segment: int | None = None,
) -> OuterGradient:
    """Compute the outer gradient exactly, or cut into windows; see `training.meta.unrolled`. A step's cost counts three
    times.
    """
    return by_reversal(
        problem, outer, outer_step, lambda loop, p, rate: unrolled(loop, p, rate, window, segment), REVERSED
    )


def by_first_order(problem: OuterProblem, outer: Tensor, outer_step: int) -> OuterGradient:
    """Compute the outer gradient in first order; see `training.meta.unrolled`."""
    return by_reversal(problem, outer, outer_step, first_order, 1)


def by_evolution(
    problem: OuterProblem, outer: Tensor, outer_step: int, pairs: int, spread: float
) -> OuterGradient:
    """Return the antithetic estimate of the gradient of the loss smoothed by N(0, spread^2) (Salimans et al. 2017,
    section 2): the mean over pairs of (F(x + spread e) - F(x - spread e)) e / (2 spread).

    All inner runs are one pack and share weights and batches. A pair with a run that is not finite is left
    out; without any other the result is not finite.
    """
    draw = torch.Generator().manual_seed(derive(problem.seed, "evolution", outer_step) >> 1)
    e = torch.randn(pairs, len(outer), generator=draw, dtype=torch.float64).to(outer)
    with torch.no_grad():
        prepared, rate = problem.variables(torch.cat([outer + spread * e, outer - spread * e]), outer_step)
        found = inner_losses(problem.loop(outer_step), prepared, rate)
        plus, minus = found.losses.mean(dim=0).chunk(2)
        usable = plus.isfinite() & minus.isfinite()
        slopes = torch.where(usable, (plus - minus) / (2 * spread), 0.0)
        gradient = slopes @ e / usable.sum()  # without usable pairs 0 / 0, which is seen as not finite
        loss = torch.where(usable, (plus + minus) / 2, 0.0).sum() / usable.sum()
    examples = 2 * pairs * problem.steps * problem.batch_size
    return OuterGradient(float(loss), gradient, int(found.beyond), examples)
