"""One pack from proposals to results, as it runs on a worker; the same code everywhere."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from evoact.activations.strongest import discretised
from evoact.analysis.trained import Trained, participation
from evoact.config import Experiment, Plan
from evoact.execution import checkpoints
from evoact.execution.meta_trainings import meta_trained
from evoact.leaderboard.location import Location
from evoact.leaderboard.store.tensors import packed
from evoact.networks.precision import check_precision
from evoact.networks.size import activation_count
from evoact.records import (
    COMPLETED,
    FRESH,
    MetaTrainProposal,
    Proposal,
    Result,
    TrainProposal,
    TrainResult,
    checkpoint_name,
    of_part,
    result_of,
)
from evoact.training.evaluation import Outcome
from evoact.training.gpu.devices import GpuLost, check_answers, device_for, device_name
from evoact.training.isolation import train_isolated
from evoact.training.loop import solo_step_seconds, train_pack
from evoact.training.members import Member
from evoact.training.memory import keep_freed_memory
from evoact.training.pack import coefficients_of, start_pack

LOST = "trained again from the start: its checkpoint was not there"


class PackTrainer:
    """Trains packs of one experiment, or of a comparison's arms, in this process; holds task and network."""

    def __init__(self, plan: Plan, gpu: bool, home: Location | None = None):
        """`gpu` says whether a GPU may be used if there is one; checkpoints lie in `home`, a run directory.

        Raises:
            UserError: if the device here is too old or lacks a precision of the plan.
        """
        torch.set_num_threads(plan.config.packs.threads)
        keep_freed_memory()
        self.plan, self.home = plan, home
        self.device = device_for(gpu)
        for arm in plan.arms.values():
            check_precision(arm.training.precision, self.device)
        if plan.config.packs.timeout_seconds is not None:
            self._warm_up()

    def __call__(self, pack: str, proposals: Sequence[Proposal]) -> list[Result]:
        """Results in the order of the proposals, all of one phase, arm and repeat.

        Raises:
            GpuLost: if the GPU does not answer any more.
        """
        try:
            return self._results(pack, proposals)
        except GpuLost:
            raise
        except Exception as exception:  # of what is measured beside training
            check_answers(exception)
            raise

    def _results(self, pack: str, proposals: Sequence[Proposal]) -> list[Result]:
        e = self.plan.part(proposals[0].arm, proposals[0].repeat)
        started, begun = time.time(), time.monotonic()
        seconds = e.config.packs.timeout_seconds
        trainings = [p for p in proposals if isinstance(p, TrainProposal)]
        results: list[Result] = [*self._trained(e, trainings, seconds)] if trainings else []
        for p in proposals:
            if isinstance(p, MetaTrainProposal):  # a pack of its own
                alone = time.monotonic()
                meta = meta_trained(p, e, self.device, seconds)
                results.append(replace(meta, train_seconds=time.monotonic() - alone))
        finished = started + time.monotonic() - begun  # also if the clock is set meanwhile
        return [
            replace(
                result,
                pack=pack,
                pack_size=len(proposals),
                device=device_name(self.device),
                started_at=started,
                finished_at=finished,
            )
            for result in results
        ]

    def _trained(
        self, e: Experiment, proposals: Sequence[TrainProposal], seconds: float | None
    ) -> Iterator[TrainResult]:
        """Train networks together, isolate what fails, and measure what their rows say."""
        fresh = proposals[0].phase in FRESH
        # In a search test splits are read for confirmed candidates alone.
        testing = fresh or e.config.test_splits == "all"
        train = partial(
            train_pack,
            network=e.network,
            task=e.task,
            settings=e.training,
            run_seed=e.seed,
            device=self.device,
            evaluate=("validation", "test", "test_large") if testing else ("validation",),
            keep="all" if fresh else "activations",
        )
        members = [self._member(p) for p in proposals]
        outcomes = train_isolated(members, train, seconds)
        step_seconds: dict[str, float] = {}  # by genome: replicates take the same time
        for proposal, member, outcome in zip(proposals, members, outcomes, strict=True):
            if self.home is not None and outcome.checkpoint:
                checkpoints.store(self.home, _checkpoint(proposal, proposal.steps), outcome.checkpoint)
            result = _result(e, proposal, member, outcome)
            if outcome.state == COMPLETED:
                if fresh:
                    (ratio,) = participation(Trained(member.genome, [outcome.learned], e.network), e.task)
                    result = replace(result, participation_ratio=ratio)
                if fresh or e.timed:
                    name = proposal.fingerprint
                    if name not in step_seconds:
                        step_seconds[name] = solo_step_seconds(
                            member, e.network, e.task, e.training, e.seed, self.device
                        )
                    result = replace(result, step_seconds_solo=step_seconds[name])
            yield result

    def _member(self, p: TrainProposal) -> Member:
        """A promoted network goes on from its checkpoint; one whose checkpoint is lost starts again."""
        member = Member(p.genome, f"{p.fingerprint}-{p.seed}", p.seed, p.steps, resumable=p.resumable)
        if not p.start or self.home is None:
            return member
        found = checkpoints.stored(self.home, _checkpoint(p, p.start))
        return member if found is None else replace(member, start=p.start, checkpoint=found)

    def _warm_up(self) -> None:
        """Let PyTorch import and set up what it needs on first use: a time limit must not strike in the middle of it.

        The task's loss is left out, because it may fail or hang; so will the candidates then.
        """
        first = next(iter(self.plan.parts()))
        e = self.plan.part(*first)
        activation_count(e.network, e.task.input_shape)  # its tensors without numbers import sympy
        member = Member(next(e.space.ordinary()), "warm-up", 0, 1)
        pack = start_pack([member], e.network, e.task, e.training, e.seed, self.device)
        inputs, _ = pack.batches([0], 0)
        with suppress(RuntimeError):
            gradients = torch.autograd.grad(pack.outputs(inputs).sum(), pack.trained)
            with torch.no_grad():
                pack.optimizer.update(gradients, coefficients_of(pack, 0))


def _result(e: Experiment, proposal: TrainProposal, member: Member, outcome: Outcome) -> TrainResult:
    """The result of a proposal by its outcome, without the fields of the pack and those measured afterwards."""
    completed = outcome.state == COMPLETED
    return TrainResult(
        proposal,
        outcome.state,
        e.task.metric,
        e.task.direction,
        val_metric=outcome.metrics.get("validation"),
        test_metric=outcome.metrics.get("test"),
        test_large_metric=outcome.metrics.get("test_large"),
        train_loss=outcome.train_loss,
        n_parameters=outcome.n_parameters,
        steps_run=outcome.steps_run,
        gradient_examples=outcome.steps_run * e.training.batch_size,
        train_seconds=outcome.seconds,
        precision=e.training.precision,
        error=outcome.error or (LOST if proposal.start > member.start else ""),
        discretised=discretised(proposal.genome, outcome.learned) if completed else "",
        learned=artifacts(outcome.learned),
        curve=outcome.curve,
    )


def _checkpoint(p: TrainProposal, step: int) -> str:
    return of_part(checkpoint_name(p, step), p.arm, p.repeat)


def failed(
    pack: str, proposals: Sequence[Proposal], plan: Plan, error: str, state: str = "failed"
) -> list[Result]:
    """Return results for proposals whose worker was lost."""
    task = plan.task
    return [
        result_of(p, state, task.metric, task.direction, pack=pack, pack_size=len(proposals), error=error)
        for p in proposals
    ]


def artifacts(learned: Mapping[str, np.ndarray]) -> dict[str, bytes]:
    """Return the learned tensors as one safetensors file, if there are any."""
    if not learned:
        return {}
    return {"learned.safetensors": packed(learned)}
