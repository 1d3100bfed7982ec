"""The number of networks trained together: by memory, by how many can be asked for at once, by a measurement.

A network's result does not depend on its neighbours, so the size changes time and memory alone. It is
chosen once, when a run starts, and stands in the run's config as a number from then on. On Ray workers measure it: the
first of each kind, for all of that kind.
"""

import os
import random
import time
from collections.abc import Sequence
from dataclasses import replace
from math import inf

import torch

from evoact.config import Experiment, Plan
from evoact.execution.stages import Stages
from evoact.genomes.genome import Genome, fingerprint
from evoact.networks.network import parameter_count
from evoact.networks.size import activation_count
from evoact.records import META_TRAIN
from evoact.training.gpu.devices import device_for, free_gpu_memory, gpu_here
from evoact.training.gpu.graphs import WARM_UP, Steps
from evoact.training.isolation import ended
from evoact.training.members import Member, by_layout
from evoact.training.pack import start_pack

LARGEST = 256  # beyond it nothing is gained, and packs last long
UNMEASURED = 32  # if the workers' device is not here, nothing is trained, or a measurement ended its process
PATIENCE_SECONDS = 5.0  # no larger pack is measured once that much time has gone
LONGEST_SECONDS = 30.0  # nor one waited for any longer
NEAR = 1.05  # sizes within 5 % of the cheapest count as equal, and the smallest of them wins
SHARE = 0.5  # of the free memory may be taken
PACK_SECONDS = 0.05  # between two packs of a worker, of half a dozen as docs/scaling.md measures them
PROCESS_MEGABYTES = 350  # a process with PyTorch in it


def with_pack_size(plan: Plan, measured: bool = True) -> Plan:
    """Return the plan with a number for `packs.size`, chosen and measured here if it is `auto`.

    All arms take what suits the first.

    Args:
        measured: whether a measurement is to choose, in which a candidate may take this process down
    """
    if plan.config.packs.size != "auto":
        return plan
    size = choose(plan.first, measured=measured)

    def sized(arm: Experiment) -> Experiment:
        packs = arm.config.packs.model_copy(update={"size": size})
        return arm.with_config(packs=packs)

    return replace(plan, arms={name: sized(arm) for name, arm in plan.arms.items()})


def choose(
    made: Experiment,
    useful: int | None = None,
    at_once: int | None = None,
    most_megabytes: float = inf,
    measured: bool = True,
) -> int:
    """Return the smallest power of two whose cost of a network is near the lowest, of those that fit into memory and
    leave no worker without a pack.

    Args:
        useful: the largest that leaves no worker without a pack; by default of this machine's workers
        at_once: how many packs this machine, or each of its GPUs, trains side by side; by default as it can
        most_megabytes: of memory that packs here may take together
        measured: whether to measure; if not, it is as many as usually pay, of those that fit
    """
    useful = most_useful(made, packs_at_once(made)) if useful is None else useful
    most = min(LARGEST, room(made, at_once, most_megabytes), useful)
    costs: dict[int, float] = {}
    settings = made.config.execution
    if measured and settings.backend != "table" and (not settings.gpus_per_pack or gpu_here()):
        started, size = time.perf_counter(), 1
        while size <= most and time.perf_counter() - started < PATIENCE_SECONDS:
            seconds = _measured(made, size)
            if seconds is None:
                break
            costs[size] = (made.steps * seconds + PACK_SECONDS) / size
            size *= 2
    if not costs:
        return max(1, min(UNMEASURED, most))
    return min(size for size, cost in costs.items() if cost <= NEAR * min(costs.values()))


def _measured(made: Experiment, size: int) -> float | None:
    """Seconds of a step; None if it fails or takes too long, as the candidates will or as some of them may."""
    found: list[float] = []
    ended(lambda: found.append(step_seconds(made, size, 1, 3)), LONGEST_SECONDS)
    return found[0] if found else None


def most_useful(made: Experiment, workers: int) -> int:
    """Return the largest size that leaves none of so many workers without a pack."""
    return -(-asked_at_once(made, workers) // workers)


def asked_at_once(made: Experiment, workers: int) -> int:
    """Return how many networks the search proposes before it must hear of any, up to what all workers could take."""
    enough = LARGEST * workers
    search_alone = made.with_config(baselines=made.config.baselines.model_copy(update={"replicates": 0}))
    asked = Stages(search_alone).ask(enough)
    if any(p.kind == META_TRAIN for p in asked):  # how many networks follow them is not known yet
        return UNMEASURED * workers
    return max(1, len(asked))


def packs_at_once(made: Experiment) -> int:
    """Return how many packs this machine, or the configured number of workers, trains side by side."""
    settings = made.config.execution
    if settings.backend != "ray_tune":
        return 1
    if settings.workers is not None:
        return settings.workers
    return max(1, int((os.cpu_count() or 1) // settings.cpus_per_pack))


def room(made: Experiment, at_once: int | None = None, most_megabytes: float = inf) -> int:
    """Return how many networks fit into each pack side by side, by the free memory or `most_megabytes` of it."""
    at_once = at_once or packs_at_once(made)
    if device_for(made.config.execution.gpus_per_pack != 0).type == "cuda":
        free = free_gpu_memory() / at_once
    else:
        free = min(most_megabytes, os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e6) / at_once
        free -= megabytes(made, 0)
    return max(1, int(SHARE * free / (megabytes(made, 1) - megabytes(made, 0))))


def megabytes(e: Experiment, size: int) -> float:
    """Return the peak of a worker, roughly. Parameters, gradient, two optimizer moments, a work buffer and sums to
    average; about six copies of every activation in a step; the data; and a process with PyTorch in it."""
    weights = (5 + bool(e.training.average)) * parameter_count(e.largest_network)
    activations = 6 * activation_count(e.network, e.task.input_shape) * e.training.batch_size
    data = sum(split.inputs.nbytes for split in e.task.splits().values())
    return (4 * size * (weights + activations) + 2 * data) / 1e6 + PROCESS_MEGABYTES


def step_seconds(
    e: Experiment, size: int, warm_up: int, measured: int, genomes: Sequence[Genome] = ()
) -> float:
    """Return how long a step of so many networks takes, those that do not fit together one after the other.

    Args:
        genomes: of the networks, again from the first if there are fewer; by default the space is sampled
    """
    torch.set_num_threads(e.config.packs.threads)
    genomes = [
        genomes[i % len(genomes)] if genomes else e.space.sample(random.Random(i)) for i in range(size)
    ]
    members = [Member(g, f"{fingerprint(g)}-{i}", 0, 1) for i, g in enumerate(genomes)]
    device = device_for(e.config.execution.gpus_per_pack != 0)
    seconds = 0.0
    for group in by_layout(members):
        own = [members[i] for i in group]
        step = Steps(start_pack(own, e.network, e.task, e.training, e.seed, device))
        before = warm_up + (WARM_UP + 1 if device.type == "cuda" else 0)  # as in training, a graph by then
        for i in range(before + measured):
            if i == before:
                if device.type == "cuda":
                    torch.cuda.synchronize()
                started = time.perf_counter()
            step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds += (time.perf_counter() - started) / measured
    return seconds
