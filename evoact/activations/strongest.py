"""Trained hulls made discrete: each neuron keeps the function that is strongest in its combination.

The strength of f_i in sum_i c_i f_i is how far its term moves: |c_i| times the standard deviation of f_i(x) under
x ~ N(0, 1). The same step as in differentiable architecture search (Liu et al. 2019, DARTS, section 2.4),
taken neuron by neuron.
"""

import json
from collections.abc import Mapping

import numpy as np
import torch

from evoact.activations.functions.base_functions import base_function
from evoact.activations.functions.properties import gaussian_moments
from evoact.activations.kinds import kind_of, unpack
from evoact.activations.kinds.kind import Mixture
from evoact.genomes.activation import per_neuron
from evoact.genomes.genome import Genome, SiteGenome, to_json
from evoact.genomes.kinds import Activation, Base


def discretised(genome: Genome, learned: Mapping[str, np.ndarray]) -> str:
    """Return what a trained network becomes without its per-neuron hulls, as JSON; empty if it has none.

    `genome` is the network in which each of their neurons has its strongest function instead, and
    `coefficients` gives, for each site, the mean size of the coefficient that each type had, 1 for others.

    Args:
        learned: the flat parameters of each site, `SITE.activation`, type after type and neuron after neuron.

    >>> from evoact.genomes.kinds import Hull
    >>> hull = Hull("linear", ("sin", "relu"), "neuron")
    >>> trained = Genome((SiteGenome("h", (hull,), (0, 0, 0)),), (("learning_rate", 0.1),))
    >>> found = discretised(trained, {"h.activation": np.array([2.0, 0.1, 1.0, -0.1, 0.2, -3.0])})
    >>> json.loads(found)["genome"]["sites"][0]["types"]
    [{'kind': 'base', 'name': 'sin', 'count': 2}, {'kind': 'base', 'name': 'relu', 'count': 1}]
    >>> json.loads(found)["coefficients"]
    {'h': [1.5, 3.0]}
    """
    if not any(_selectable(t) for site in genome.sites for t in site.types):
        return ""
    sites, sizes = [], {}
    for site in genome.sites:
        found, sizes[site.site] = _site(site, learned.get(f"{site.site}.activation", np.zeros(0)))
        sites.append(found)
    return json.dumps(
        {"genome": to_json(Genome(tuple(sites), genome.hyperparameters)), "coefficients": sizes},
        separators=(",", ":"),
    )


def _selectable(activation: Activation) -> Mixture | None:
    """The functions that the neurons of a type each combine in their own way; None if they do not."""
    mixture = kind_of(activation).mixture(activation) if per_neuron(activation) else None
    return mixture if mixture is not None and mixture.selectable else None


def _site(site: SiteGenome, flat: np.ndarray) -> tuple[SiteGenome, list[float]]:
    """A site without hulls, and the mean coefficient of each of its types."""
    chosen = [site.types[i] for i in site.assignment]
    size = np.ones(len(chosen))
    for activation, neurons, own in unpack(site, flat):
        mixture = _selectable(activation)
        if mixture is None or mixture.coefficients is None:
            continue
        moments = [gaussian_moments(base_function(name)) for name in mixture.terms]
        deviations = np.sqrt([max(square - mean**2, 0.0) for mean, square in moments])
        c = np.abs(mixture.coefficients(torch.as_tensor(own)).double().numpy())
        strongest = np.argmax(c * deviations, axis=1)
        for k, n in enumerate(neurons):
            chosen[n] = Base(mixture.terms[strongest[k]])
            size[n] = c[k, strongest[k]]
    types = list(dict.fromkeys(chosen))
    assignment = tuple(types.index(t) for t in chosen)
    means = [float(f"{size[np.array(assignment) == i].mean():.3g}") for i in range(len(types))]
    return SiteGenome(site.site, tuple(types), assignment), means
