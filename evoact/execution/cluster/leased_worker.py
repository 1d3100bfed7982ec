"""A leased worker: a Tune trial that trains packs until it is told to end."""

import os
import threading
import time
from contextlib import suppress
from typing import Any

os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")

import ray
import torch
from ray import cloudpickle, tune

from evoact.config import read_plan
from evoact.errors import UserError, portable
from evoact.execution.cluster.pack_exchange import CHOOSE, MEASURE, RETIRE, Answer
from evoact.execution.cluster.ray_cluster import GPU_SHARE, NAMESPACE, enter, this_kind, this_node
from evoact.execution.pack_size import choose
from evoact.execution.worker import PackTrainer
from evoact.installation import VERSION
from evoact.leaderboard.location import Location
from evoact.registry import remember
from evoact.training.gpu.devices import GpuLost

IDLE_SECONDS = 2.0  # how long a worker without a pack waits for one at a time
# How long a worker trains before it tells Tune that it lives: what that costs Tune, and the worker that waits for it,
# is shared by many packs then.
STEP_SECONDS = 60.0
WAIT_SECONDS = 0.5  # between two questions whether another has measured
RENEWED_SECONDS = 60.0  # for another exchange to be there, after one died
LIFE_SECONDS = 10.0  # between two signs of life, also from the middle of a pack


class Worker(tune.Trainable):
    """A leased worker; the process keeps its task and network from pack to pack."""

    def setup(self, config: dict[str, Any]) -> None:
        """Load what any pack needs, and say so if that fails: the run then ends with that sentence."""
        self.called = config["exchange"]
        self.exchange = ray.get_actor(self.called, namespace=NAMESPACE)
        self.trainer: PackTrainer | None = None
        try:
            self.trainer = self._trainer(gpu=config["gpu"], **config["work"])
        except UserError as error:
            said: Exception = UserError(f"{this_node()} cannot train this: {error}")
            ray.get(self.exchange.refuse.remote(said))
        except GpuLost:  # this worker's alone: it does not start, and others go on
            raise
        except Exception as error:
            said = RuntimeError(f"{this_node()} cannot train this: {type(error).__name__}: {error}")
            ray.get(self.exchange.refuse.remote(said))
        here = ray.get_runtime_context()
        name = f"{this_node()}:{os.getpid()}"
        # Pickled, so that the exchange need not import this module, and PyTorch.
        handle = cloudpickle.dumps(here.current_actor)
        kind, size = self._size(config)
        self.worker = here.get_actor_id()
        node, gpu = here.get_node_id(), config["gpu"]
        self.known = (self.worker, config["lease"], handle, node, name, kind, size, gpu)
        ray.get(self.exchange.join.remote(*self.known))
        threading.Thread(target=self._live, name="signs of life", daemon=True).start()

    def _size(self, config: dict[str, Any]) -> tuple[str, int]:
        """The kind of worker that this is, and its pack size, measured here if no worker of the kind has done it;
        nothing if the size is given."""
        useful = config["useful"]
        if useful is None or self.trainer is None:
            return "", 0
        arm = self.trainer.plan.first
        execution = arm.config.execution
        share = (
            (execution.gpus_per_pack if execution.gpus_per_pack is not None else GPU_SHARE)
            if config["gpu"]
            else 0
        )
        kind = this_kind(execution.cpus_per_pack, share, self.trainer.device)
        while (size := ray.get(self.exchange.size.remote(kind.name, config["lease"]))) is None:
            time.sleep(WAIT_SECONDS)
        if size in (MEASURE, CHOOSE):
            made = arm.with_config(execution=execution.model_copy(update={"gpus_per_pack": share}))
            measured = choose(made, useful, kind.at_once, kind.megabytes, size == MEASURE)
            torch.set_num_threads(arm.config.packs.threads)
            size = ray.get(self.exchange.measured.remote(kind.name, measured))
        return kind.name, size

    def _trainer(self, version: str, gpu: bool, home: str, directory: str) -> PackTrainer:
        if version != VERSION:
            raise UserError(
                f"expected evoact {version} as beside the run, got {VERSION}; install the same on all nodes"
            )
        enter(directory)
        if objects := ray.get(self.exchange.objects.remote()):
            remember(cloudpickle.loads(objects))
        plan = read_plan(ray.get(self.exchange.experiment.remote()))
        plan.task.splits()
        for arm in plan.arms.values():
            assert arm.network.parameters  # an own network's code is executed here first
        return PackTrainer(plan, gpu, Location.of(home) if home else None)

    def step(self) -> dict[str, Any]:
        """Train packs for a while; `done` says that this worker is to end."""
        if self.trainer is None:
            time.sleep(IDLE_SECONDS)
            return {"packs": 0}
        end, packs = time.monotonic() + STEP_SECONDS, 0
        taken = self._call("take", self.worker, IDLE_SECONDS)
        while taken != RETIRE:
            if taken is None:
                if time.monotonic() > end:
                    return {"packs": packs}
                taken = self._call("take", self.worker, IDLE_SECONDS)
                continue
            name, proposals = taken
            packs += 1
            answer: Answer
            try:
                answer = self.trainer(name, proposals)
            except GpuLost:  # a fresh process may have one, or does without
                raise
            except Exception as error:  # of no member: raised again beside the run, as `local` would
                answer = portable(error)
            if time.monotonic() > end:
                self._call("deliver", self.worker, name, answer)
                return {"packs": packs}
            taken = self._call("swap", self.worker, name, answer, IDLE_SECONDS)
        return {"packs": packs, "done": True}

    def _call(self, method: str, *arguments: Any) -> Any:
        """Return what a method of the exchange answers; if it died, of the one that the driver puts in its place, which
        knows nobody yet."""
        end = time.monotonic() + RENEWED_SECONDS
        while True:
            try:
                return ray.get(getattr(self.exchange, method).remote(*arguments))
            except ray.exceptions.RayActorError:
                if time.monotonic() > end:
                    raise
            time.sleep(WAIT_SECONDS)
            with suppress(ValueError, ray.exceptions.RayActorError):  # nobody has that name yet
                self.exchange = ray.get_actor(self.called, namespace=NAMESPACE)
                ray.get(self.exchange.join.remote(*self.known))

    def _live(self) -> None:
        while True:
            time.sleep(LIFE_SECONDS)
            self.exchange.live.remote(self.worker)
