"""Packs on a Ray cluster: each Ray Tune trial leases a worker, which trains one pack an iteration.

Tune schedules: it knows a worker's resources (fractional GPUs too), places it, and starts it again
elsewhere when its process or node is lost. It knows no candidate and no pack: proposals and results
travel through one small actor beside the driver. Its experiment state is written to a temporary
directory and thrown away; the leaderboard is what lasts.

A trial for each pack would be simpler, but Tune lets the worker that is free first take over the
trial of one that is still starting, and ends the latter: if packs are shorter than the start of a
process, one worker then does all the work.
"""

import logging
import os
import re
import shutil
import tempfile
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", "3600")
os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")

import ray
from ray import tune
from ray.tune.search import Searcher
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from evoact.config import Plan, read_plan
from evoact.errors import UserError
from evoact.execution.cluster.pack_exchange import Answer, Exchange, portable
from evoact.execution.cluster.ray_cluster import NAMESPACE, cluster, enter, gpus, room, this_node
from evoact.execution.local import PackSource
from evoact.execution.worker import PackTrainer, failed
from evoact.installation import VERSION
from evoact.leaderboard.location import Location
from evoact.records import Proposal

IDLE_SECONDS = 2.0  # a worker without a pack tells Tune so often that it lives
FALSE_STARTS = 3  # per worker, in a row, before the search is given up
IMPORTS = re.compile("(ModuleNotFound|Import)Error")  # why a worker that cannot be made of its class died


class Worker(tune.Trainable):
    """A leased worker; the process keeps its task and network from pack to pack."""

    def setup(self, config: dict[str, Any]) -> None:
        """Load what any pack needs, and say so if that fails: the run then ends with that sentence."""
        self.worker = config["worker"]
        self.exchange = ray.get_actor(config["exchange"], namespace=NAMESPACE)
        self.trainer: PackTrainer | None = None
        try:
            self.trainer = self._trainer(**config["work"])
        except UserError as error:
            said: Exception = UserError(f"{this_node()} cannot train this: {error}")
            ray.get(self.exchange.refuse.remote(said))
        except Exception as error:
            said = RuntimeError(f"{this_node()} cannot train this: {type(error).__name__}: {error}")
            ray.get(self.exchange.refuse.remote(said))

    def _trainer(self, version: str, gpu: bool, home: str, directory: str) -> PackTrainer:
        if version != VERSION:
            raise UserError(
                f"expected evoact {version} as beside the run, got {VERSION}; install the same on all nodes"
            )
        enter(directory)
        plan = read_plan(ray.get(self.exchange.experiment.remote()))
        plan.task.splits()
        return PackTrainer(plan, gpu, Location.of(home) if home else None)

    def step(self) -> dict[str, Any]:
        """Train one pack, if there is one before long."""
        if self.trainer is None:
            return {"packs": 0}
        taken = ray.get(self.exchange.take.remote(self.worker, IDLE_SECONDS))
        if taken is None:
            return {"packs": 0}
        name, proposals = taken
        answer: Answer
        try:
            answer = self.trainer(name, proposals)
        except Exception as error:  # of no member: raised again beside the run, as `local` would
            answer = portable(error)
        ray.get(self.exchange.deliver.remote(self.worker, name, answer))
        return {"packs": 1}


class Driver:
    """Between a source of packs and the exchange; it decides what becomes of a lost worker's pack."""

    def __init__(self, source: PackSource, plan: Plan, exchange: Any, workers: int):
        self.source, self.plan, self.exchange = source, plan, exchange
        # One more than can be in training, so that no worker waits for the driver.
        self.most = workers + 1
        self.out: dict[str, Sequence[Proposal]] = {}
        self.losses: Counter[str] = Counter()
        self.false_starts = 0
        self.error: BaseException | None = None

    @property
    def done(self) -> bool:
        return self.error is not None or (not self.out and self.source.finished)

    def fill(self) -> None:
        """Offer packs until there are enough of them, or results must come first."""
        with self._kept():
            while len(self.out) < self.most:
                name, proposals = self.source.next_pack()
                if not proposals:
                    return
                self._offer(name, proposals)

    def collect(self) -> None:
        """Take what the workers delivered, then fill up."""
        with self._kept():
            for name, answer in ray.get(self.exchange.collect.remote()):
                if isinstance(answer, Exception):
                    raise answer
                self.false_starts = 0
                del self.out[name]
                self.source.finish_pack(answer)
        self.fill()

    def lose(self, worker: str, reason: str) -> None:
        """A worker's process died: its pack is tried again, then halved until one member is at fault."""
        with self._kept():
            name = ray.get(self.exchange.lose.remote(worker))
            if name is None:
                self.false_starts += 1
                if IMPORTS.match(reason):
                    raise UserError(
                        f"expected evoact {VERSION} on every node, got one that lacks it: {reason}; install the "
                        "same there"
                    )
                if self.false_starts > FALSE_STARTS * self.most:
                    raise RuntimeError(f"workers die before they take a pack: {reason}")
                return
            self.losses[name] += 1
            proposals = self.out[name]
            if self.losses[name] <= self.plan.config.execution.max_failures:
                self._offer(name, proposals)
                return
            del self.out[name]
            if len(proposals) > 1:
                half = len(proposals) // 2
                self._offer(f"{name}a", proposals[:half])
                self._offer(f"{name}b", proposals[half:])
            else:
                lost = f"its worker process died, in {self.losses[name]} of {self.losses[name]} attempts"
                self.source.finish_pack(failed(name, proposals, self.plan, lost))
        self.fill()

    def _offer(self, name: str, proposals: Sequence[Proposal]) -> None:
        self.out[name] = proposals
        self.exchange.offer.remote(name, proposals)

    @contextmanager
    def _kept(self) -> Iterator[None]:
        """Keeps an error for the end of the search: Tune would swallow it."""
        try:
            yield
        except Exception as error:
            self.error = self.error or error


# Tune pickles what it is given now and then, and what is behind these stays in this process.
class _Unpickled:
    def __getstate__(self) -> dict[str, Any]:
        return {}


class Leases(_Unpickled, Searcher):
    """Tune's searcher: it suggests each worker once and hears of its packs."""

    def __init__(self, driver: Driver, workers: int, **config: Any):
        super().__init__(metric="packs", mode="max")
        self.driver, self.left, self.config = driver, workers, config

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        if self.left == 0:
            return Searcher.FINISHED
        self.left -= 1
        return {"worker": trial_id, **self.config}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        self.driver.collect()

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        self.driver.collect()

    def save(self, checkpoint_path: str) -> None:
        """Nothing to save: the leaderboard is the checkpoint."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore."""


class Losses(_Unpickled, tune.Callback):
    """Tells the driver of workers that Tune starts again."""

    def __init__(self, driver: Driver):
        self.driver = driver

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        error = trial.get_error()
        self.driver.lose(trial.trial_id, str(error).strip().splitlines()[-1] if error else "no reason known")


class UntilDone(_Unpickled, tune.Stopper):
    """Ends all workers when there is no more to do, those without a place to run on, too."""

    def __init__(self, driver: Driver):
        self.driver = driver

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self.driver.done


def execute(
    source: PackSource,
    plan: Plan,
    address: str | None = None,
    home: str = "",
    say: Callable[[str], None] = lambda text: None,
) -> None:
    """Run packs on a Ray cluster until the source has finished; the counterpart of `local.execute`.

    Args:
        source: where packs come from and results go
        plan: what the run does; its `execution` section says what a pack asks for
        address: of a running cluster, `auto` for the one this machine belongs to; None starts one here
        home: the run directory, absolute, where workers leave checkpoints; those that another machine cannot see
            are trained again from the start
        say: called with what is waited for before the first pack is back

    Raises:
        UserError: if there is no cluster at the address, it can never place a pack, or a node cannot train.
    """
    settings = plan.config.execution
    say(f"connecting to Ray at {address}" if address else "starting Ray")
    with cluster(address, (settings.workers or 1) * settings.cpus_per_pack):
        resources = {"cpu": settings.cpus_per_pack, "gpu": gpus(settings.gpus_per_pack)}
        fit = room(resources)
        workers = settings.workers or fit
        say(f"waiting for the first of {workers} workers" if workers > 1 else "waiting for the worker")
        name = f"exchange-{uuid.uuid4().hex[:12]}"
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        exchange = (
            ray.remote(num_cpus=0)(Exchange)
            .options(name=name, namespace=NAMESPACE, scheduling_strategy=here)
            .remote(plan.plain())
        )
        driver = Driver(source, plan, exchange, workers)
        driver.fill()
        scratch = tempfile.mkdtemp(prefix="evoact-tune-")
        try:
            if not driver.done:
                work = {
                    "version": VERSION,
                    "gpu": resources["gpu"] > 0,
                    "home": home,
                    "directory": os.getcwd(),
                }
                leases = Leases(driver, workers, exchange=name, work=work)
                _fit(driver, leases, resources, workers, scratch)
        finally:
            ray.kill(exchange)
            shutil.rmtree(scratch, ignore_errors=True)
        if driver.error is not None:
            raise driver.error


def _fit(driver: Driver, leases: Leases, resources: dict[str, float], workers: int, scratch: str) -> None:
    logging.getLogger("ray.tune").setLevel(logging.ERROR)
    tuner = tune.Tuner(
        tune.with_resources(Worker, resources),
        tune_config=tune.TuneConfig(
            search_alg=leases,
            metric="packs",
            mode="max",
            num_samples=workers,
            max_concurrent_trials=workers,
        ),
        run_config=tune.RunConfig(
            name="workers",
            storage_path=scratch,
            verbose=0,
            callbacks=[Losses(driver)],
            stop=UntilDone(driver),
            # Workers are started again as long as there is work; the driver counts the packs' failures.
            failure_config=tune.FailureConfig(max_failures=-1),
            # By default a class trial is checkpointed at its end, and one that cannot be is rerun.
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    )
    tuner.fit()
