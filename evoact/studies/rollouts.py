"""Learned dynamics followed by Euler steps, as Choudhary et al. 2022 extrapolate with their networks.

    evoact study rollouts RUN_DIR [--steps 1000] [--dt 0.01] [--starts 10]

prints, for each activation that a run on van_der_pol, henon_heiles or pendulum_clock confirmed: the error of its
time derivatives on the test split, how far roll-outs from states of that split come from the true orbits, and how
far they leave the energy that the system conserves (van_der_pol has none). The last line follows the true
derivatives by the same steps, for Euler's method gains energy of its own.

All figures are medians over networks of the mean over starts. A roll-out that leaves every bound is lost: it counts
as infinitely far.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from evoact.config import Experiment
from evoact.errors import UserError
from evoact.studies.confirmed_networks import confirmed_networks
from evoact.tasks.henon_heiles import energy as henon_heiles_energy
from evoact.tasks.henon_heiles import field as henon_heiles_field
from evoact.tasks.pendulum_clock import energy as pendulum_energy
from evoact.tasks.pendulum_clock import field as pendulum_field
from evoact.tasks.trajectories import integrate
from evoact.tasks.van_der_pol import MU
from evoact.tasks.van_der_pol import field as van_der_pol_field

Field = Callable[[np.ndarray], np.ndarray]
STATES_TOGETHER = 1000  # of the test split, which may hold a hundred thousand
FARTHEST = 1e3  # in units of a state: beyond, a roll-out is lost


@dataclass(frozen=True)
class System:
    """The true time derivatives of states [..., d], and the energy [...] or None if none is conserved."""

    field: Field
    energy: Field | None


def system_of(made: Experiment) -> System:
    """Return the system of an experiment's task.

    Raises:
        UserError: for a task that is none, or whose networks are given scaled states.
    """
    named = made.config.task
    if named.arguments.get("standardise"):
        raise UserError("expected a task whose states are not standardised, got task.standardise: true")
    if named.name == "van_der_pol":
        mu = float(named.arguments.get("mu", MU))
        return System(lambda states: van_der_pol_field(states, mu), None)
    systems = {
        "henon_heiles": System(henon_heiles_field, henon_heiles_energy),
        "pendulum_clock": System(pendulum_field, pendulum_energy),
    }
    if named.name not in systems:
        raise UserError(f"expected a run on van_der_pol, henon_heiles or pendulum_clock, got {named.name}")
    return systems[named.name]


def euler(field: Field, starts: np.ndarray, dt: float, steps: int) -> np.ndarray:
    """Return states [steps + 1, *starts.shape] by x <- x + dt field(x); NaN after one that leaves all bounds.

    >>> euler(lambda x: -x, np.ones((1, 1)), 0.5, 2).ravel().tolist()
    [1.0, 0.5, 0.25]
    """
    # All of it at once: small arrays between a network's large ones would keep the heap from shrinking.
    path = np.empty((steps + 1, *starts.shape))
    path[0] = starts
    for i in range(steps):
        after = path[i] + dt * field(path[i])
        lost = ~(np.abs(after).max(axis=-1, keepdims=True) < FARTHEST)
        path[i + 1] = np.where(lost, np.nan, after)
    return path


@dataclass(frozen=True)
class Rollout:
    """Means over starts for each of K networks: the error of derivatives, the root mean squared distance from the
    true orbits, and the mean of |E(t) - E(0)| / |E(0)| (None without energy). What was lost is infinite."""

    label: str
    derivative_error: np.ndarray
    distance: np.ndarray
    energy_error: np.ndarray | None


def roll_out(
    label: str, field: Field, system: System, states: np.ndarray, starts: np.ndarray, dt: float, steps: int
) -> Rollout:
    """Follow networks' derivatives beside the true ones.

    Args:
        field: of K networks, states [K, n, d] -> [K, n, d]
        states: [1, n, d] of the test split
        starts: [K, s, d]
    """
    path = euler(field, starts, dt, steps)
    times = dt * np.arange(steps + 1)
    true = integrate(system.field, starts[0], times).swapaxes(0, 1)[:, None]
    with np.errstate(invalid="ignore"):
        distance = np.sqrt(np.square(path - true).mean(axis=(0, 3)))
        energy_error = None
        if system.energy is not None:
            e = system.energy(path)
            energy_error = _means(np.abs(e - e[0]).mean(axis=0) / np.abs(e[0]))
        parts = np.array_split(states, -(-states.shape[1] // STATES_TOGETHER), axis=1)
        errors = [np.square(field(part) - system.field(part)).mean(axis=2) for part in parts]
    return Rollout(label, np.concatenate(errors, axis=1).mean(axis=1), _means(distance), energy_error)


def _means(values: np.ndarray) -> np.ndarray:
    """Over starts, what was lost being infinite: [K, s] -> [K]."""
    return np.where(np.isnan(values), np.inf, values).mean(axis=1)


def rollouts(run_dir: str, steps: int, dt: float, starts: int) -> list[Rollout]:
    """Return the roll-outs of all confirmed structures of a run, and of the true derivatives as `true derivatives`."""
    made, networks = confirmed_networks(run_dir)
    system = system_of(made)
    states = np.asarray(made.task.splits()["test"].inputs, np.float64)[None]
    chosen = states[:, np.linspace(0, states.shape[1] - 1, starts).astype(int)]
    found = []
    for label, trained in networks.items():

        def learned(x: np.ndarray, trained=trained) -> np.ndarray:  # type: ignore[no-untyped-def]
            return trained.outputs(torch.as_tensor(np.nan_to_num(x))).numpy()

        begin = np.repeat(chosen, len(trained), axis=0)
        found.append(roll_out(label, learned, system, states, begin, dt, steps))
    found.append(roll_out("true derivatives", system.field, system, states, chosen, dt, steps))
    return found


def markdown(found: Sequence[Rollout], dt: float, steps: int) -> str:
    """Return a table of medians over networks, the best distance first."""
    lines = [
        f"| derivatives of | error | distance over t = {dt * steps:g} | relative energy error | networks |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for r in sorted(found, key=lambda r: float(np.median(r.distance))):
        energy = "" if r.energy_error is None else f"{np.median(r.energy_error):.3g}"
        lines.append(
            f"| {r.label} | {np.median(r.derivative_error):.3g} | {np.median(r.distance):.3g} | {energy} "
            f"| {len(r.distance)} |"
        )
    return "\n".join(lines)
