"""The activation families that train parameters, take several pre-activations or look a curve up: one table.

Base functions are not among them: they are evaluated by name, without parameters.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from evoact.activations import (
    hulls,
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
from evoact.activations.sharing import Noise


@dataclass(frozen=True)
class Family:
    """What training needs to know of a kind of activation; `Any` is that kind's variant.

    parameter_count(activation, neurons)
        the trained numbers of a type with that many neurons: sets x p, one set for each neuron or for all
    initial_parameters(activation, neurons, generator)
        their start, flat and in float64, set after set
    evaluate(activation, x, parameters, noise)
        y [sets, E] from x [sets, P, E], where P = `genomes.genome.pieces(activation)`, and parameters
        [sets, p]. A set is evaluated independently of the others, bit by bit, and may be a neuron, a type,
        or a type of another network. `noise` maps a template [sets, E] to uniform numbers in (0, 1) of its shape
        while training; it is None in evaluation.
    """

    parameter_count: Callable[[Any, int], int]
    initial_parameters: Callable[[Any, int, torch.Generator], Tensor]
    evaluate: Callable[[Any, Tensor, Tensor, Noise | None], Tensor]


def _family(module: Any) -> Family:
    return Family(module.parameter_count, module.initial_parameters, module.evaluate)


FAMILIES: Mapping[str, Family] = {
    "hull": _family(hulls),
    "subnetwork": _family(subnetwork),
    "scaled": _family(scaled),
    "prelu": _family(prelu),
    "piecewise_linear": _family(piecewise_linear),
    "rational": _family(rational),
    "tabulated": _family(tabulated),
    "captured": _family(tabulated),
    "maxout": _family(maxout),
    "probabilistic_maxout": Family(
        maxout.parameter_count, maxout.initial_parameters, maxout.evaluate_probabilistic
    ),
    "lp_pool": _family(lp_pool),
    "network_in_network": _family(network_in_network),
}
