"""The one training loop: packs are trained to their members' ends; an ordinary training run is a pack of one."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np
import torch

from evoact.networks.network import Network
from evoact.networks.size import activation_count
from evoact.records import COMPLETED, CurvePoint
from evoact.tasks.metrics import metric_values
from evoact.tasks.task import Task
from evoact.training.checkpoints import checkpoint, restore
from evoact.training.early_stop import BEST, WAITED
from evoact.training.evaluation import Outcome, answers, are_finite, evaluate_members, settled
from evoact.training.gpu.devices import is_out_of_memory
from evoact.training.gpu.graphs import WARM_UP, Steps
from evoact.training.isolation import AT_STEP, SUSPECTS
from evoact.training.learning_curves import measured
from evoact.training.members import Member, by_layout
from evoact.training.pack import Pack, TrainingSettings, keep_members, part_of, start_pack

# Activations of a batch, over all members: on a CPU more members in one tensor program are no faster, but take memory.
NUMBERS_TOGETHER = 2**21
# A few members are always together, if memory allows: convolutions of several are up to a tenth faster than of one.
FEW, NUMBERS_OF_FEW = 4, 2**23
LOOK_STEPS = 100  # between two looks for members that diverged
LOSS_WINDOW = 50  # the reported training loss is the mean over this many last steps


def train_pack(
    members: Sequence[Member],
    network: Network,
    task: Task,
    settings: TrainingSettings,
    run_seed: int = 0,
    device: torch.device | str = "cpu",
    evaluate: Sequence[str] = ("validation",),
    keep: str = "activations",
) -> list[Outcome]:
    """Train all members to their number of steps, or until they diverge or are stopped early, and evaluate them
    as they then are.

    Args:
        members: one or more networks; each site's widths agree
        evaluate: names of the splits to evaluate (those the task lacks are left out)
        keep: what `Outcome.learned` holds: `activations` (the sites' own parameters) or `all`, which is all
            parameters and, under `EXAMPLES.SPLIT`, the score of each example of the larger test split evaluated

    Returns:
        One outcome per member, in order: `completed`, or `diverged` if the loss, the parameters or
        the outputs are no longer finite.
    """
    outcomes: dict[int, Outcome] = {}
    for group in _groups(members, network, task, settings.batch_size, torch.device(device)):
        started = time.perf_counter()
        chosen = [members[i] for i in group]
        pack = start_pack(chosen, network, task, settings, run_seed, torch.device(device))
        if chosen[0].start:
            restore(pack)
        trained = _train(pack, evaluate, keep, settings)
        seconds = (time.perf_counter() - started) / len(group)
        outcomes |= {i: replace(outcome, seconds=seconds) for i, outcome in zip(group, trained, strict=True)}
    return [outcomes[i] for i in range(len(members))]


def _groups(
    members: Sequence[Member], network: Network, task: Task, batch_size: int, device: torch.device
) -> list[list[int]]:
    """The members, by index, that are trained as one tensor program each, one after the other."""
    groups = by_layout(members)
    if device.type != "cpu":
        return groups
    most = members_together(batch_size * activation_count(network, task.input_shape))
    return [list(map(int, part)) for g in groups for part in np.array_split(g, -(-len(g) // most))]


def members_together(numbers: int) -> int:
    """Return how many members with so many activations of a batch are one tensor program on a CPU.

    >>> members_together(100 * 200), members_together(100 * 15220), members_together(2**24)
    (104, 4, 1)
    """
    return max(1, NUMBERS_TOGETHER // numbers, min(FEW, NUMBERS_OF_FEW // numbers))


def _train(pack: Pack, evaluate: Sequence[str], keep: str, settings: TrainingSettings) -> list[Outcome]:
    """Train the members of a pack to their ends; outcomes as `train_pack` gives them, in order."""
    members, outcomes = list(pack.members), dict[str, Outcome]()
    curves: dict[str, tuple[CurvePoint, ...]] = {m.name: () for m in members}
    stop, curve_every = pack.early_stop, settings.curve_every
    step = Steps(pack)
    periods = [LOOK_STEPS, *([stop.every] if stop else []), *([curve_every] if curve_every else [])]
    while True:
        over = ~are_finite(pack).cpu()
        if stop:
            over |= pack.progress[WAITED].cpu() >= stop.patience
        ended = [i for i, m in enumerate(pack.members) if pack.step >= m.steps or over[i]]
        if ended:
            left = [i for i in range(len(pack.members)) if i not in ended]
            part = part_of(pack, ended) if left else pack
            for i, outcome in zip(ended, evaluate_members(part, evaluate, keep), strict=True):
                if pack.members[i].resumable and outcome.state == COMPLETED:
                    outcome = replace(outcome, checkpoint=checkpoint(pack, i))
                name = pack.members[i].name
                outcomes[name] = replace(outcome, curve=curves[name])
            if not left:
                return [outcomes[m.name] for m in members]
            pack = keep_members(pack, left)
            step = Steps(pack)
        points = [n for n in settings.curve_at if n > pack.step]
        look = min(*(m.steps for m in pack.members), *((pack.step // n + 1) * n for n in periods), *points)
        try:
            while pack.step < look:
                pack.recent_losses = [*pack.recent_losses[-(LOSS_WINDOW - 1) :], step()]
        except Exception as error:
            vars(error)[AT_STEP] = pack.step
            if not is_out_of_memory(error) and "CUDA" not in str(error):
                with suppress(Exception):  # whoever isolates failures finds them without
                    vars(error)[SUSPECTS] = _raising(pack)
            raise
        whole = pack.step in settings.curve_at
        if whole or (curve_every and pack.step % curve_every == 0):
            found = measured(pack, None if whole else curve_every)
            curves |= {m.name: (*curves[m.name], p) for m, p in zip(pack.members, found, strict=True)}
        if stop and pack.step % stop.every == 0:
            _note_progress(pack)


def _raising(pack: Pack) -> frozenset[str]:
    """The names of those members of a pack whose step raises who raise in it by themselves."""
    k = len(pack.members)
    if k == 1:
        return frozenset({pack.members[0].name})
    found = frozenset[str]()
    for half in (range(k // 2), range(k // 2, k)):
        part = part_of(pack, [*half])
        try:
            Steps(part)()
        except Exception:
            found |= _raising(part)
    return found


def _note_progress(pack: Pack) -> None:
    """Remember how all members do on the validation split."""
    split = pack.task.splits()["validation"]
    metric = metric_values(pack.task.metric, *answers(settled(pack), split), split)
    best = pack.progress[BEST]
    better = metric > best if pack.task.direction == "maximize" else metric < best
    pack.progress = {
        BEST: torch.where(better, metric, best),
        WAITED: torch.where(better, 0, pack.progress[WAITED] + 1),
    }


def solo_step_seconds(
    member: Member,
    network: Network,
    task: Task,
    settings: TrainingSettings,
    run_seed: int = 0,
    device: torch.device | str = "cpu",
    steps: int = 20,
) -> float:
    """Return the median wall time of an optimizer step of this network trained alone, in seconds."""
    step = Steps(start_pack([member], network, task, settings, run_seed, torch.device(device)))
    seconds = []
    for _ in range(steps + WARM_UP + 1):  # the first ones warm up
        started = time.perf_counter()
        step()
        if torch.device(device).type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds[WARM_UP + 1 :]))
