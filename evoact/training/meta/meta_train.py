"""Meta-training: activations that make networks learn fast (Choudhary et al. 2022, algorithm 1).

The inner loop trains a fresh network's weights; the outer loop moves what all these networks share, the
parameters of the neuron types and, if asked, the learning rate, down the gradient of the inner loop's
mean loss.
"""

import functools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from evoact.activations.spline import Grid
from evoact.errors import UserError
from evoact.genomes.kinds import Activation
from evoact.genomes.meta_training import DEFAULTS, MetaTraining, positive
from evoact.networks.network import Network
from evoact.registry import lookup
from evoact.seeding import derive
from evoact.tasks.task import Task, to_device
from evoact.training.meta.inner_optimizers import INNER_OPTIMIZERS, SGD, Adam, InnerOptimizer
from evoact.training.meta.outer_gradient import (
    OuterGradient,
    OuterProblem,
    by_evolution,
    by_first_order,
    by_unrolling,
)
from evoact.training.meta.typed_sites import TypedSite, initial_types, typed_site

GRID = Grid(-10.0, 10.0, 513)  # close enough for the second derivatives of sub-networks
OUTER_OPTIMIZERS: Mapping[str, Callable[[float], InnerOptimizer]] = {"adam": Adam, "sgd": SGD}
DTYPES = {"float32": torch.float32, "float64": torch.float64}


@dataclass(frozen=True)
class MetaResult:
    """The result of a meta-training.

    Attributes:
        types: each site's activations
        parameters: each site's parameters of each type, at the end
        trajectory: each site's parameters, type after type: [outer steps + 1, A], the start first
        learning_rate: the inner learning rate at the end
        losses: [outer steps], the outer loss before each update; not finite if one was skipped
        skipped: outer steps without an update, because the inner run or its gradient was not finite
        beyond_grid: inputs of splined sub-networks outside the grid, where splines go on straight
        gradient_examples: examples through forward and backward, an unrolled step counting three times
        seconds: wall time
    """

    types: Mapping[str, tuple[Activation, ...]]
    parameters: Mapping[str, tuple[np.ndarray, ...]]
    trajectory: Mapping[str, np.ndarray]
    learning_rate: float
    losses: np.ndarray
    skipped: int
    beyond_grid: int
    gradient_examples: int
    seconds: float


Types = Sequence[Activation] | Mapping[str, Sequence[Activation]]


def meta_train(
    types: Types,
    network: Network,
    task: Task,
    settings: MetaTraining = DEFAULTS,
    *,
    learning_rate: float = 0.01,
    segment: int | None = None,
    grid: Grid = GRID,
    seed: int = 0,
    dtype: str = "float32",
    device: torch.device | str = "cpu",
) -> MetaResult:
    """Learn the parameters of neuron types, so that fresh networks made of them train well.

    Args:
        types: the activations of every site, or those of each by name; they share out its neurons as evenly as
            possible in contiguous blocks, and each site learns parameters of its own
        settings: how they are learned
        learning_rate: the inner one, or where it starts if it is learned
        segment: of the modes `unrolled` and `truncated`: steps between the states that are kept in memory, the
            others being computed again; None keeps all that are small and else every sqrt(inner_steps)-th
        grid: of the splines as which sub-networks are evaluated, unless they ask to be exact

    Raises:
        UserError: for what cannot be meta-trained, before anything is trained.

    >>> from evoact.genomes.kinds import Subnetwork
    >>> from evoact.networks.mlp import mlp
    >>> from evoact.tasks.digits import digits
    >>> task = digits()
    >>> net = mlp(task.input_shape, task.n_outputs, hidden=[10])
    >>> two = [Subnetwork("sin", 8)] * 2
    >>> settings = MetaTraining(outer_steps=12, inner_steps=20, batch_size=50, optimizer="sgd")
    >>> found = meta_train(two, net, task, settings, learning_rate=0.3)
    >>> bool(found.losses[-3:].mean() < found.losses[:3].mean()), found.skipped
    (True, 0)
    >>> [len(parameters) for parameters in found.parameters["hidden0"]]
    [25, 25]
    """
    started = time.perf_counter()
    lookup(DTYPES, "precision", dtype)
    positive("learning_rate", learning_rate)
    positive("segment", 1 if segment is None else segment)
    gradient = _gradient(settings, segment)
    by_site = _by_site(types, network)
    sites = tuple(typed_site(site, by_site[site.name]) for site in network.sites)
    inputs, targets = to_device(task.splits()["train"], torch.device(device), DTYPES[dtype])
    fixed_rate = None if settings.learn_rate else learning_rate
    problem = OuterProblem(
        network=network,
        task=task,
        sites=sites,
        grid=grid,
        optimizer=inner_optimizer(settings.optimizer, dict(settings.optimizer_arguments)),
        learning_rate=fixed_rate,
        inputs=inputs,
        targets=targets,
        batch_size=settings.batch_size,
        steps=settings.inner_steps,
        seed=seed,
        dtype=DTYPES[dtype],
        noise=settings.noise,
    )
    outer = _start(sites, learning_rate if settings.learn_rate else None, seed).to(
        targets.device, problem.dtype
    )
    rule = OUTER_OPTIMIZERS[settings.outer_optimizer](settings.outer_momentum)
    state, rate, updates = rule.start(outer), outer.new_tensor(settings.outer_rate), 0
    trajectory, found = [outer], list[OuterGradient]()
    for outer_step in range(settings.outer_steps):
        found.append(gradient(problem, outer, outer_step))
        if found[-1].finite:
            clamped = found[-1].gradient.clamp(-settings.clamp, settings.clamp)
            outer, state = rule.update(outer, state, clamped, rate, updates)
            updates += 1
        trajectory.append(outer)
    path = torch.stack(trajectory).double().cpu().numpy()
    return _result(sites, path, found, fixed_rate, time.perf_counter() - started)


def _by_site(types: Types, network: Network) -> Mapping[str, Sequence[Activation]]:
    """The types of each site.

    Raises:
        UserError: if they are for a site that the network has not, or a site has none.
    """
    names = {site.name: site for site in network.sites}
    if not isinstance(types, Mapping):
        return dict.fromkeys(names, types)
    for name in types:
        lookup(names, "site", name)
    if missing := [name for name in names if name not in types]:
        raise UserError(f"expected types for every site, got none for {', '.join(missing)}")
    return types


def _gradient(
    settings: MetaTraining, segment: int | None
) -> Callable[[OuterProblem, Tensor, int], OuterGradient]:
    """The mode's way to the gradient."""
    if settings.mode == "first_order":
        return by_first_order
    if settings.mode == "evolution":
        return functools.partial(by_evolution, pairs=settings.pairs, spread=settings.spread)
    window = settings.window if settings.mode == "truncated" else None
    return functools.partial(by_unrolling, window=window, segment=segment)


def inner_optimizer(name: str, arguments: Mapping[str, float]) -> InnerOptimizer:
    """Return the named inner optimizer with these arguments.

    Raises:
        UserError: for an unknown name or argument, naming the nearest.
    """
    made = lookup(INNER_OPTIMIZERS, "inner optimizer", name)
    known = {f.name: f for f in fields(made)}  # type: ignore[arg-type]
    for argument in arguments:
        lookup(known, f"argument of the inner optimizer {name!r}", argument)
    return made(**arguments)


def _start(sites: Sequence[TypedSite], learning_rate: float | None, seed: int) -> Tensor:
    """The outer variables before the first step: [V], float64.

    Raises:
        UserError: if there is nothing to learn.
    """
    parts = []
    for site in sites:
        draw = torch.Generator().manual_seed(derive(seed, "activations", site.name) >> 1)
        parts.append(initial_types(site, draw))
    if learning_rate is not None:
        parts.append(torch.tensor([math.log(learning_rate)], dtype=torch.float64))
    start = torch.cat(parts)
    if not len(start):
        names = ", ".join(b.activation.label for b in sites[0].blocks)
        raise UserError(
            f"expected a neuron type with parameters to learn, such as a sub-network, got {names}"
        )
    return start


def _result(
    sites: Sequence[TypedSite],
    path: np.ndarray,
    found: Sequence[OuterGradient],
    learning_rate: float | None,
    seconds: float,
) -> MetaResult:
    """The result of outer variables `path` [outer steps + 1, V]."""
    trajectory, first = {}, 0
    for site in sites:
        trajectory[site.name] = path[:, first : first + site.parameters]
        first += site.parameters
    return MetaResult(
        types={site.name: tuple(b.activation for b in site.blocks) for site in sites},
        parameters={
            site.name: tuple(trajectory[site.name][-1, b.first : b.last] for b in site.blocks)
            for site in sites
        },
        trajectory=trajectory,
        learning_rate=math.exp(path[-1, -1]) if learning_rate is None else learning_rate,
        losses=np.array([g.loss for g in found]),
        skipped=sum(not g.finite for g in found),
        beyond_grid=sum(g.beyond for g in found),
        gradient_examples=sum(g.examples for g in found),
        seconds=seconds,
    )
