"""The curve that each neuron type of a network computes after training, over its pre-activation."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from evoact.activations.kinds import curve, site_count, unpack
from evoact.genomes.activation import group_label, is_absent, pieces
from evoact.genomes.genome import Genome

LOW, HIGH, POINTS = -4.0, 4.0, 81
MOST_SETS = 12  # curves of a type whose neurons have parameters of their own


@dataclass(frozen=True)
class TypeCurves:
    """The curves of a type at a site: y [sets, points] over x [points], one set if its neurons share one.

    `function` is the name under which summaries count the type, `sets` counts all curves there are; `why_not` says why
    there is none to draw, such as several pre-activations.
    """

    site: str
    label: str
    function: str
    count: int
    x: np.ndarray
    y: np.ndarray
    sets: int
    why_not: str = ""


def activation_curves(genome: Genome, tensors: Mapping[str, np.ndarray]) -> list[TypeCurves]:
    """Return the curves of every type of every site.

    Args:
        genome: what was trained
        tensors: what it learned, by name; a site's parameters are `SITE.activation`

    >>> from evoact.genomes.kinds import Base
    >>> from evoact.genomes.genome import Site, homogeneous
    >>> curves = activation_curves(homogeneous(Base("relu"), [Site("hidden0", 5)]), {})[0]
    >>> curves.label, curves.count, curves.y[0, [0, 40, 80]].tolist()
    ('relu', 5, [0.0, 0.0, 4.0])
    """
    x = torch.linspace(LOW, HIGH, POINTS, dtype=torch.float64)
    found = []
    for site in genome.sites:
        flat = np.asarray(tensors.get(f"{site.site}.activation", np.zeros(0)), dtype=np.float64)
        kept = len(flat) >= site_count(site)
        for activation, neurons, own in unpack(site, flat if kept else np.zeros(site_count(site))):
            if is_absent(activation):
                continue
            why_not = "" if kept or not own.size else "its parameters were not kept"
            if pieces(activation) > 1:
                why_not = "of several pre-activations"
            shown = np.unique(np.linspace(0, len(own) - 1, min(len(own), MOST_SETS)).round().astype(int))
            with torch.no_grad():
                y = (
                    np.zeros((0, POINTS))
                    if why_not
                    else curve(activation, torch.as_tensor(own[shown]), x).numpy()
                )
            sets = 0 if why_not else len(own)
            found.append(
                TypeCurves(
                    site.site,
                    activation.label,
                    group_label(activation),
                    len(neurons),
                    x.numpy(),
                    y,
                    sets,
                    why_not,
                )
            )
    return found
