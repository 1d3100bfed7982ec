"""Stars in a galaxy's potential (Henon & Heiles 1964; Choudhary et al. 2022, eqs. 3 and 4).

H = (p1^2 + p2^2)/2 + (q1^2 + q2^2)/2 + q1^2 q2 - q2^3/3. Orbits below the energy 1/6 are bounded; the
higher their energy, the more of them are chaotic.
"""

import numpy as np

from evoact.seeding import generator
from evoact.tasks.cache import cached
from evoact.tasks.trajectories import (
    VectorFieldTask,
    by_orbit,
    check_orbits,
    integrate,
    sample_times,
    vector_field_task,
)

LOWEST, HIGHEST = 0.02, 0.15  # energies
Q_REACH, P1_REACH = 0.3, 0.2  # of the initial states


def energy(states: np.ndarray) -> np.ndarray:
    """Return H of states (q1, q2, p1, p2) [..., 4] -> [...]; conserved along every orbit.

    >>> float(energy(np.array([0.0, 1.0, 0.0, 0.0])))  # the saddle
    0.16666666666666669
    """
    q1, q2, p1, p2 = np.moveaxis(states, -1, 0)
    return (q1 * q1 + q2 * q2 + p1 * p1 + p2 * p2) / 2 + q1 * q1 * q2 - q2**3 / 3


def field(states: np.ndarray) -> np.ndarray:
    """Return (dH/dp, -dH/dq), the time derivatives of states (q1, q2, p1, p2): [..., 4] -> [..., 4]."""
    q1, q2, p1, p2 = np.moveaxis(states, -1, 0)
    return np.stack([p1, p2, -q1 - 2 * q1 * q2, -q2 - q1 * q1 + q2 * q2], axis=-1)


def initial_states(orbits: int, seed: int) -> np.ndarray:
    """Return one state for each of these many energies, evenly spaced from 0.02 to 0.15: [orbits, 4].

    q1 and q2 are uniform in +-0.3, p1 in +-0.2, and p2 >= 0 has what is left of the energy; if nothing
    is, all three are drawn again.
    """
    rng = generator("henon_heiles", "initial", seed)
    states = np.zeros((orbits, 4))
    for i, e in enumerate(np.linspace(LOWEST, HIGHEST, orbits)):
        left = -1.0
        while left < 0:
            states[i, :3] = rng.uniform(-1, 1, 3) * (Q_REACH, Q_REACH, P1_REACH)
            left = e - float(energy(states[i]))
        states[i, 3] = np.sqrt(2 * left)
    return states


def orbits_of(starts: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the orbits through these states [n, 4] at these times [T]: [n, T, 4]. Energy drifts by less than 1e-8
    in 1,000 units of time.

    >>> path = orbits_of(np.array([[0.1, 0.2, 0.1, 0.3]]), np.linspace(0, 10, 11))
    >>> float(np.ptp(energy(path))) < 1e-8
    True
    """
    return integrate(field, starts, times)


def henon_heiles(
    orbits: int = 50, span: float = 1000.0, per_unit: int = 10, seed: int = 0, standardise: bool = False
) -> VectorFieldTask:
    """Return states (q1, q2, p1, p2) [4] and their time derivatives [4]; metric mse.

    The same pairs serve both forms of Choudhary et al.: masses are 1, so velocities are momenta. A network
    that maps states to derivatives (`mlp`) is the conventional form, minimising their eq. 5; the network
    `hamiltonian`, which derives them from its scalar output, is the Hamiltonian form and minimises eq. 6.

    Orbits, not samples, are split 60 / 20 / 20 per cent. They are made on first use, with the defaults in
    a few seconds, and kept in the cache. Chaotic ones multiply rounding errors: on another kind of
    processor they are, after some hundred units of time, other orbits of the same energies.

    Args:
        orbits: how many, of evenly spaced energies from 0.02 to 0.15
        span: how long each is followed, in units of time; a small oscillation takes 2 pi
        per_unit: samples in a unit of time
        seed: of the initial states and of the split
        standardise: whether networks are given states scaled to mean 0 and standard deviation 1; not for
            `hamiltonian`, whose derivatives would then be with respect to other coordinates

    >>> henon_heiles().n_outputs
    4
    """
    check_orbits(orbits, span, per_unit)

    def states() -> np.ndarray:
        name = f"henon_heiles-{orbits}-{span:g}-{per_unit}-{seed}"
        make = lambda: {"states": orbits_of(initial_states(orbits, seed), sample_times(span, per_unit))}  # noqa: E731
        return cached(name, make)["states"]

    return vector_field_task(4, lambda: by_orbit(states(), field, "henon_heiles", "split", seed), standardise)
