"""The cost of a search, estimated from short measurements of its own packs."""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from evoact.config import Experiment, Plan
from evoact.execution.meta_trainings import captured, learn_types
from evoact.execution.pack_size import megabytes, packs_at_once, step_seconds, with_pack_size
from evoact.execution.precision import with_precision
from evoact.genomes.genome import Genome
from evoact.networks.network import parameter_count
from evoact.records import UNLIMITED
from evoact.strategies.proposers.learned_diversity import networks_of
from evoact.strategies.strategy import MetaDraft
from evoact.training.gpu.devices import device_for

WARM_UP, MEASURED = 2, 5


@dataclass(frozen=True)
class Estimate:
    """`minutes` is None if only time limits the search, and `worker_minutes` are those of all workers together;
    `megabytes` is a pack's peak, roughly; `parameters` counts the weights and biases of the largest network of the
    space."""

    by_phase: Mapping[str, int]
    networks: int
    gradient_examples: int
    genomes: int
    parameters: int
    packs_at_once: int
    pack_size: int
    minutes: float | None
    worker_minutes: float | None
    megabytes: float


def estimate(made: Experiment) -> Estimate:
    """Return networks and gradient-examples by arithmetic, time by training a pack of sampled networks for a few steps;
    of a meta-training by one of its steps, and of the networks that follow it by a pack of what that step learned.
    """
    plan = with_pack_size(with_precision(Plan.of(made)))
    e = plan.first
    config = e.config
    by_phase = e.networks_by_phase
    networks = sum(by_phase.values())
    at_once = packs_at_once(e)
    if config.execution.backend == "ray_tune":
        at_once = min(at_once, max(1, int((os.cpu_count() or 1) // config.execution.cpus_per_pack)))
    size = min(plan.pack_size, networks)
    minutes = worker_minutes = config.budget.minutes
    if networks < UNLIMITED:
        trained, meta_trained = _seconds(e, size)
        starts = max(1, len(e.proposer.meta_trainings))
        minutes = (trained / at_once + meta_trained / min(at_once, starts)) / 60
        worker_minutes = (trained + meta_trained) / 60
    return Estimate(
        by_phase=by_phase,
        networks=networks,
        gradient_examples=e.gradient_examples,
        genomes=e.space.size(),
        parameters=parameter_count(e.largest_network),
        packs_at_once=at_once,
        minutes=minutes,
        worker_minutes=worker_minutes,
        pack_size=size,
        megabytes=megabytes(e, size),
    )


def _seconds(e: Experiment, size: int) -> tuple[float, float]:
    """Seconds that all networks take one worker, in packs of this size, and that all meta-trainings take."""
    if e.config.execution.backend == "table":
        return 0.0, 0.0
    networks, starts = dict(e.networks_by_phase), e.proposer.meta_trainings
    sampled = step_seconds(e, size, WARM_UP, MEASURED)
    if not starts:
        return sum(networks.values()) / size * e.steps * sampled, 0.0
    meta_trained, genomes = _meta_training(e, starts[0])
    learned = step_seconds(e, size, WARM_UP, MEASURED, genomes)
    ordinary = networks.pop("baseline")
    after = sum(networks.values()) - len(starts)
    return (ordinary * sampled + after * learned) / size * e.steps, len(starts) * meta_trained


def _meta_training(e: Experiment, draft: MetaDraft) -> tuple[float, Sequence[Genome]]:
    """Seconds of one meta-training, and the networks of what one step of it learns."""
    settings = replace(draft.settings, outer_steps=1)
    device = device_for(e.config.execution.gpus_per_pack != 0)
    for _ in range(2):  # the first warms up
        started = time.perf_counter()
        meta = learn_types(draft.genome, settings, e, draft.seed, device)
    seconds = (time.perf_counter() - started) * draft.settings.outer_steps
    return seconds, networks_of(e.space, captured(meta, settings, draft.seed))
