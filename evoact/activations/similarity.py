"""The similarity of activations, as vectors: their outputs under a Gaussian input decide, not their names.

A neuron with -f(x) or f(-x) in place of f(x) computes the same network with other signs of its weights, so
both count as f. With the even and odd parts e, o of a standardised curve in orthonormal Hermite
polynomials, the inner product of two vectors is the symmetrised squared correlation

    k(f, g) = ((e_f . e_g)^2 + (o_f . o_g)^2) / norms,

1 for equal curves and 0 for uncorrelated ones.
"""

from functools import lru_cache

import numpy as np
import torch
from numpy.polynomial.hermite_e import hermegauss, hermevander

from evoact.activations.kinds import curve, kind_of
from evoact.genomes.activation import canonical_activation, pieces
from evoact.genomes.kinds import Activation

DEGREE = 12  # of the polynomials; what is quicker counts as noise
NODES = 64


@lru_cache(maxsize=65536)
def curve_vector(activation: Activation) -> tuple[float, ...]:
    """Return the vector of an activation with its initial parameters; of norm 1, or 0 for a constant.

    >>> from evoact.genomes.kinds import Base
    >>> vectors = [np.array(curve_vector(Base(f))) for f in ("relu", "-relu(-x)", "tanh", "sin", "gaussian")]
    >>> [round(float(vectors[0] @ v), 2) for v in vectors], round(float(vectors[2] @ vectors[3]), 2)
    ([1.0, 1.0, 0.88, 0.8, 0.3], 0.98)
    """
    x, weights = hermegauss(NODES)
    weights = weights / weights.sum()
    activation = canonical_activation(activation)
    start = kind_of(activation).initial(activation, 1, torch.Generator().manual_seed(0))
    # Several pre-activations are x times these.
    factors = torch.linspace(1, -1, pieces(activation), dtype=torch.float64)
    y = curve(activation, start, torch.as_tensor(x) * factors[:, None])[0].numpy()
    factorials = np.cumprod([1.0, *range(1, DEGREE + 1)])
    coefficients = (hermevander(x, DEGREE) / np.sqrt(factorials)).T @ (weights * y)
    even, odd = coefficients[2::2], coefficients[1::2]
    vector = np.concatenate([_squared(even), _squared(odd)])
    norm = float(np.linalg.norm(vector))
    return tuple((vector / norm if norm > 1e-12 else vector).tolist())


def _squared(a: np.ndarray) -> np.ndarray:
    """The vector whose inner product with another one's is (a . b)^2."""
    rows, columns = np.triu_indices(len(a))
    return a[rows] * a[columns] * np.where(rows == columns, 1.0, np.sqrt(2.0))
