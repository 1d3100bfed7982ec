"""A pack: K candidates as one tensor program, from its start through its steps.

Members of a pack may differ in everything that a genome holds (base functions, hulls, assignments, learning rate and
other settings of the optimizer), in seed and in number of steps. They share the network's shape, the task and the batch
size. A member's result does not depend on its neighbours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from evoact.activations.kinds import site_count
from evoact.native.tensors import accepts
from evoact.networks.network import Network
from evoact.networks.precision import arithmetic, check_precision
from evoact.registry import lookup
from evoact.tasks.task import Task, to_device
from evoact.training import averaging
from evoact.training.averaging import Average
from evoact.training.batches import Batches
from evoact.training.early_stop import EarlyStop, first_progress
from evoact.training.forward_pass import Chance, Counts, PackPass, Plans
from evoact.training.members import (
    Member,
    initial_activations,
    initial_member,
    initial_weights,
    with_pieces_of,
)
from evoact.training.optimizers import OPTIMIZERS, Optimizer
from evoact.training.schedules import SCHEDULES, Schedule
from evoact.training.whole_step import can_step, whole_step

SHARED = "shared"  # the name that weights are drawn under that all members share


@dataclass(frozen=True)
class TrainingSettings:
    """The settings that all members of a pack share, except settings of the optimizer that a genome has itself;
    `schedule` scales every member's learning rate, update by update, and `early_stop` says when a member ends before
    its last step; `curve_every` so many steps, and at the steps in `curve_at`, a point of each member's learning curve
    is taken. With `train` activations weights stay as they are drawn, once for all members and replicates. `precision`
    is that of products and convolutions in training steps, while evaluation computes in `dtype`, of the `average` of
    the last steps' weights if there is one.
    """

    batch_size: int = 100
    optimizer: str = "adam"
    optimizer_arguments: Mapping[str, float] = field(default_factory=dict)
    dtype: str = "float32"
    schedule: str = "constant"
    schedule_arguments: Mapping[str, float] = field(default_factory=dict)
    early_stop: EarlyStop | None = None
    train: str = "all"
    precision: str = "float32"
    curve_every: int | None = None
    curve_at: tuple[int, ...] = ()
    average: Average | None = None


@dataclass
class Pack:
    """A pack in training. `parameters` are [K, ...] leaves: the network's by name, and those of each
    site's activations under `SITE.activation`, padded with zeros. `statistics` are what
    batch norms take in evaluation, `NAME.mean` and `NAME.variance`, [K, channels], which `evaluation.settled` makes;
    `progress` is what early stopping remembers, [K] each; `sums` are of the trained parameters, over the steps that
    `average` counts."""

    members: list[Member]
    network: Network
    task: Task
    parameters: dict[str, Tensor]
    statistics: dict[str, Tensor]
    plans: Plans
    optimizer: Optimizer
    schedule: Schedule
    batches: Batches
    step: int
    recent_losses: list[Tensor]
    early_stop: EarlyStop | None
    progress: dict[str, Tensor]
    precision: str = "float32"
    average: Average | None = None
    sums: list[Tensor] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        return [m.name for m in self.members]

    @cached_property
    def dropout_rates(self) -> list[float | None]:
        """The members' own rates of dropout, None for the network's."""
        return [m.genome.settings.get("dropout") for m in self.members]

    @cached_property
    def in_one_kernel(self) -> bool:
        """Whether `whole_step` does the training steps."""
        given = self.network, self.task, self.plans, self.parameters
        return not any(self.dropout_rates) and can_step(*given, self.precision)

    @cached_property
    def begins(self) -> list[int]:
        """The members' steps after which their weights count for the average."""
        assert self.average is not None
        return [self.average.begins(m.steps, m.start) for m in self.members]

    @property
    def trained(self) -> list[Tensor]:
        """The parameters that training moves, in the optimizer's order."""
        return [self.parameters[name] for name in trained_names(self.parameters)]

    def outputs(self, inputs: Tensor, training: bool = False, counts: Counts | None = None) -> Tensor:
        """Return the network's outputs [K, B, n_outputs]; in training with dropout and the batch's own statistics."""
        chance = Chance(self.batches.run_seed, self.names, self.step, inputs.device)
        layers = PackPass(
            self.plans,
            self.parameters,
            self.statistics,
            chance,
            training,
            counts,
            self.dropout_rates,
            # Statistics and evaluation are of the network that people take home.
            self.precision if training and counts is None else "float32",
        )
        with arithmetic(layers.precision, inputs.device):
            return self.network.forward(self.parameters, layers, inputs)

    def losses(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Return the training loss of each member: [K]."""
        return self.task.losses(self.outputs(inputs, training=True), targets, self.names)


def start_pack(
    members: Sequence[Member],
    network: Network,
    task: Task,
    settings: TrainingSettings,
    run_seed: int,
    device: torch.device,
) -> Pack:
    """Start a pack: initial parameters from (run seed, name), batches from (run seed, seed), nothing trained yet.

    The members must fit together as `members.by_layout` says.
    """
    check_precision(settings.precision, device)
    dtype: torch.dtype = getattr(torch, settings.dtype)
    network = with_pieces_of(network, members[0].genome)
    parameters = initial_parameters(members, network, run_seed, device, dtype, settings.train)
    rates = torch.tensor(
        [m.genome.hyperparameter("learning_rate") for m in members], dtype=torch.float64, device=device
    )
    optimizer = lookup(OPTIMIZERS, "optimizer", settings.optimizer)
    schedule = lookup(SCHEDULES, "schedule", settings.schedule)
    trained = {name: parameters[name] for name in trained_names(parameters)}
    inputs, targets = to_device(task.splits()["train"], device, dtype)
    return Pack(
        members=list(members),
        network=network,
        task=task,
        parameters=parameters,
        statistics={},
        plans=plan_sites(members, network, device, parameters),
        optimizer=optimizer(
            list(trained.values()),
            rates,
            activations={i for i, name in enumerate(trained) if name.endswith(".activation")},
            **{**settings.optimizer_arguments, **members[0].genome.optimizer_settings},
        ),
        schedule=schedule(**settings.schedule_arguments),
        batches=Batches(inputs, targets, settings.batch_size, run_seed, task.prepare, dtype),
        step=0,
        recent_losses=[],
        early_stop=settings.early_stop,
        progress=first_progress(len(members), task.direction, device) if settings.early_stop else {},
        precision=settings.precision,
        average=settings.average,
    )


def trained_names(parameters: Mapping[str, Tensor]) -> list[str]:
    """Return the names of those that hold any number and are not frozen."""
    return [name for name, p in parameters.items() if p.numel() and p.requires_grad]


def initial_parameters(
    members: Sequence[Member],
    network: Network,
    run_seed: int,
    device: torch.device,
    dtype: torch.dtype,
    train: str = "all",
) -> dict[str, Tensor]:
    """Return the members' initial parameters one above the other, padded with zeros: [K, ...] leaves. Frozen ones take
    no gradient; with `train` activations those of the network are views of one copy.
    """
    sites = {f"{site.name}.activation": i for i, site in enumerate(network.sites)}
    frozen = {p.name for p in network.parameters if p.frozen}
    parameters: dict[str, Tensor] = {}
    if train == "activations":
        for name, drawn in initial_weights(network, SHARED, run_seed).items():
            parameters[name] = drawn.to(device, dtype).expand(len(members), *drawn.shape)
        frozen = set(parameters)
    else:
        for p in network.parameters:
            parameters[p.name] = torch.zeros(len(members), *p.shape, device=device, dtype=dtype)
    for name, i in sites.items():
        most = max(site_count(m.genome.sites[i]) for m in members)
        parameters[name] = torch.zeros(len(members), most, device=device, dtype=dtype)
    for k, member in enumerate(members):  # one after the other: in float64 they would take twice the room
        own = (
            initial_member(member, network, run_seed)
            if train == "all"
            else initial_activations(member, run_seed)
        )
        for name, drawn in own.items():
            parameters[name][k, : len(drawn)] = drawn
    return {name: p.requires_grad_(name not in frozen) for name, p in parameters.items()}


def plan_sites(
    members: Sequence[Member],
    network: Network,
    device: torch.device,
    parameters: Mapping[str, Tensor] | None = None,
) -> Plans:
    """Return how each site's activations are evaluated for these members, whose activation parameters are
    `SITE.activation` [K, A] of `parameters`; without it A is the longest member's number."""
    names = [site.name for site in network.sites]
    return Plans(
        {name: [m.genome.sites[i] for m in members] for i, name in enumerate(names)},
        {name: None if parameters is None else parameters[f"{name}.activation"].shape[1] for name in names},
        device,
    )


def train_step(pack: Pack) -> Tensor:
    """Take one optimizer step of every member; return their losses [K] before it."""
    inputs, targets = pack.batches([m.seed for m in pack.members], pack.step)
    losses = updated(pack, inputs, targets, coefficients_of(pack, pack.step))
    count_step(pack)
    return losses


def coefficients_of(pack: Pack, step: int) -> tuple[float, ...]:
    """Return the optimizer's coefficients of a step, which depend on its number."""
    return pack.optimizer.coefficients(step + 1, pack.schedule(step))


def count_step(pack: Pack) -> None:
    """Note that a step was done, in the averages of the weights, too."""
    pack.step += 1
    if pack.average:
        with torch.no_grad():
            averaging.add(pack.sums, pack.trained, pack.begins, pack.step)


def updated(pack: Pack, inputs: Tensor, targets: Tensor, coefficients: Sequence[Any]) -> Tensor:
    """Update every member on a batch; return their losses [K] before. No tensor is read, so that a GPU is never waited
    for, and with tensors as coefficients a repetition of the same operations is the update of another step."""
    losses, gradients = _losses_and_gradients(pack, inputs, targets)
    if gradients:  # base functions train nothing if weights do not
        with torch.no_grad():
            pack.optimizer.update(gradients, coefficients)
    return losses


def _losses_and_gradients(pack: Pack, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
    """Losses [K] and the gradients for `pack.trained`."""
    if pack.in_one_kernel and accepts(inputs):
        bf16 = pack.precision == "bf16"
        losses, by_name = whole_step(pack.network, pack.plans, pack.parameters, inputs, targets, bf16)
        return losses, [by_name[name] for name in trained_names(pack.parameters)]
    losses = pack.losses(inputs, targets)
    if not (trained := pack.trained):
        return losses.detach(), []
    # A parameter may have no part in the outputs, such as the biases below relu in a Hamiltonian network.
    with arithmetic(pack.precision, inputs.device):
        return losses.detach(), torch.autograd.grad(losses.sum(), trained, materialize_grads=True)


@torch.no_grad()
def averaged(pack: Pack) -> Pack:
    """Return the pack with the weights that are evaluated and kept: their averages, as far as they have begun."""
    if not pack.sums:
        return pack
    means = {
        name: averaging.mean(total, pack.parameters[name], pack.begins, pack.step).requires_grad_()
        for name, total in zip(trained_names(pack.parameters), pack.sums, strict=True)
    }
    return replace(pack, parameters=pack.parameters | means)


@torch.no_grad()
def part_of(pack: Pack, members: Sequence[int]) -> Pack:
    """Return these members as a pack of their own, which is not to be trained: the optimizer is that of all."""
    index = torch.tensor(members, device=next(iter(pack.parameters.values())).device)
    chosen = [pack.members[i] for i in members]
    parameters = {n: _taken(p, index).requires_grad_(p.requires_grad) for n, p in pack.parameters.items()}
    return replace(
        pack,
        members=chosen,
        parameters=parameters,
        statistics={n: s[index] for n, s in pack.statistics.items()},
        # The activations' parameters stay padded to the longest member that ever was in the pack.
        plans=plan_sites(chosen, pack.network, index.device, parameters),
        recent_losses=[loss[index] for loss in pack.recent_losses],
        progress={n: p[index] for n, p in pack.progress.items()},
        sums=[total[index] for total in pack.sums],
    )


def _taken(p: Tensor, members: Tensor) -> Tensor:
    """Return these members' parameters; views of one copy stay so."""
    return p[: len(members)] if p.stride(0) == 0 else p[members]


def keep_members(pack: Pack, members: Sequence[int]) -> Pack:
    """Return the pack that goes on with these members only; the one before cannot be trained any more."""
    kept = part_of(pack, members)
    device = next(iter(kept.parameters.values())).device
    kept.optimizer.keep(torch.tensor(members, device=device), kept.trained)
    return kept
