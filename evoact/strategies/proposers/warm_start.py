"""A search that begins where an earlier one ended: with its best candidates, carried over into this space."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import zip_longest

from evoact.errors import UserError
from evoact.genomes.activation import is_absent
from evoact.genomes.discretised import discrete
from evoact.genomes.genome import Genome, SiteGenome
from evoact.genomes.space import SearchSpace
from evoact.genomes.variation import carried
from evoact.records import Result, TrainResult, in_proposal_order
from evoact.seeding import python_random
from evoact.strategies.archive import Archive, Candidate
from evoact.strategies.strategy import Draft, MetaDraft, Proposer
from evoact.strategies.surrogate.surrogate import recommended


@dataclass(frozen=True)
class WarmStarted:
    """Any search, with a generation of given genomes in front."""

    proposer: Proposer
    genomes: tuple[Genome, ...]

    @property
    def name(self) -> str:
        return self.proposer.name

    @property
    def independent(self) -> bool:
        return self.proposer.independent

    @property
    def from_space(self) -> bool:
        return self.proposer.from_space

    @property
    def meta_trainings(self) -> Sequence[MetaDraft]:
        return self.proposer.meta_trainings

    @property
    def shares(self) -> Sequence[Fraction]:
        return self.proposer.shares

    @property
    def asynchronous(self) -> bool:
        return self.proposer.asynchronous

    @property
    def remark(self) -> str:
        return self.proposer.remark

    def propose(self, generation: int, archive: Archive) -> Sequence[Draft | MetaDraft]:
        if generation:
            return self.proposer.propose(generation - 1, archive)
        return [Draft(genome) for genome in self.genomes]

    def recommend(self, k: int, archive: Archive) -> list[Candidate]:
        return self.proposer.recommend(k, archive)


def best_of(results: Iterable[Result], k: int) -> list[Genome]:
    """Return the best k genomes of an earlier search by denoised score, first those that its hulls became."""
    ordered = [r for r in in_proposal_order(results) if isinstance(r, TrainResult)]
    became = dict.fromkeys(discrete(r.discretised)[0] for r in ordered if r.discretised)
    archive = Archive.of(r for r in ordered if not r.discretised)
    return ([*became][:k] + [c.genome for c in recommended(archive, k)])[:k]


def in_turns(found: Sequence[Sequence[Genome]], k: int) -> list[Genome]:
    """Return at most k genomes of several searches: the best of each first, then the second of each, because scores of
    other tasks do not compare."""
    turns = [genome for turn in zip_longest(*found) for genome in turn if genome is not None]
    return list(dict.fromkeys(turns))[:k]


def fitting(space: SearchSpace, genomes: Sequence[Genome], seed: int) -> tuple[tuple[Genome, ...], list[str]]:
    """Return the genomes carried over into a space, and the labels of the activations that are ignored on the way.

    The neurons of an activation that a site of the space does not offer go to the others of that site; a genome
    with none of the others there is left out.

    Raises:
        UserError: if none fits, because the sites are other ones or no activation is on offer.
    """
    fit: dict[Genome, None] = {}
    ignored: dict[str, None] = {}
    names = [site.name for site in space.sites]
    for i, genome in enumerate(genomes):
        if [site.site for site in genome.sites] != names:
            continue
        sites = [_offered(space, j, site, ignored) for j, site in enumerate(genome.sites)]
        known = tuple(site for site in sites if site is not None)
        if len(known) == len(sites):
            fit.setdefault(carried(space, replace(genome, sites=known), python_random(seed, "warm start", i)))
    if not fit:
        got = genomes[0].label if genomes else "none"
        raise UserError(
            f"expected a warm start with genomes on the sites {', '.join(names)} and of activations of the space, "
            f"got {got}; choose a run on such a network or leave warm_start out"
        )
    return tuple(fit), list(ignored)


def _offered(space: SearchSpace, index: int, site: SiteGenome, ignored: dict[str, None]) -> SiteGenome | None:
    """The site without the types that the space does not offer there; None if nothing remains."""
    offered = [is_absent(t) or space.layers[index].offers(t) for t in site.types]
    ignored.update((t.label, None) for t, here in zip(site.types, offered, strict=True) if not here)
    counts = site.counts()
    kept = [i for i, here in enumerate(offered) if here and counts[i] and not is_absent(site.types[i])]
    if not kept:
        return None
    if space.sites[index].symmetry == "free":
        return replace(site, assignment=tuple(i for i in site.assignment if offered[i]))
    most = max(kept, key=lambda i: counts[i])
    return replace(site, assignment=tuple(i if offered[i] else most for i in site.assignment))
