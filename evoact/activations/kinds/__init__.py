"""Kinds of activations, a module each: the questions that one answers are in `kind`, the kinds themselves in the table
`RECORDS`.

The functions here are the ways to read a type's trained numbers: `sets` and `count` say how many there are, `initial`
starts them, `unpack` walks over those of a site, and `curve` says what they compute.
"""

from collections.abc import Iterator, Mapping
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from evoact.activations.functions.base_functions import apply, base_function
from evoact.activations.kinds import (
    base,
    hull,
    lp_pool,
    maxout,
    network_in_network,
    piecewise_linear,
    prelu,
    rational,
    scaled,
    subnetwork,
    tabulated,
)
from evoact.activations.kinds.kind import Kind
from evoact.genomes.activation import per_neuron, pieces
from evoact.genomes.genome import SiteGenome
from evoact.genomes.kinds import Activation

RECORDS: Mapping[str, Kind] = {
    "base": base.KIND,
    "hull": hull.KIND,
    "subnetwork": subnetwork.KIND,
    "scaled": scaled.KIND,
    "prelu": prelu.KIND,
    "piecewise_linear": piecewise_linear.KIND,
    "rational": rational.KIND,
    "tabulated": tabulated.TABULATED,
    "captured": tabulated.CAPTURED,
    "maxout": maxout.MAXOUT,
    "probabilistic_maxout": maxout.PROBABILISTIC,
    "lp_pool": lp_pool.KIND,
    "network_in_network": network_in_network.KIND,
}

Flat = TypeVar("Flat", np.ndarray, Tensor)


def kind_of(activation: Activation) -> Kind:
    """Return what is known of the activation's kind."""
    return RECORDS[activation.kind]


def sets(activation: Activation, neurons: int) -> int:
    """Return how many parameter sets a type with that many neurons has: one each, or one for all.

    >>> from evoact.genomes.kinds import PReLU
    >>> sets(PReLU("layer"), 60), sets(PReLU("neuron"), 60)
    (1, 60)
    """
    return neurons if per_neuron(activation) else 1


def count(activation: Activation, neurons: int) -> int:
    """Return how many numbers a type with that many neurons trains.

    >>> from evoact.genomes.kinds import Base, Scaled
    >>> count(Base("relu"), 60), count(Scaled("relu"), 60), count(Scaled("relu", "neuron"), 60)
    (0, 2, 120)
    """
    return sets(activation, neurons) * kind_of(activation).numbers(activation)


def site_count(site: SiteGenome) -> int:
    """Return how many numbers the types of a site train."""
    return sum(count(t, n) for t, n in zip(site.types, site.counts(), strict=True))


def initial(site: SiteGenome, generator: torch.Generator) -> Tensor:
    """Return the flat float64 start [A] of a site's types, one type after another, set after set."""
    parts = [torch.empty(0, dtype=torch.float64)]
    for activation, neurons in zip(site.types, site.counts(), strict=True):
        start = kind_of(activation).initial(activation, sets(activation, neurons), generator)
        parts.append(start.flatten())
    return torch.cat(parts)


def unpack(site: SiteGenome, flat: Flat) -> Iterator[tuple[Activation, np.ndarray, Flat]]:
    """Yield each type of a site with the indices of its neurons and its part of flat [..., A], as [..., sets, numbers].

    >>> from evoact.genomes.kinds import Base, Scaled
    >>> site = SiteGenome("h", (Base("relu"), Scaled("sin", "neuron")), (1, 0, 1))
    >>> for activation, neurons, own in unpack(site, np.arange(4)):
    ...     print(activation.label, neurons.tolist(), own.tolist())
    relu [1] [[]]
    scaled(sin)/neuron [0, 2] [[0, 1], [2, 3]]
    """
    assignment, start = np.asarray(site.assignment), 0
    for index, activation in enumerate(site.types):
        neurons = np.flatnonzero(assignment == index)
        shape = sets(activation, len(neurons)), kind_of(activation).numbers(activation)
        stop = start + shape[0] * shape[1]
        yield activation, neurons, flat[..., start:stop].reshape(*flat.shape[:-1], *shape)
        start = stop


def curve(activation: Activation, parameters: Tensor, x: Tensor, exact: bool = False) -> Tensor:
    """Return what a type computes, without noise: y [sets, points] for parameters [sets, numbers].

    Args:
        activation: the type
        parameters: in the precision of x
        x: [points]; [pieces, points] for what takes several pre-activations
        exact: no interpolation of what is learned

    >>> from evoact.genomes.kinds import Scaled
    >>> curve(Scaled("identity"), torch.tensor([[2.0, 3.0]]), torch.tensor([-1.0, 1.0])).tolist()
    [[-6.0, 6.0]]
    """
    kind = kind_of(activation)
    z = x.expand(len(parameters), pieces(activation), -1)
    if exact and (learned := kind.learned(activation)) is not None:
        return apply(base_function(learned.base), z[:, 0]) + learned.values(z[:, 0], parameters)
    return kind.evaluate(activation, z, parameters, None)
