"""The choice of offspring to train: those that are best in a sample of the surrogate's posterior.

Thompson sampling (Thompson 1933) over many offspring and the best candidates known: each place of a generation
goes to the best of one joint posterior sample. An uncertain candidate wins some samples, a known bad one none;
a known good one wins again, and is so evaluated on one more replicate.
"""

from collections.abc import Sequence

import numpy as np

from evoact.strategies.archive import Candidate
from evoact.strategies.strategy import Draft, reevaluation
from evoact.strategies.surrogate.surrogate import Surrogate

KNOWN = 64  # candidates that compete for another evaluation, the best by posterior mean
AT_ONCE = 512  # offspring that compete with each other; more are divided into several competitions


def survivors(model: Surrogate, k: int, random: np.random.Generator) -> list[Candidate]:
    """Return at most k candidates to breed from: the best of one posterior sample over all that was learnt from."""
    (sample,) = model.beliefs(np.arange(len(model.rows))).draws(1, random)
    order = np.argsort(-sample, kind="stable")[:k]
    return [model.archive.candidate(int(model.rows[i]), float(sample[i])) for i in order]


def winners(
    model: Surrogate, offspring: Sequence[Draft], count: int, again: int, random: np.random.Generator
) -> list[Draft]:
    """Return at most `count` drafts: offspring, and at most `again` of the candidates known, on another replicate."""
    known = np.argsort(-model.worth(), kind="stable")[:KNOWN] if again else np.arange(0)
    heats = -(-len(offspring) // AT_ONCE) or 1
    won: list[Draft] = []
    for heat in range(heats):
        places = count * (heat + 1) // heats - count * heat // heats
        left = again * (heat + 1) // heats - again * heat // heats
        won += _heat(model, offspring[heat::heats], known[: KNOWN if left else 0], places, left, random)
    return won


def _heat(
    model: Surrogate,
    offspring: Sequence[Draft],
    known: np.ndarray,
    count: int,
    again: int,
    random: np.random.Generator,
) -> list[Draft]:
    """The same among some of the offspring, with those at the positions `known`."""
    if not offspring and not len(known):
        return []
    samples = model.beliefs(known, [draft.genome for draft in offspring]).draws(count, random)
    won: list[Draft] = []
    for sample in samples:
        best = int(np.argmax(sample))
        if not np.isfinite(sample[best]):
            break
        samples[:, best] = -np.inf  # each wins once
        if best >= len(known):
            won.append(offspring[best - len(known)])
            continue
        won.append(reevaluation(model.archive.candidate(int(model.rows[known[best]]), 0.0)))
        again -= 1
        if again == 0:
            samples[:, : len(known)] = -np.inf
    return won
