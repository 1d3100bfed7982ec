"""Tasks that learn a dynamical system from its trajectories: the state's time derivative by the state."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from evoact.errors import UserError
from evoact.seeding import generator
from evoact.tasks.task import Split, constant, split_indices, squared_error

TOLERANCE = 1e-12  # relative and absolute, of each integration step


@dataclass(frozen=True)
class VectorFieldTask:
    """Regression of the time derivative of a state [d] on the state; metric mse.

    Stored states and derivatives are in the system's own units, and so are targets always. `moments` are
    the mean and standard deviation, [d] each, by which states are scaled before a network sees them; None
    leaves them alone. A Hamiltonian network must be left alone: its derivatives are taken with respect to
    what it is given.
    """

    input_shape: tuple[int, ...]
    n_outputs: int
    load: Callable[[], Mapping[str, Split]]
    moments: Callable[[], tuple[np.ndarray, np.ndarray]] | None
    metric: str = "mse"
    direction: str = "minimize"

    def splits(self) -> Mapping[str, Split]:
        return self.load()

    def prepare(self, inputs: Tensor, seeds: Sequence[int] | None) -> Tensor:
        if self.moments is None:
            return inputs
        mean, scale = (constant(tuple(map(float, m)), inputs.device, inputs.dtype) for m in self.moments())
        return (inputs - mean) / scale

    def losses(self, outputs: Tensor, targets: Tensor, members: Sequence[str]) -> Tensor:
        return squared_error(outputs, targets)


def vector_field_task(
    dimensions: int, load: Callable[[], Mapping[str, Split]], standardise: bool
) -> VectorFieldTask:
    """Return the task of these splits; with `standardise` states are scaled by the training split's moments."""
    load = functools.cache(load)

    @functools.cache
    def moments() -> tuple[np.ndarray, np.ndarray]:
        states = np.asarray(load()["train"].inputs, np.float64)
        return states.mean(axis=0), states.std(axis=0)

    return VectorFieldTask((dimensions,), dimensions, load, moments if standardise else None)


def integrate(field: Callable[[np.ndarray], np.ndarray], starts: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return trajectories of dx/dt = field(x) by an explicit Runge-Kutta method of order 8 (Dormand & Prince 1980;
    Hairer et al. 1993), all of them stepped together.

    Args:
        field: states [..., d] -> their time derivatives [..., d]
        starts: [n, d], at times[0]
        times: [T], increasing

    Returns:
        states [n, T, d], float64

    Raises:
        UserError: if a trajectory cannot be followed that far.

    >>> turn = integrate(lambda s: np.stack([s[..., 1], -s[..., 0]], axis=-1), np.eye(2), np.array([0, np.pi]))
    >>> turn[0, -1].round(9) + 0.0
    array([-1.,  0.])
    """
    from scipy.integrate import solve_ivp

    shape = starts.shape
    solution = solve_ivp(
        lambda _, flat: field(flat.reshape(shape)).ravel(),
        (times[0], times[-1]),
        starts.ravel(),
        method="DOP853",
        t_eval=times,
        rtol=TOLERANCE,
        atol=TOLERANCE,
    )
    if not solution.success:
        raise UserError(
            f"expected trajectories that can be followed to t = {times[-1]:g}: {solution.message}"
        )
    return solution.y.reshape(*shape, len(times)).swapaxes(1, 2)


def sample_times(span: float, per_unit: int) -> np.ndarray:
    """Return 0, 1 / per_unit, 2 / per_unit, ... below `span`."""
    return np.arange(round(span * per_unit)) / per_unit


def check_orbits(orbits: int, span: float, per_unit: int) -> None:
    """Check the arguments that simulated systems share."""
    if orbits < 5:
        raise UserError(f"expected task.orbits of at least 5, so that all splits have some, got {orbits}")
    if per_unit < 1 or not 0 < span * per_unit <= 1e6 or len(sample_times(span, per_unit)) < 2:
        raise UserError(
            "expected task.span and task.per_unit to make between 2 and 1,000,000 samples of each orbit, "
            f"got {span:g} and {per_unit}"
        )


def by_orbit(
    states: np.ndarray, field: Callable[[np.ndarray], np.ndarray], *keys: int | str
) -> dict[str, Split]:
    """Return whole orbits [n, T, d] into training, validation and test, 60 / 20 / 20 per cent: samples that follow
    each other are nearly equal and would leak."""
    parts = split_indices(len(states), (0.6, 0.2, 0.2), generator(*keys))
    chosen = {n: states[p] for n, p in zip(("train", "validation", "test"), parts, strict=True)}
    return {name: field_split(s.reshape(-1, s.shape[-1]), field) for name, s in chosen.items()}


def field_split(states: np.ndarray, field: Callable[[np.ndarray], np.ndarray]) -> Split:
    """Return states [n, d] and their time derivatives."""
    return Split(states.astype(np.float32), field(states).astype(np.float32))
