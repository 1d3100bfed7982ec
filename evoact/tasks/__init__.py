"""Tasks by name: a builder takes its own flat arguments from the config's `task` section."""

from collections.abc import Callable, Mapping
from typing import Any

from evoact.tasks.arrays import arrays
from evoact.tasks.cache import is_cached
from evoact.tasks.digits import digits
from evoact.tasks.faulty import faulty
from evoact.tasks.mnist1d import mnist1d
from evoact.tasks.task import Task

TASKS: Mapping[str, Callable[..., Task]] = {
    "arrays": arrays,
    "digits": digits,
    "faulty": faulty,
    "mnist1d": mnist1d,
}

# What is present: data that comes with a package, data made on first use, or a user's own file.
ORIGINS: Mapping[str, str] = {
    "arrays": "your own npz file",
    "digits": "comes with scikit-learn",
    "faulty": "computed",
    "mnist1d": "generated on first use",
}


def summary(name: str) -> dict[str, Any]:
    """A task's shapes, metric and origin; the data itself is not touched."""
    row = {"name": name, "input_shape": None, "outputs": None, "metric": None, "data": ORIGINS[name]}
    if name == "arrays":
        return row
    task = TASKS[name]()
    if name == "mnist1d" and is_cached("mnist1d_large"):
        row["data"] = "present"
    return row | {"input_shape": list(task.input_shape), "outputs": task.n_outputs, "metric": task.metric}
