"""Packs on a Ray cluster: each Ray Tune trial trains one pack, actors are reused from pack to pack.

Tune schedules: it knows a trial's resources (fractional GPUs too), places it, and runs it again
elsewhere when a node is lost. It knows no candidate: trials carry the name of their pack, and the
proposals and results travel through one small actor beside the driver. Its experiment state is
written to a temporary directory and thrown away; the leaderboard is what lasts.
"""

import logging
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", "3600")
os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

import ray
from ray import tune
from ray.tune.search import Searcher
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from evoact.config import Experiment, experiment
from evoact.errors import UserError
from evoact.execution.local import PackSource
from evoact.execution.packs import PackTrainer, failed
from evoact.records import Proposal, Result

NAMESPACE = "evoact"


@ray.remote(num_cpus=0)
class Exchange:
    """Where workers fetch packs and leave results; it lives on the driver's node."""

    def __init__(self, config: dict[str, Any]):
        self.config = config
        self.packs: dict[str, list[Proposal]] = {}
        self.results: dict[str, list[Result] | UserError] = {}

    def experiment(self) -> dict[str, Any]:
        return self.config

    def offer(self, pack: str, proposals: list[Proposal]) -> None:
        self.packs[pack] = proposals

    def take(self, pack: str) -> list[Proposal]:
        return self.packs[pack]

    def deliver(self, pack: str, results: list[Result] | UserError) -> None:
        self.results[pack] = results

    def collect(self, pack: str) -> list[Result] | UserError | None:
        self.packs.pop(pack, None)
        return self.results.pop(pack, None)


class PackTrial(tune.Trainable):
    """A Tune trial: one pack. The process keeps its task and network between packs."""

    trainers: dict[str, PackTrainer] = {}  # noqa: RUF012 - one per process, on purpose

    def setup(self, config: dict[str, Any]) -> None:
        self.reset_config(config)

    def reset_config(self, config: dict[str, Any]) -> bool:
        self.pack, self.exchange = config["pack"], config["exchange"]
        return True

    def step(self) -> dict[str, Any]:
        exchange = ray.get_actor(self.exchange, namespace=NAMESPACE)
        proposals = ray.get(exchange.take.remote(self.pack))
        try:
            if self.exchange not in self.trainers:
                self.trainers[self.exchange] = PackTrainer(experiment(ray.get(exchange.experiment.remote())))
            results: list[Result] | UserError = self.trainers[self.exchange](self.pack, proposals)
        except UserError as error:  # an exception would cost the actor, and start-up time with it
            results = error
        ray.get(exchange.deliver.remote(self.pack, results))
        return {"networks": len(proposals), "done": True}


class PackSearcher(Searcher):
    """Tune's view of the search: it suggests packs and takes their completion."""

    def __init__(self, source: PackSource, made: Experiment, exchange: Any, name: str):
        super().__init__(metric="networks", mode="max")
        self.source, self.experiment = source, made
        self.exchange, self.exchange_name = exchange, name
        self.running: dict[str, tuple[str, list[Proposal]]] = {}
        self.halves: list[tuple[str, list[Proposal]]] = []
        self.error: BaseException | None = None

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        if self.error is not None:
            return Searcher.FINISHED
        try:
            pack, proposals = self.halves.pop() if self.halves else self.source.next_pack()
        except Exception as error:  # Tune would swallow it
            self.error = error
            return Searcher.FINISHED
        if not proposals:
            done = self.source.finished and not self.running
            return Searcher.FINISHED if done else None
        self.running[trial_id] = (pack, proposals)
        ray.get(self.exchange.offer.remote(pack, proposals))
        return {"pack": pack, "exchange": self.exchange_name}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        pack, proposals = self.running.pop(trial_id)
        try:
            results = ray.get(self.exchange.collect.remote(pack))
            if isinstance(results, UserError):
                raise results
            if results is not None:
                self.source.finish_pack(results)
            elif len(proposals) > 1:  # it took its worker down, more than once: which member was it?
                half = len(proposals) // 2
                self.halves += [(f"{pack}a", proposals[:half]), (f"{pack}b", proposals[half:])]
            else:
                lost = "the worker process died, also when tried again"
                self.source.finish_pack(failed(pack, proposals, self.experiment, lost))
        except Exception as exception:
            self.error = exception

    def save(self, checkpoint_path: str) -> None:
        """Nothing to save: the leaderboard is the checkpoint."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore."""


@contextmanager
def cluster(address: str | None, cpus: float) -> Iterator[None]:
    """A connection to the cluster at `address`, or a local one with at least `cpus`; one that stands
    already is used as it is."""
    if ray.is_initialized():
        yield
        return
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "namespace": NAMESPACE}
    if address:
        try:
            ray.init(address=address, **quiet)
        except (ConnectionError, ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"expected a Ray cluster at --address {address!r}, got none: {reason}") from None
    else:
        ray.init(num_cpus=max(os.cpu_count() or 1, round(cpus)), include_dashboard=False, **quiet)
    try:
        yield
    finally:
        ray.shutdown()


def execute(source: PackSource, made: Experiment, address: str | None = None) -> None:
    """Run packs on a Ray cluster until the source has finished; the counterpart of `local.execute`.

    Args:
        source: where packs come from and results go
        made: the experiment; its `execution` section says what a pack asks for
        address: of a running cluster, `auto` for the one this machine belongs to; None starts one here

    Raises:
        UserError: if there is no cluster at the address, or it can never place a pack.
    """
    settings = made.config.execution
    with cluster(address, (settings.workers or 1) * settings.cpus_per_pack):
        resources = {"cpu": settings.cpus_per_pack, "gpu": settings.gpus_per_pack}
        _check_room(resources)
        name = f"exchange-{uuid.uuid4().hex[:12]}"
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        exchange = Exchange.options(name=name, namespace=NAMESPACE, scheduling_strategy=here).remote(
            made.config.model_dump(mode="json", exclude_none=True)
        )
        searcher = PackSearcher(source, made, exchange, name)
        scratch = tempfile.mkdtemp(prefix="evoact-tune-")
        try:
            _fit(searcher, resources, settings.workers, settings.max_failures, scratch)
        finally:
            ray.kill(exchange)
            shutil.rmtree(scratch, ignore_errors=True)
        if searcher.error is not None:
            raise searcher.error


def _check_room(resources: dict[str, float]) -> None:
    total = ray.cluster_resources()
    for key, amount in (("CPU", resources["cpu"]), ("GPU", resources["gpu"])):
        if amount > total.get(key, 0):
            raise UserError(
                f"expected a cluster with at least {amount:g} {key} for a pack, got {total.get(key, 0):g}; "
                f"lower execution.{key.lower()}s_per_pack or start more nodes"
            )


def _fit(
    searcher: PackSearcher,
    resources: dict[str, float],
    workers: int | None,
    max_failures: int,
    scratch: str,
) -> None:
    logging.getLogger("ray.tune").setLevel(logging.ERROR)
    tuner = tune.Tuner(
        tune.with_resources(PackTrial, resources),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            metric="networks",
            mode="max",
            num_samples=-1,
            reuse_actors=True,
            max_concurrent_trials=workers,
        ),
        run_config=tune.RunConfig(
            name="packs",
            storage_path=scratch,
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=max_failures),
            # By default a class trial is checkpointed at its end, and one that cannot be is rerun.
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    )
    tuner.fit()


def worker_processes() -> Sequence[dict[str, Any]]:
    """The nodes of the connected cluster that are alive, for the run's record of its machines."""
    return [node for node in ray.nodes() if node["Alive"]]
