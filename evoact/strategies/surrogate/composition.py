"""Genomes as points of a Euclidean space in which alike networks are near: what a surrogate needs.

A site is the mixture of its neuron types: the vector sum_t share_t v_t, where v_t says what type t's output
is like (`evoact.activations.similarity`) and, on axes of its own, which activation it is. So a surrogate
carries over to functions, hulls and sub-networks that it has not seen.
"""

import math
from functools import lru_cache

import numpy as np

from evoact.genomes.genome import Genome, loads
from evoact.genomes.kinds import Activation
from evoact.seeding import generator

# How much of a type's vector says what its output is like; the rest, which activation it is.
ALIKE = 0.5
# Random axes for the latter: vectors of different activations are orthogonal up to about 1 / sqrt(OWN_AXES).
OWN_AXES = 32


@lru_cache(maxsize=65536)
def type_vector(activation: Activation) -> np.ndarray:
    """Return the vector of a type, of norm 1 but for constants."""
    # Curves are PyTorch's; a search without a surrogate needs none of it.
    from evoact.activations.similarity import curve_vector

    own = _own_axes(activation.label)
    alike = np.array(curve_vector(activation))
    vector: np.ndarray = np.concatenate([np.sqrt(ALIKE) * alike, np.sqrt(1 - ALIKE) * own])
    return vector


@lru_cache(maxsize=65536)
def _own_axes(name: str) -> np.ndarray:
    """A direction of its own, of norm 1."""
    own: np.ndarray = generator("composition", name).normal(size=OWN_AXES)
    return own / np.linalg.norm(own)


@lru_cache(maxsize=4096)
def _type_vectors(types: tuple[Activation, ...]) -> np.ndarray:
    return np.array([type_vector(activation) for activation in types])


def composition(genome: Genome) -> tuple[np.ndarray, float]:
    """Return the vector of all sites and settings of a genome, and the logarithm of its learning rate.

    >>> from evoact.genomes.kinds import Base
    >>> from evoact.genomes.genome import Site, homogeneous
    >>> sin, tanh, gaussian = (
    ...     composition(homogeneous(Base(f), [Site("h", 4)], learning_rate=0.1)) for f in ("sin", "tanh", "gaussian")
    ... )
    >>> bool(np.linalg.norm(sin[0] - tanh[0]) < np.linalg.norm(sin[0] - gaussian[0])), sin[1]
    (True, -1.0)
    """
    vectors = []
    for site in genome.sites:
        shares = np.array(site.counts()) / len(site.assignment)
        vectors.append(shares @ _type_vectors(site.types))
    # Settings without a scale of their own: the same or another, as far apart as two functions with nothing in common.
    vectors += [_own_axes(f"{name}={value!r}") for name, value in genome.settings.items()]
    rate = dict(genome.hyperparameters).get("learning_rate", 1.0)
    return np.concatenate(vectors), math.log10(rate)


@lru_cache(maxsize=16384)
def composition_of(text: str) -> tuple[np.ndarray, float]:
    """Return the same from a genome's JSON text, as an archive keeps it."""
    return composition(loads(text))
