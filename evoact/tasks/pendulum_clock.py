"""A wall-hung pendulum clock, filmed (Choudhary et al. 2022), or simulated if the film's data is missing."""

import io
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from evoact.errors import UserError
from evoact.registry import lookup
from evoact.tasks.cache import cached
from evoact.tasks.files import DataFile, check, find, require
from evoact.tasks.task import Split
from evoact.tasks.trajectories import VectorFieldTask, field_split, integrate, vector_field_task

NAME = "pendulum_clock"
# Columns: time (s), angle (rad), its first and its second time derivative.
FILE = DataFile(
    ("extracted_angles.csv",),
    "https://raw.githubusercontent.com/anshu957/gHNN/4bcd03700ee03feccbbb50004a18073f37ee371c"
    "/SeptimusPendulum/data/extracted_angles.csv",
    "47fcaaf6fb6424a7f2b969963e2241cbbd09cf611056d7bdc90b8c702d401565",
    gzipped=False,
)
SOURCES = ("auto", "measured", "simulated")
TRAIN, TRAIN_AND_VALIDATION = 0.7, 0.8  # fractions of the time series

# The simulated clock: sampled as the film, swinging as fast and, settled, as far (0.094 rad). Friction, and
# where and how hard the escapement pushes, cannot be told from the noisy film: they are choices made here.
ROWS, INTERVAL = 2986, 0.0335  # samples; seconds
OMEGA_SQUARED = 9.466  # 1/s^2, the film's best linear oscillator
FRICTION = 0.02  # 1/s
PUSH, PUSH_WIDTH = 0.024, 0.02  # rad/s^2; rad
SLOW = 0.01  # rad/s, below which the push fades as the pendulum turns
START = (0.087, 0.0)


def energy(states: np.ndarray) -> np.ndarray:
    """Return theta'^2/2 + omega^2 (1 - cos theta), of a pendulum of moment of inertia 1: [..., 2] -> [...]. The clock
    conserves it nearly: in each swing the escapement gives what friction takes.

    >>> float(energy(np.zeros(2)))
    0.0
    """
    theta, velocity = states[..., 0], states[..., 1]
    return velocity**2 / 2 + OMEGA_SQUARED * (1 - np.cos(theta))


def field(states: np.ndarray) -> np.ndarray:
    """Return time derivatives of the simulated clock's states (theta, theta'): [..., 2] -> [..., 2].

    theta'' = -omega^2 sin theta - friction theta' + push. As in a Graham (dead-beat) escapement the push
    comes near the lowest point, in the direction of the swing.

    >>> field(np.array([0.0, 0.1]))[1] > -FRICTION * 0.1
    np.True_
    """
    theta, velocity = states[..., 0], states[..., 1]
    push = PUSH * np.exp(-((theta / PUSH_WIDTH) ** 2)) * np.tanh(velocity / SLOW)
    return np.stack([velocity, -OMEGA_SQUARED * np.sin(theta) - FRICTION * velocity + push], axis=-1)


def pendulum_clock(
    data: str | None = None,
    source: str = "auto",
    download: bool = False,
    verify: bool = True,
    standardise: bool = False,
) -> VectorFieldTask:
    """Return states (theta, theta') [2] in rad and rad/s, and their time derivatives [2]; metric mse.

    The first 70 per cent of the time series are for training, the next 10 for validation, the last 20
    for the test, as in the paper: samples that follow each other are nearly equal and would leak.
    With the filmed clock, predicting zero gives an mse of 0.2307 on the test, and the best linear
    oscillator one of 0.0033, which is the noise of the film.

    Args:
        data: the folder of `extracted_angles.csv`; by default `$EVOACT_DATA/pendulum_clock`, then the cache
        source: `measured`, `simulated`, or `auto`: measured if the file is found (or `data` or
            `download` asks for it), else simulated. Which it was is said on stderr when the data is
            read; name one if several machines share a run.
        download: fetch the file if it is missing (91 kB)
        verify: check the file against the published one; false for a film of your own
        standardise: whether networks are given states scaled to mean 0 and standard deviation 1; not for
            `hamiltonian`, whose derivatives would then be with respect to other coordinates

    >>> pendulum_clock().input_shape
    (2,)
    """
    lookup(dict.fromkeys(SOURCES), "task.source", source)
    if source == "simulated" and (data is not None or download):
        raise UserError("expected neither task.data nor task.download with task.source: simulated, got one")
    return vector_field_task(2, lambda: _splits(data, source, download, verify), standardise)


def is_present() -> bool:
    """Return whether the filmed clock's file lies where the task looks by default."""
    return find(FILE.names, NAME, None) is not None


def _splits(data: str | None, source: str, download: bool, verify: bool) -> Mapping[str, Split]:
    wanted = source == "measured" or data is not None or download
    if source == "simulated" or not (wanted or is_present()):
        print(f"{NAME}: the simulated clock", file=sys.stderr)
        times = np.arange(ROWS) * INTERVAL
        made = cached(NAME, lambda: {"states": integrate(field, np.array([START]), times)[0]})
        return {name: field_split(states, field) for name, states in by_time(made["states"]).items()}
    path = require(FILE, NAME, data, download)
    print(f"{NAME}: the filmed clock in {path}", file=sys.stderr)
    series = by_time(read_series(path, verify).astype(np.float32))
    return {name: Split(rows[:, 1:3], rows[:, 2:4]) for name, rows in series.items()}


def by_time(rows: np.ndarray) -> dict[str, np.ndarray]:
    """Return the three blocks of a time series."""
    first, second = int(TRAIN * len(rows)), int(TRAIN_AND_VALIDATION * len(rows))
    return {"train": rows[:first], "validation": rows[first:second], "test": rows[second:]}


def read_series(path: Path, verify: bool) -> np.ndarray:
    """Return the four columns of the file [n, 4].

    Raises:
        UserError: if they are not four columns of finite numbers at increasing times, or, with `verify`,
            not those published.
    """
    contents = path.read_bytes()
    problem, rows = "", np.zeros((0, 4))
    try:
        if contents.strip():  # NumPy only warns of an empty file
            rows = np.loadtxt(io.StringIO(contents.decode()), delimiter=",", ndmin=2)
    except ValueError as error:
        problem = f"expected rows of four numbers, got something else: {error}"
    if not problem and (rows.shape[1] != 4 or len(rows) < 10):
        problem = f"expected at least 10 rows of four numbers, got {rows.shape[0]} of {rows.shape[1]}"
    if not problem and not np.isfinite(rows).all():
        problem = "expected finite numbers, got NaN or infinity"
    if not problem and (np.diff(rows[:, 0]) <= 0).any():
        problem = "expected increasing times in the first column"
    check(str(path), contents, FILE.sha256, problem, verify)
    return rows
