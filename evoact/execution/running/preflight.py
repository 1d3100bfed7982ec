"""What is checked and said before a run begins, so that a search that cannot go well writes nothing."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from evoact.config import Experiment, Plan
from evoact.config.meta_checks import check_meta_training
from evoact.errors import UserError
from evoact.execution.running.log import is_log
from evoact.leaderboard.location import Location
from evoact.leaderboard.run_files import CONFIG, RECORD, TRACKED, made_or_refused
from evoact.native.library import left_out, why_missing
from evoact.networks.own.module_network import ModuleNetwork
from evoact.tasks.own.in_memory import FOLDER
from evoact.tasks.own.splitting import FEWEST
from evoact.trackers import EVENTS
from evoact.training.gpu.devices import gpu_here, unlike_memories, without_gpu


def check_alike(plan: Plan) -> None:
    """Check that all arms of a comparison start alike, with equal budgets.

    Raises:
        UserError: if they do not.
    """
    plan.check_budgets()
    if plan.config.warm_start is not None:
        raise UserError(
            f"expected a comparison without warm_start, because all arms must start alike, got one from "
            f"{plan.config.warm_start.run}; leave it out"
        )
    if plan.config.islands is not None:
        raise UserError(
            "expected a comparison without islands, because each of its arms is a search of its own, got some; leave "
            "them out"
        )


def check_data(made: Experiment) -> None:
    """Check that there are enough examples for what is asked of them.

    Raises:
        UserError: if a split, or a batch, or the budget does not fit.
    """
    for name, split in made.task.splits().items():
        if len(split) < FEWEST:
            raise UserError(
                f"expected at least {FEWEST} examples in the {name} split, got {len(split)}; give it more"
            )
    examples, size = len(made.task.splits()["train"]), made.training.batch_size
    if size > examples:
        raise UserError(
            f"expected training.batch_size of at most {examples}, the training examples, got {size}"
        )
    if made.networks < 1:  # epochs are steps only now that the examples are counted
        raise UserError(
            f"expected budget.gradient_examples of at least {made.steps * size} for one network, "
            f"got {made.config.budget.gradient_examples}"
        )
    check_meta_training(made, counted=True, examples=examples)


def check_gpu(plan: Plan) -> None:
    """Check that there is a GPU here if packs are to train on one; on Ray the cluster says what it has.

    Raises:
        UserError: if there is none.
    """
    execution = plan.config.execution
    if execution.backend == "local" and execution.gpus_per_pack and not gpu_here():
        raise UserError(
            f"expected a GPU for execution.gpus_per_pack {execution.gpus_per_pack:g}, got {without_gpu()}; "
            "add --set execution.gpus_per_pack=0 or search on Ray, on a cluster with GPUs"
        )


def check_cluster(plan: Plan, address: str | None) -> None:
    """Check that an address is for Ray, and that somebody answers there.

    Raises:
        UserError: if not.
    """
    if plan.config.execution.backend == "ray_tune":
        from evoact.execution.cluster import ray_cluster

        ray_cluster.check_cluster(address)
    elif address is not None:
        raise UserError(
            f"expected execution.backend ray_tune with --address, got {plan.config.execution.backend}; "
            "add --set execution.backend=ray_tune or leave --address out"
        )


def notes(plan: Plan) -> Iterable[str]:
    """Yield what is to be known of the kernels, the networks and the GPUs here, a sentence each."""
    if (why := why_missing()) and not left_out():
        yield (
            f"expected compiled kernels here, got {why}; PyTorch computes the same, slower: install a C compiler "
            "such as gcc"
        )
    yield from _network_notes(plan)
    yield from _gpu_notes(plan)


def _network_notes(plan: Plan) -> Iterable[str]:
    """What is slow in people's own networks."""
    networks = [arm.network for arm in plan.arms.values() if isinstance(arm.network, ModuleNetwork)]
    return dict.fromkeys(note for network in networks for note in network.notes)


def _gpu_notes(plan: Plan) -> Iterable[str]:
    """What is to be known of the GPUs here, if packs train on them."""
    execution = plan.config.execution
    if execution.backend == "local" and execution.gpus_per_pack != 0 and (unlike := unlike_memories()):
        yield unlike


@contextmanager
def run_directory(home: Location) -> Iterator[None]:
    """Hold a run directory that can be written to; one that was not there goes again if nothing came of the run."""
    with made_or_refused(home):
        there = home.exists()
        home.filesystem.create_dir(home.path, recursive=True)
        if home.local is None:  # who may list a bucket may not be let write there
            probe = home.child(".probe")
            probe.write(b"")
            probe.delete()
    home.child(RECORD).check_writable()
    _check_empty(home)
    try:
        yield
    except UserError:
        if not there:
            home.delete_if_empty()
        raise


def _check_empty(home: Location) -> None:
    """Refuse a directory with foreign files; a search that ended before it wrote its config may be repeated."""
    if home.child(CONFIG).exists():  # a run: refused under the lock
        return
    own = (RECORD, TRACKED, FOLDER, EVENTS)
    foreign = [name for name in home.entries() if name not in own and not is_log(name)]
    if foreign:
        raise UserError(
            f"expected a new or empty run directory, got {home.text!r}, which holds {foreign[0]!r} and is not "
            "a run; choose another with -o"
        )
