"""What a search would cost, from a short measurement of one of its own packs."""

import os
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from evoact.config import UNLIMITED, Experiment
from evoact.execution.packs import device_for
from evoact.genomes.genome import fingerprint
from evoact.networks.network import parameter_count
from evoact.networks.size import activation_count
from evoact.training.members import Member, by_layout
from evoact.training.packed import start_pack, train_step

WARM_UP, MEASURED = 2, 5


@dataclass(frozen=True)
class Estimate:
    """`minutes` is None where only time limits the search; `megabytes` is a pack's peak, roughly; `parameters`
    counts the weights and biases of the largest network of the space."""

    by_phase: Mapping[str, int]
    networks: int
    gradient_examples: int
    genomes: int
    parameters: int
    packs_at_once: int
    minutes: float | None
    megabytes: float


def estimate(made: Experiment) -> Estimate:
    """Networks and gradient-examples by arithmetic, time by training a sampled pack for a few steps."""
    e, config = made, made.config
    by_phase = e.networks_by_phase
    networks = sum(by_phase.values())
    settings = config.execution
    at_once = max(1, int((os.cpu_count() or 1) // settings.cpus_per_pack))
    if settings.backend != "ray_tune":
        at_once = 1
    elif settings.workers is not None:
        at_once = min(at_once, settings.workers)
    size = min(config.packs.size, networks)
    step = 0.0 if settings.backend == "table" else _step_seconds(e, size)
    minutes = (
        networks / size * e.steps * step / at_once / 60 if networks < UNLIMITED else config.budget.minutes
    )
    return Estimate(
        by_phase=by_phase,
        networks=networks,
        gradient_examples=networks * e.steps * e.training.batch_size,
        genomes=e.space.size(),
        parameters=parameter_count(e.largest_network),
        packs_at_once=at_once,
        minutes=minutes,
        megabytes=_megabytes(e, size),
    )


def _step_seconds(e: Experiment, size: int) -> float:
    """One step of so many sampled networks, those that do not fit together one after the other."""
    torch.set_num_threads(e.config.packs.threads)
    genomes = [e.space.sample(random.Random(i)) for i in range(size)]
    members = [Member(g, f"{fingerprint(g)}-{i}", 0, 1) for i, g in enumerate(genomes)]
    device = device_for(e.config.execution.gpus_per_pack != 0)
    seconds = 0.0
    for group in by_layout(members):
        pack = start_pack([members[i] for i in group], e.network, e.task, e.training, e.seed, device)
        for _ in range(WARM_UP):
            train_step(pack)
        started = time.perf_counter()
        for _ in range(MEASURED):
            train_step(pack)
        seconds += (time.perf_counter() - started) / MEASURED
    return seconds


def _megabytes(e: Experiment, size: int) -> float:
    """Parameters, gradient, two optimizer moments and a work buffer; about six copies of every
    activation in a step; the data; and a process with PyTorch in it."""
    weights = 5 * parameter_count(e.largest_network)
    activations = 6 * activation_count(e.network, e.task.input_shape) * e.training.batch_size
    data = sum(split.inputs.nbytes for split in e.task.splits().values())
    return (4 * size * (weights + activations) + 2 * data) / 1e6 + 350
