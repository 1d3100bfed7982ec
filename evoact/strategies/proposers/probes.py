"""Probes: networks in which gradient says what a network would mix, and what they become.

Each neuron has a hull of several base functions, whose coefficients are trained with the weights (after Manessi & Rozza
2018). Then each neuron keeps the function that is strongest in its hull (`evoact.activations.strongest`). Probes are no
candidates themselves; a strategy proposes them aside.
"""

from collections.abc import Iterable

from evoact.genomes.activation import Hull
from evoact.genomes.discretised import discrete
from evoact.genomes.genome import Genome
from evoact.genomes.space import SearchSpace, Settings
from evoact.genomes.variation import carried
from evoact.records import Result, TrainResult
from evoact.seeding import python_random
from evoact.strategies.archive import ASIDE
from evoact.strategies.strategy import Draft


def probes(space: SearchSpace, kind: str, settings: Iterable[Settings], seeds: int) -> list[Draft]:
    """Return probes of all functions of a space with these settings, on the first seeds; a space of fewer than two
    functions has none."""
    if len(space.functions) < 2:
        return []
    networks = [space.homogeneous(Hull(kind, space.functions, "neuron"), each) for each in settings]
    return [Draft(genome, seed=k, context=ASIDE) for k in range(seeds) for genome in networks]


def became(space: SearchSpace, result: TrainResult, seed: int) -> Genome:
    """Return what a probe became, carried over into the space."""
    return carried(space, discrete(result.discretised)[0], python_random(seed, result.proposal.index))


def trained(results: Iterable[Result]) -> list[TrainResult]:
    """Return the probes among these results that were trained to their end."""
    return [r for r in results if isinstance(r, TrainResult) and r.discretised]
