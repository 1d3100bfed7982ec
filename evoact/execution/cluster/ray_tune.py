"""Packs on a Ray cluster: each Ray Tune trial leases a worker, which trains packs until it is told to end.

Tune schedules: it knows a worker's resources (fractional GPUs too), places it, and starts it again
elsewhere when its process or node is lost. It knows no candidate and no pack: proposals and results
travel through one small actor beside the driver. Leases follow the cluster: as
many as there is room for, or as are asked for, those without room pending, which an autoscaler sees. Tune's experiment
state is written to a temporary directory and thrown away; the leaderboard is what lasts.

A trial for each pack would be simpler, but Tune lets the worker that is free first take over the
trial of one that is still starting, and ends the latter: if packs are shorter than the start of a
process, one worker then does all the work.
"""

import inspect
import logging
import os
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")  # a run has its own
os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", "3600")
os.environ.setdefault("TUNE_MAX_PENDING_TRIALS_PG", "64")  # what an autoscaler sees at once
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")

import ray
from ray import cloudpickle, tune
from ray.tune.search import Searcher
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from evoact.config import Plan
from evoact.execution.cluster.driver import Driver
from evoact.execution.cluster.head import Watch, watched
from evoact.execution.cluster.leased_worker import Worker
from evoact.execution.cluster.pack_exchange import Exchange
from evoact.execution.cluster.ray_cluster import (
    NAMESPACE,
    cluster,
    dashboard,
    gpus,
    placement_groups,
    remove_placement_groups,
    room,
)
from evoact.execution.local import PackSource
from evoact.execution.pack_size import most_useful
from evoact.installation import FOLDER, VERSION
from evoact.registry import remembered
from evoact.temporary import Temporary

# The driver works between two turns of Tune, each of which takes one event, or waits a tenth of a second for one: at
# most so long, less while workers are starting, and the shorter the more of them there are to hear of.
TURN_SECONDS, TURN_SECONDS_AT_STARTS = 1.0, 0.25
TURNS_OF_ALL_SECONDS = 20.0


# Tune pickles what it is given now and then, and what is behind these stays in this process.
class _Unpickled:
    def __getstate__(self) -> dict[str, Any]:
        return {}


class Leases(_Unpickled, Searcher):
    """Tune's searcher: it suggests workers, as many as there are to be."""

    def __init__(self, driver: Driver, **config: Any):
        super().__init__(metric="packs", mode="max")
        self.driver, self.config = driver, config
        self.leased: dict[str, bool] = {}  # whether with a GPU

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        if self.driver.done:
            return Searcher.FINISHED
        leased = Counter(self.leased.values())
        lacking = [gpu for gpu, most in self.driver.most.items() if leased[gpu] < most]
        if not lacking or leased.total() >= self.driver.wanted:
            return None
        self.leased[trial_id] = lacking[0]
        return {"lease": trial_id, "gpu": lacking[0], **self.config}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Nothing to do: packs come by the exchange."""

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        self.leased.pop(trial_id, None)

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
    """Has the driver work whenever Tune asks whether to end, in every turn of its loop; ends all workers when there is
    no more to do, those without a place to run on, too.
    """

    def __init__(self, driver: Driver, watch: Watch):
        self.driver, self.watch = driver, watch

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        self.watch.check()
        starting = len(self.driver.joined) < self.driver.wanted
        turn = TURN_SECONDS_AT_STARTS if starting else TURN_SECONDS
        self.driver.work(min(turn, TURNS_OF_ALL_SECONDS / self.driver.workers))
        return self.driver.done


def _pickled(objects: dict[str, Any]) -> bytes:
    """Return objects of the program's own as workers can read them, code that is installed nowhere with them."""
    if not objects:
        return b""
    for thing in objects.values():
        code = thing if inspect.isroutine(thing) or inspect.isclass(thing) else type(thing)
        module = inspect.getmodule(code)
        file = getattr(module, "__file__", None)
        if module is not None and file and not file.startswith((sys.prefix, sys.base_prefix, str(FOLDER))):
            cloudpickle.register_pickle_by_value(module)
    pickled: bytes = cloudpickle.dumps(objects)
    return pickled


def execute(
    source: PackSource,
    plan: Plan,
    address: str | None = None,
    home: str = "",
    say: Callable[[str], None] = lambda text: None,
    note: Callable[..., None] = lambda event, **fields: None,
    run: str = "",
) -> None:
    """Run packs on a Ray cluster until the source has finished; the counterpart of `local.execute`.

    Args:
        source: where packs come from and results go
        plan: what the run does; its `execution` section says what a pack asks for
        address: of a running cluster, `auto` for the one this machine belongs to; None starts one here
        home: the run directory, absolute, where workers leave checkpoints; those that another machine cannot see
            are trained again from the start
        say: called with what is waited for before the first pack is back
        note: called with lines of the log: an event and its fields
        run: its name among Ray's metrics

    Raises:
        UserError: if there is no cluster at the address, it can never place a pack, or a node cannot train.
        ClusterLost: if the cluster's head does not answer any more.
    """
    settings = plan.config.execution
    say(f"connecting to Ray at {address}" if address else "starting Ray")
    watch = Watch(f"at {address!r}" if address else "of this run")
    with watched(watch), cluster(address, (settings.workers or 1) * settings.cpus_per_pack):
        watch.begin()
        resources = {"cpu": settings.cpus_per_pack, "gpu": gpus(settings.gpus_per_pack)}
        fit = room(resources)
        workers, fit = (settings.workers or fit) + settings.cpu_workers, fit + settings.cpu_workers
        page = dashboard()
        note("cluster", room=fit, dashboard=page)
        waiting = f"waiting for the first of {workers} workers" if workers > 1 else "waiting for the worker"
        if workers > fit:
            waiting += f", {workers - fit} of which wait for room: this cluster has it for {fit}"
        say(f"{waiting}; dashboard at {page}" if page else waiting)
        name = f"exchange-{uuid.uuid4().hex[:12]}"
        driver = Driver(source, plan, partial(_exchange, name, plan, watch), resources, note, run)
        driver.fill()
        scratch, before = Temporary("tune"), placement_groups()
        try:
            if not driver.done:
                work = {
                    "version": VERSION,
                    "home": home,
                    "directory": os.getcwd(),
                }
                useful = most_useful(plan.first, workers) if plan.config.packs.size == "auto" else None
                leases = Leases(driver, exchange=name, work=work, useful=useful)
                _fit(driver, leases, resources, str(scratch.place), watch)
        except KeyboardInterrupt:  # Tune clears nothing up, and a program may keep Ray
            remove_placement_groups(placement_groups() - before)
            raise
        finally:
            ray.kill(driver.exchange)
            scratch.remove()
        if driver.error is not None:
            raise driver.error


def _exchange(name: str, plan: Plan, watch: Watch, sizes: Mapping[str, int]) -> Any:
    """Make an exchange beside this process, which workers find by its name."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    made = ray.remote(num_cpus=0)(Exchange).options(name=name, namespace=NAMESPACE, scheduling_strategy=here)
    objects = _pickled(remembered(plan.to_yaml()))
    while True:
        watch.wait()
        try:
            return made.remote(plan.plain(), objects, dict(sizes), plan.config.execution.idle_seconds)
        except ValueError as error:  # the one before has the name until Ray has noted its end
            if "already" not in str(error):
                raise
            time.sleep(0.1)


def _fit(driver: Driver, leases: Leases, resources: dict[str, float], scratch: str, watch: Watch) -> None:
    # A worker that is lost is a line of the run's log, not a traceback; what ends a run is raised.
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)

    def asked(config: dict[str, Any]) -> tune.PlacementGroupFactory:
        gpu = {"GPU": resources["gpu"]} if config["gpu"] else {}
        return tune.PlacementGroupFactory([{"CPU": resources["cpu"], **gpu}])

    tuner = tune.Tuner(
        tune.with_resources(Worker, asked),
        tune_config=tune.TuneConfig(
            search_alg=leases,
            metric="packs",
            mode="max",
            num_samples=-1,  # as long as there is work
        ),
        run_config=tune.RunConfig(
            name="workers",
            storage_path=scratch,
            verbose=0,
            callbacks=[Losses(driver)],
            stop=UntilDone(driver, watch),
            # Workers are started again as long as there is work; the driver counts the packs' failures.
            failure_config=tune.FailureConfig(max_failures=-1),
            # By default a class trial is checkpointed at its end, and one that cannot be is rerun.
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    )
    tuner.fit()
