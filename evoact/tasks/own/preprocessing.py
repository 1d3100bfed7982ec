"""The preprocessing of people's own data, in a form that users of a network can repeat."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Standardisation:
    """Values become (value - mean) / scale; both are float64 and broadcast to one example."""

    mean: np.ndarray
    scale: np.ndarray

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Return [n, ...] -> float32 [n, ...], computed in double precision."""
        return ((values - self.mean) / self.scale).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Preprocessing:
    """`features` and `targets` are None if they are left as they are; `classes` are the labels, in the order of a
    network's outputs, none in regression."""

    features: Standardisation | None
    targets: Standardisation | None
    classes: tuple[Any, ...]

    def plain(self) -> dict[str, Any]:
        """Return the form that a run's record holds."""
        both = {"features": self.features, "targets": self.targets}
        scaling = {
            name: {"mean": s.mean.tolist(), "scale": s.scale.tolist()}
            for name, s in both.items()
            if s is not None
        }
        return {**scaling, **({"classes": list(self.classes)} if self.classes else {})}


def moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation, float64, of [n, ...]: for each feature of a table [n, d] (and each target),
    for each channel of images [n, channels, height, width], one pair for all of [n, height, width].

    Pixels one by one would not do: one that is black in all but a few images would outweigh all others in these.

    >>> moments(np.array([[0.0, 5.0], [2.0, 5.0]]))
    (array([1., 5.]), array([1., 0.]))
    """
    kept = () if values.ndim == 3 else (1,)
    over = tuple(axis for axis in range(values.ndim) if axis not in kept)
    mean = values.mean(axis=over, dtype=np.float64, keepdims=True)[0]
    deviation = values.std(axis=over, dtype=np.float64, keepdims=True)[0]
    # Of a constant, rounding makes another mean and a deviation that is not 0, by which nothing must be divided.
    lowest = values.min(axis=over, keepdims=True)[0]
    constant = values.max(axis=over, keepdims=True)[0] == lowest
    return np.where(constant, lowest, mean), np.where(constant, 0.0, deviation)


def fitted(values: np.ndarray) -> Standardisation:
    """Return the scaling to mean 0 and standard deviation 1 over these values; a constant feature becomes 0."""
    mean, deviation = moments(values)
    return Standardisation(mean, np.where(deviation > 0, deviation, 1.0))
