"""Trained hulls made discrete: each neuron keeps the function that is strongest in its combination.

The strength of f_i in sum_i c_i f_i is how far its term moves: |c_i| times the standard deviation of f_i(x) under
x ~ N(0, 1). The same step as in differentiable architecture search (Liu et al. 2019, DARTS, section 2.4),
taken neuron by neuron.
"""

import json
from collections.abc import Mapping

import numpy as np
import torch

from evoact.activations.base_functions import base_function
from evoact.activations.families import FAMILIES
from evoact.activations.hulls import coefficients
from evoact.activations.properties import gaussian_moments
from evoact.genomes.genome import Base, Genome, Hull, SiteGenome, to_json


def discretised(genome: Genome, learned: Mapping[str, np.ndarray]) -> str:
    """What a trained network becomes without its per-neuron hulls, as JSON; empty where it has none.

    `genome` is the network in which each of their neurons has its strongest function instead, and
    `coefficients` gives, for each site, the mean size of the coefficient that each type had, 1 for others.

    Args:
        learned: the flat parameters of each site, `SITE.activation`, type after type and neuron after neuron.

    >>> hull = Hull("linear", ("sin", "relu"), "neuron")
    >>> trained = Genome((SiteGenome("h", (hull,), (0, 0, 0)),), (("learning_rate", 0.1),))
    >>> found = discretised(trained, {"h.activation": np.array([2.0, 0.1, 1.0, -0.1, 0.2, -3.0])})
    >>> json.loads(found)["genome"]["sites"][0]["types"]
    [{'kind': 'base', 'name': 'sin', 'count': 2}, {'kind': 'base', 'name': 'relu', 'count': 1}]
    >>> json.loads(found)["coefficients"]
    {'h': [1.5, 3.0]}
    """
    if not any(isinstance(t, Hull) and t.per == "neuron" for site in genome.sites for t in site.types):
        return ""
    sites, sizes = [], {}
    for site in genome.sites:
        found, sizes[site.site] = _site(site, learned.get(f"{site.site}.activation", np.zeros(0)))
        sites.append(found)
    return json.dumps(
        {"genome": to_json(Genome(tuple(sites), genome.hyperparameters)), "coefficients": sizes},
        separators=(",", ":"),
    )


def _site(site: SiteGenome, flat: np.ndarray) -> tuple[SiteGenome, list[float]]:
    """A site without hulls, and the mean coefficient of each of its types."""
    chosen = [site.types[i] for i in site.assignment]
    size = np.ones(len(chosen))
    start = 0
    for index, (activation, count) in enumerate(zip(site.types, site.counts(), strict=True)):
        family = FAMILIES.get(activation.kind)
        number = family.parameter_count(activation, count) if family else 0
        if isinstance(activation, Hull) and activation.per == "neuron":
            free = torch.as_tensor(flat[start : start + number].reshape(count, -1))
            c = np.abs(coefficients(activation.hull, free).double().numpy())
            strongest = np.argmax(c * _deviations(activation.functions), axis=1)
            neurons = [n for n, t in enumerate(site.assignment) if t == index]
            for k, n in enumerate(neurons):
                chosen[n] = Base(activation.functions[strongest[k]])
                size[n] = c[k, strongest[k]]
        start += number
    types = list(dict.fromkeys(chosen))
    assignment = tuple(types.index(t) for t in chosen)
    means = [float(f"{size[np.array(assignment) == i].mean():.3g}") for i in range(len(types))]
    return SiteGenome(site.site, tuple(types), assignment), means


def _deviations(functions: tuple[str, ...]) -> np.ndarray:
    moments = [gaussian_moments(base_function(name)) for name in functions]
    return np.sqrt([max(square - mean**2, 0.0) for mean, square in moments])
