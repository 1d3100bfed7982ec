"""The continuation of an interrupted confirmation: with the candidates that it began with.

Which candidates are best may be answered otherwise on resume: another machine or another version of a library rounds
otherwise, a damaged row was trained again, or the rule itself is a newer one. What is stored wins.
"""

from collections.abc import Sequence

from evoact.genomes.genome import Genome, fingerprint
from evoact.records import Result


def as_begun(
    chosen: Sequence[Genome], stored: Sequence[Result], first: int, seeds: Sequence[int]
) -> tuple[Genome, ...]:
    """Return the genomes of a confirmation in order: the stored ones in their places, chosen ones in the others.

    A confirmation trains all its genomes on the first seed, then all on the second, and so on. A row's index
    therefore tells its genome's place, once it is known how many genomes there are: as many as are chosen now, if
    that fits the rows, else the nearest number that does.

    Args:
        chosen: the genomes that would be confirmed now
        stored: the rows of the confirmation that are there
        first: the index of its first proposal
        seeds: the seeds of each genome

    Returns:
        `chosen` if nothing is stored, or if the rows are those of no confirmation on these seeds.
    """
    if not stored:
        return tuple(chosen)
    last = max(r.proposal.index for r in stored) - first
    for number in sorted(range(1, max(len(chosen), last + 1) + 1), key=lambda n: abs(n - len(chosen))):
        places = _places(stored, first, seeds, number)
        if places is None:
            continue
        known = {fingerprint(genome) for genome in places.values()}
        # First those that keep their own place, counted from the end: the last are baselines and must not fall out.
        own = enumerate(chosen, number - len(chosen))
        others = {i: genome for i, genome in own if fingerprint(genome) not in known}
        places |= {i: others.pop(i) for i in range(number) if i in others and i not in places}
        gaps = [i for i in range(number) if i not in places]
        if len(gaps) <= len(others):
            places |= dict(zip(gaps, others.values(), strict=False))
            return tuple(places[i] for i in range(number))
    return tuple(chosen)


def _places(
    stored: Sequence[Result], first: int, seeds: Sequence[int], number: int
) -> dict[int, Genome] | None:
    """The genome of each place that is known, if there are `number` places; None if that contradicts the rows."""
    places: dict[int, Genome] = {}
    for proposal in (r.proposal for r in stored):
        turn, place = divmod(proposal.index - first, number)
        if turn not in range(len(seeds)) or seeds[turn] != proposal.seed:
            return None
        if places.setdefault(place, proposal.genome) != proposal.genome:
            return None
    return places if len(set(places.values())) == len(places) else None
