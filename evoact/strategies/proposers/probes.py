"""Probes: networks in which gradient says what a network would mix, and what they become.

Each neuron has a hull of several base functions, whose coefficients are trained with the weights (after Manessi & Rozza
2018). Then each neuron keeps the function that is strongest in its hull (`evoact.activations.strongest`). Probes are no
candidates themselves; a strategy proposes them aside.
"""

from collections.abc import Iterable

from evoact.genomes.discretised import discrete
from evoact.genomes.genome import Genome
from evoact.genomes.space import SearchSpace
from evoact.genomes.variation import carried
from evoact.records import Result, TrainResult
from evoact.seeding import python_random


def became(space: SearchSpace, result: TrainResult, seed: int) -> Genome:
    """Return what a probe became, carried over into the space."""
    return carried(space, discrete(result.discretised)[0], python_random(seed, result.proposal.index))


def trained(results: Iterable[Result], every: Iterable[TrainResult]) -> list[TrainResult]:
    """Return the probes among these results that were trained to their end, and failed in none of `every`, on no
    seed."""
    failed = {r.proposal.candidate for r in every if not r.discretised}
    probes = [r for r in results if isinstance(r, TrainResult) and r.discretised]
    return [r for r in probes if r.proposal.candidate not in failed]
