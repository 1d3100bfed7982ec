"""Trackers by name: what a run finds, shown by the tools that people watch experiments with.

`tracker` says what a tracker is; each name has a module, which imports its package when a run opens it. `follower` is
the thread that one works in, `numbers` what all are shown."""

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from evoact.registry import lookup

# By name: module, class, and the package that it needs, which is also the name of the extra of evoact with it; none
# for what evoact needs anyway.
TRACKERS: Mapping[str, tuple[str, str, str]] = {
    "mlflow": ("mlflow", "MLflow", "mlflow"),
    "wandb": ("wandb", "WandB", "wandb"),
    "trackio": ("trackio", "Trackio", "trackio"),
    "tensorboard": ("tensorboard", "TensorBoard", ""),
}
MADE_WITH = ("begun",)  # what no config sets
EVENTS = "events"  # of a run directory, for TensorBoard


def tracker_class(name: str) -> Any:
    """Return the named tracker's class; its package is not imported.

    Raises:
        UserError: for an unknown tracker, naming the nearest.
    """
    module, attribute, _ = lookup(TRACKERS, "tracker", name)
    return getattr(import_module(f"evoact.trackers.{module}"), attribute)


def missing(name: str) -> str:
    """Return the package that the named tracker needs and that is not installed; empty if there is none."""
    package = TRACKERS[name][2]
    return package if package and find_spec(package) is None else ""
