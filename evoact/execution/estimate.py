"""What a search would cost, from a short measurement of one of its own packs."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from evoact.config import UNLIMITED, Experiment
from evoact.execution.pack_size import megabytes, packs_at_once, step_seconds, with_pack_size
from evoact.networks.network import parameter_count

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
    pack_size: int
    minutes: float | None
    megabytes: float


def estimate(made: Experiment) -> Estimate:
    """Networks and gradient-examples by arithmetic, time by training a sampled pack for a few steps."""
    e = with_pack_size(made)
    config = e.config
    by_phase = e.networks_by_phase
    networks = sum(by_phase.values())
    at_once = packs_at_once(e)
    if config.execution.backend == "ray_tune":
        at_once = min(at_once, max(1, int((os.cpu_count() or 1) // config.execution.cpus_per_pack)))
    size = min(e.pack_size, networks)
    step = 0.0 if config.execution.backend == "table" else step_seconds(e, size, WARM_UP, MEASURED)
    minutes = (
        (networks + e.meta_networks) / size * e.steps * step / at_once / 60
        if networks < UNLIMITED
        else config.budget.minutes
    )
    return Estimate(
        by_phase=by_phase,
        networks=networks,
        gradient_examples=(networks + e.meta_networks) * e.steps * e.training.batch_size,
        genomes=e.space.size(),
        parameters=parameter_count(e.largest_network),
        packs_at_once=at_once,
        minutes=minutes,
        pack_size=size,
        megabytes=megabytes(e, size),
    )
