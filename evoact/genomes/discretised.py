"""Networks whose per-neuron hulls were made discrete: each neuron's strongest function, with its coefficient."""

import json
from dataclasses import replace

from evoact.genomes.activation import is_base
from evoact.genomes.function_names import parse
from evoact.genomes.genome import Genome, from_json
from evoact.genomes.kinds import Base

SMALLEST = 1e-3  # of an inherited coefficient


def discrete(text: str) -> tuple[Genome, dict[str, list[float]]]:
    """Return the genome and the coefficients in a result's `discretised`."""
    data = json.loads(text)
    return from_json(data["genome"]), data["coefficients"]


def inherited(genome: Genome, sizes: dict[str, list[float]]) -> Genome:
    """Return the genome with each base function times the coefficient of its type.

    >>> from evoact.genomes.genome import SiteGenome
    >>> sin = Genome((SiteGenome("h", (Base("2*sin(3*x)"),), (0, 0)),))
    >>> inherited(sin, {"h": [0.4]}).label
    '2 0.8*sin(3*x)'
    """
    sites = []
    for site in genome.sites:
        types = [
            _times(t, size) if is_base(t) else t for t, size in zip(site.types, sizes[site.site], strict=True)
        ]
        sites.append(replace(site, types=tuple(types)))
    return replace(genome, sites=tuple(sites))


def _times(activation: Base, size: float) -> Base:
    expression = parse(activation.name)
    if expression.normalised:  # takes no factor in front
        return activation
    scale = float(f"{expression.output_scale * max(size, SMALLEST):.3g}")
    return Base(str(replace(expression, output_scale=scale)))
