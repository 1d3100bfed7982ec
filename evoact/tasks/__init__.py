"""Tasks by name: a builder takes its own flat arguments from the config's `task` section.

`task` is the contract, `metrics` and `objective` say what networks are judged and trained by, `outline` is a task
without its data. Images: `images`, `augmentation`. Dynamical systems: `trajectories`. Files: published ones (`files`,
`idx`, `plain_pickle`), computed ones (`cache`). People's own data is in `own`."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from evoact.code_text import said
from evoact.errors import UserError, short
from evoact.plugins import Plugin, found, is_plugged
from evoact.registry import lookup
from evoact.tasks.arrays import arrays
from evoact.tasks.cache import is_cached
from evoact.tasks.cifar10 import cifar10
from evoact.tasks.cifar10 import is_present as has_cifar10
from evoact.tasks.digits import digits
from evoact.tasks.fashion_mnist import fashion_mnist
from evoact.tasks.fashion_mnist import is_present as has_fashion_mnist
from evoact.tasks.faulty import faulty
from evoact.tasks.henon_heiles import henon_heiles
from evoact.tasks.imagenet_folder import imagenet_folder
from evoact.tasks.imagenet_folder import is_present as has_imagenet_folder
from evoact.tasks.mnist1d import mnist1d
from evoact.tasks.pendulum_clock import is_present as has_pendulum_clock
from evoact.tasks.pendulum_clock import pendulum_clock
from evoact.tasks.table import table
from evoact.tasks.task import Task
from evoact.tasks.van_der_pol import van_der_pol

TASKS: Mapping[str, Callable[..., Task]] = {
    "arrays": arrays,
    "cifar10": cifar10,
    "digits": digits,
    "fashion_mnist": fashion_mnist,
    "faulty": faulty,
    "henon_heiles": henon_heiles,
    "imagenet_folder": imagenet_folder,
    "mnist1d": mnist1d,
    "pendulum_clock": pendulum_clock,
    "table": table,
    "van_der_pol": van_der_pol,
}

DOWNLOADABLE = "downloadable with download: true"

# Tasks of data that has to be named.
OWN = ("arrays", "table")

# Where a task's data is now, told without reading any: what is there is not yet checked.
ORIGINS: Mapping[str, Callable[[], str]] = {
    "arrays": lambda: "your own npz file",
    "cifar10": lambda: "present" if has_cifar10() else DOWNLOADABLE,
    "digits": lambda: "comes with scikit-learn",
    "fashion_mnist": lambda: "present" if has_fashion_mnist() else DOWNLOADABLE,
    "faulty": lambda: "a test aid, computed: candidates fail at given rates",
    "henon_heiles": lambda: "generated on first use",
    "imagenet_folder": lambda: "present" if has_imagenet_folder() else "your own folder",
    "mnist1d": lambda: "present" if is_cached("mnist1d_large") else "generated on first use",
    "pendulum_clock": lambda: "present" if has_pendulum_clock() else f"simulated; measured {DOWNLOADABLE}",
    "table": lambda: "your own table (CSV, Parquet, Feather, npz) or folder of images",
    "van_der_pol": lambda: "generated on first use",
}


def summary(name: str) -> dict[str, Any]:
    """Return a task's shapes, metric and where its data is; the data itself is not touched."""
    row = {"name": name, "input_shape": None, "outputs": None, "metric": None, "data": ORIGINS[name]()}
    if name in OWN:
        return row
    task = TASKS[name]()
    return row | {"input_shape": list(task.input_shape), "outputs": task.n_outputs, "metric": task.metric}


def task_builder(name: str, plugins: Mapping[str, Plugin]) -> Callable[..., Task]:
    """Return the builder of a name in the table, or of a plugin, `my_models:spirals`; nothing is executed.

    Raises:
        UserError: for a name that is neither, with the nearest.
    """
    return partial(_plugged_task, plugins, name) if is_plugged(name) else lookup(TASKS, "task", name)


def _plugged_task(plugins: Mapping[str, Plugin], name: str, **arguments: Any) -> Task:
    """Return the task that a plugin builds.

    Raises:
        UserError: if its code raises, or makes none.
    """
    build = found(plugins, "task", name)
    try:
        made: Task = build(**arguments)
    except UserError:
        raise
    except Exception as error:  # whatever anybody's code raises
        raise UserError(f"expected {name} to make a task, got {said(error)}") from None
    missing = [part for part in _PARTS if not hasattr(made, part)]
    if missing:
        raise UserError(
            f"expected {name} to return a task, such as evoact.tasks.task.ArrayTask, got {short(made)} without "
            f"{missing[0]}"
        )
    return made


_PARTS = ("metric", "direction", "input_shape", "n_outputs", "splits", "prepare", "losses")
