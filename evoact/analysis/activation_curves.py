"""What each neuron type of a network computes after training, as curves over its pre-activation."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from evoact.activations.base_functions import base_function
from evoact.activations.families import FAMILIES
from evoact.activations.plan import parameter_count
from evoact.genomes.activation import Activation
from evoact.genomes.genome import Base, Genome, is_absent, pieces

LOW, HIGH, POINTS = -4.0, 4.0, 81
MOST_SETS = 12  # curves of a type whose neurons have parameters of their own


@dataclass(frozen=True)
class TypeCurves:
    """The curves of a type at a site: y [sets, points] over x [points], one set where its neurons share one.

    `sets` counts all there are; `why_not` says why there is none to draw, such as several pre-activations.
    """

    site: str
    label: str
    count: int
    x: np.ndarray
    y: np.ndarray
    sets: int
    why_not: str = ""


def activation_curves(genome: Genome, tensors: Mapping[str, np.ndarray]) -> list[TypeCurves]:
    """The curves of every type of every site.

    Args:
        genome: what was trained
        tensors: what it learned, by name; a site's parameters are `SITE.activation`

    >>> from evoact.genomes.genome import Site, homogeneous
    >>> curves = activation_curves(homogeneous(Base("relu"), [Site("hidden0", 5)]), {})[0]
    >>> curves.label, curves.count, curves.y[0, [0, 40, 80]].tolist()
    ('relu', 5, [0.0, 0.0, 4.0])
    """
    found = []
    for site in genome.sites:
        flat = np.asarray(tensors.get(f"{site.site}.activation", np.zeros(0)), dtype=np.float64)
        offset = 0
        for activation, count in zip(site.types, site.counts(), strict=True):
            size = parameter_count(activation, count)
            own = flat[offset : offset + size]
            offset += size
            if not is_absent(activation):
                found.append(_curves(site.site, activation, count, own, size))
    return found


def _curves(site: str, activation: Activation, count: int, own: np.ndarray, size: int) -> TypeCurves:
    x = torch.linspace(LOW, HIGH, POINTS, dtype=torch.float64)
    none = np.zeros((0, POINTS))
    if pieces(activation) > 1:
        return TypeCurves(site, activation.label, count, x.numpy(), none, 0, "of several pre-activations")
    if isinstance(activation, Base):
        y = base_function(activation.name).value(x)[None]
        return TypeCurves(site, activation.label, count, x.numpy(), y.numpy(), 1)
    if len(own) != size:
        return TypeCurves(site, activation.label, count, x.numpy(), none, 0, "its parameters were not kept")
    sets = count if getattr(activation, "per", "layer") == "neuron" else 1
    shown = np.unique(np.linspace(0, sets - 1, min(sets, MOST_SETS)).round().astype(int))
    parameters = torch.as_tensor(own.reshape(sets, -1)[shown] if size else np.zeros((len(shown), 0)))
    with torch.no_grad():
        y = FAMILIES[activation.kind].evaluate(activation, x.expand(len(shown), 1, -1), parameters, None)
    return TypeCurves(site, activation.label, count, x.numpy(), y.numpy(), sets)
