"""The default search: vertices and probes first, then whatever source of offspring pays, all under one surrogate.

A network is a mixture of functions, and what is known first of mixtures are their vertices (Scheffé 1958): each base
function alone. Beside them gradient says what it would mix (`probes`). From then on children of evolution, suggestions
of Optuna's, what further probes become, random samples and homogeneous networks compete, in samples of one posterior
(Thompson 1933), for being trained.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from evoact.errors import UserError
from evoact.genomes.activation import functions_of
from evoact.genomes.genome import Genome, fingerprint
from evoact.genomes.hyperparameters import LEARNING_RATE
from evoact.genomes.kinds import Base, Hull
from evoact.genomes.space import SearchSpace
from evoact.records import COMPLETED, UNLIMITED
from evoact.seeding import derive, generator, python_random
from evoact.strategies import proposer_within
from evoact.strategies.archive import ASIDE, Archive, Candidate
from evoact.strategies.proposers.enumerate import baselines
from evoact.strategies.proposers.evolution import GROWTH
from evoact.strategies.proposers.learned_diversity import found_types, networks_of
from evoact.strategies.proposers.optuna_search import suggested
from evoact.strategies.proposers.probes import became, trained
from evoact.strategies.selection.breeding import breed, immigrants, parents_in
from evoact.strategies.strategy import WHOLE, Draft, MetaDraft, reevaluation
from evoact.strategies.surrogate.surrogate import FEWEST, Surrogate, recommended, surrogate
from evoact.strategies.surrogate.thompson import survivors, winners

SOURCES = ("child", "suggestion", "probe", "sample")
LEAST_SHARE = 0.1  # no source is ever starved: it would never be seen to pay off again
RECENT = 128  # candidates that say what sources earn
BEST = 0.2  # of all candidates; whoever is among them was a success
SUGGESTED = 4  # of Optuna's, at most, in a generation: each takes as long as a hundred children
PROBED = 3  # candidates whose functions a further probe has
VERTICES = 1 / 8  # of the budget, at most, beyond one learning rate
TUNING = 3 / 4  # of a budget without room for mixtures
ROOM = 2  # a budget of so many times each function at each rate has room for mixtures


@dataclass(frozen=True)
class Hybrid:
    """Each base function alone and probes by gradient first, then offspring of several sources under one surrogate.

    Generations have `batch` proposals, or a sixteenth of all results so far if that is more. The first has the
    vertices that are not known yet from the baselines, each base function alone at every other learning rate, or
    at one if the budget is small. The next has `probes` of all functions with the settings of the best vertices. What
    probes become is always trained. All other places go to whoever wins a posterior sample: of `offspring` from all
    sources, or one of the best candidates known, which is then evaluated on another replicate, at most `elites` of
    them. How much each source brings, further probes among them, follows from how many of its recent candidates
    are among the best; homogeneous networks are all there, to the end.

    `learned` are settings of `bilevel`, whose meta-trainings stand beside the vertices then, within the budget. The
    networks that they find are trained with the settings of the best, once, then compete with all others. They
    are outside the space: their types are curves.

    `networks` is the budget, with what is known before and without what meta-trainings cost. One that has no room for
    mixtures goes into homogeneous networks alone, and learned ones: each function at all rates, or at as many as three
    quarters of it allow, then what wins.
    """

    space: SearchSpace
    seed: int = 0
    networks: int = UNLIMITED
    batch: int = 16
    elites: int = 8
    parents: int = 16
    tournament: int = 3
    crossover: float = 0.5
    offspring: int = 96
    probes: int = 4
    learned: Mapping[str, Any] | None = None

    name = "hybrid"
    independent = False
    shares = WHOLE
    asynchronous = False

    def __post_init__(self) -> None:
        for name in ("batch", "parents", "tournament", "offspring"):
            if getattr(self, name) < 1:
                raise UserError(f"expected {name} of at least 1, got {getattr(self, name)}")
        if self.probes < 0 or self.elites < 0 or not 0 <= self.crossover <= 1:
            raise UserError(
                "expected probes and elites of at least 0 and a crossover probability from 0 to 1, "
                f"got {self.probes}, {self.elites} and {self.crossover}"
            )
        _ = self.meta_trainings  # says what is wrong with `learned`

    @cached_property
    def meta_trainings(self) -> Sequence[MetaDraft]:
        if self.learned is None:
            return ()
        return proposer_within(
            "strategy.learned", "bilevel", self.space, self.seed, self.learned
        ).meta_trainings

    @property
    def from_space(self) -> bool:
        return not self._can_probe and not self.meta_trainings

    @property
    def remark(self) -> str:
        if self.mixes:
            return ""
        return (
            f"{self.networks} networks, baselines included, are too few to find a mixture of functions, so that each "
            f"function alone is tuned; mixtures are tried from {self._needed} networks on (budget)"
        )

    def propose(self, generation: int, archive: Archive) -> list[Draft | MetaDraft]:
        seed = derive(self.seed, "hybrid", generation)
        if generation == 0:
            new = [_from("vertex", genome) for genome in _new(self._vertices, archive)]
            if new or self.meta_trainings:
                return [*self.meta_trainings, *new]
        return [*self._later(archive, seed)]

    def recommend(self, k: int, archive: Archive) -> list[Candidate]:
        """By the surrogate, but without mixtures by their means, as `enumerate` does."""
        return recommended(archive, k) if self.mixes else archive.best(k)

    # --- what the search begins with ------------------------------------------------------------------------------

    @cached_property
    def mixes(self) -> bool:
        """Whether the budget has room for mixtures, or there is nothing else."""
        return self.networks >= self._needed or not self._homogeneous

    @property
    def _needed(self) -> int:
        """The least budget for mixtures: enough to see each function at all rates, and as much again."""
        functions, rates = len(self.space.functions), len(self.space.learning_rates)
        return ROOM * max(functions * rates, functions * max(1, rates // 2) + 2 * self.probes)

    @property
    def _can_probe(self) -> bool:
        return self.mixes and self.probes > 0 and len(self.space.functions) > 1

    @cached_property
    def _homogeneous(self) -> list[Genome]:
        """Each base function alone, with all settings, as far as that is in the space."""
        return [genome for genome in baselines(self.space) if self.space.contains(genome)]

    @cached_property
    def _vertices(self) -> list[Genome]:
        """Those of the first generation: at half of the learning rates, or as many as the budget allows.

        If it has no room for mixtures, but for each function with all settings, it has these, in the order of
        `enumerate`: so it is never behind what enumerates them.
        """
        if not self.mixes and self.networks >= len(self._homogeneous):
            return self._homogeneous
        rates = len(self.space.learning_rates)
        part, most = (VERTICES, rates // 2) if self.mixes else (TUNING, rates)
        allowed = int(part * self.networks / max(1, len(self.space.functions)))
        return self._vertices_at(max(1, min(allowed, most)))

    def _vertices_at(self, number: int) -> list[Genome]:
        """Each base function at so many learning rates, evenly from the grid; of other settings, any."""
        grid = self.space.learning_rates
        draw = python_random(self.seed, "hybrid", "settings")
        found = []
        for rate in (grid[(2 * i + 1) * len(grid) // (2 * number)] for i in range(number)):
            settings = draw.choice([s for s in self.space.settings if (LEARNING_RATE, rate) in s])
            found += [self.space.homogeneous(Base(f), settings) for f in self.space.functions]
        return [genome for genome in found if self.space.contains(genome)]

    # --- what it goes on with -------------------------------------------------------------------------------------

    def _later(self, archive: Archive, seed: int) -> list[Draft]:
        size = max(self.batch, archive.results // GROWTH)
        model = surrogate(archive)
        random = generator(seed, "thompson")
        parents = survivors(model, self.parents, random) if model else archive.best(self.parents)
        shares = earned(archive)
        left = self.networks - archive.results - len(archive.aside)
        # What probes become needs a generation more.
        further = int(shares["probe"] * size / 2) if left > size else 0
        certain = self._from_probes(archive) + self._probes(further, parents, archive, seed)
        certain += self._from_learned(archive, parents)
        if model is None:
            return certain + self._unseen(FEWEST, archive, seed)
        size = max(1, size - len(certain))
        offspring = self._offspring(max(self.offspring, size), shares, parents, model, seed)
        again = self.elites * size // self.batch if self.mixes else size
        won = winners(model, offspring, size, again, random)
        return certain + won + immigrants(self.space, size - len(won), seed)

    def _unseen(self, size: int, archive: Archive, seed: int) -> list[Draft]:
        """What to do as long as there is nothing to learn from."""
        if self.mixes:
            return [_from("sample", draft.genome) for draft in immigrants(self.space, size, seed)]
        new = _new(self._homogeneous, archive)[:size]
        return [_from("vertex", genome) for genome in new] or [reevaluation(c) for c in archive.best(size)]

    def _probes(self, count: int, parents: Sequence[Candidate], archive: Archive, seed: int) -> list[Draft]:
        """Probes with the settings of the parents: the first of all functions, further ones of those of a few parents
        each."""
        if not self._can_probe:
            return []
        drafts: list[Draft] = []
        for i in range(count if archive.aside else self.probes):
            draw = python_random(seed, "probe", i)
            chosen = [*parents[i : i + 1], *draw.sample(parents, min(PROBED, len(parents)))]
            settings = chosen[0].genome.hyperparameters if chosen else draw.choice(self.space.settings)
            functions = self.space.functions
            if archive.aside:
                types = {t for c in chosen for site in c.genome.sites for t in site.types}
                found = {name for activation in types for name in functions_of(activation)}
                functions = tuple(name for name in functions if name in found)
            if len(functions) > 1:
                genome = self.space.homogeneous(Hull("convex", functions, "neuron"), settings)
                drafts.append(Draft(genome, tuple(c.index for c in chosen[:1]), context=ASIDE))
        return drafts

    def _from_probes(self, archive: Archive) -> list[Draft]:
        """What the probes of the last generation became."""
        return [
            replace(_from("probe", became(self.space, r, self.seed)), parents=(r.proposal.candidate,))
            for r in trained(archive.latest, archive.aside)
        ]

    def _learned_networks(self, archive: Archive) -> list[Genome]:
        """Networks of what meta-trainings have found, with all settings, that were not trained yet."""
        worked = [result for result in archive.meta_trained if result.state == COMPLETED]
        return _new([g for r in worked for g in networks_of(self.space, found_types(r))], archive)

    def _from_learned(self, archive: Archive, parents: Sequence[Candidate]) -> list[Draft]:
        """Networks of learned types with the settings of the best, once."""
        if not parents or _context("learned") in archive.by_context:
            return []
        settings = parents[0].genome.hyperparameters
        return [_from("learned", g) for g in self._learned_networks(archive) if g.hyperparameters == settings]

    def _offspring(
        self,
        count: int,
        shares: Mapping[str, float],
        parents: Sequence[Candidate],
        model: Surrogate,
        seed: int,
    ) -> list[Draft]:
        """About `count` new drafts, each once and of the source that has it first, and all homogeneous networks."""
        archive = model.archive
        known = python_random(seed, "vertices").sample(self._homogeneous, min(count, len(self._homogeneous)))
        drafts = [_from("vertex", genome) for genome in known]
        drafts += [_from("learned", genome) for genome in self._learned_networks(model.archive)]
        if self.mixes:
            asked = min(SUGGESTED, round(shares["suggestion"] * count))
            samples = immigrants(self.space, round(shares["sample"] * count), seed)
            drafts += self._children(round(shares["child"] * count), parents, archive, seed)
            drafts += [
                _from("suggestion", g) for g in suggested(self.space, archive, model.rows, asked, seed)
            ]
            drafts += [_from("sample", draft.genome) for draft in samples]
        once = {draft.fingerprint: draft for draft in reversed(drafts)}
        return [draft for name, draft in reversed(once.items()) if name not in archive.rows]

    def _children(self, count: int, parents: Sequence[Candidate], archive: Archive, seed: int) -> list[Draft]:
        children = breed(
            self.space,
            parents_in(self.space, parents),
            count,
            seed=seed,
            tournament=self.tournament,
            crossover=self.crossover,
            seen=archive.rows,
        )
        return [replace(child, context=_context("child")) for child in children]


def _new(genomes: Iterable[Genome], archive: Archive) -> list[Genome]:
    return [genome for genome in genomes if fingerprint(genome) not in archive.rows]


def _context(source: str) -> str:
    return json.dumps({"source": source}, separators=(",", ":"))


def _from(source: str, genome: Genome) -> Draft:
    return Draft(genome, context=_context(source))


def earned(archive: Archive) -> dict[str, float]:
    """Return the share of each source, at least `LEAST_SHARE`: its rate of success among the rest of all rates.

    How many of its candidates among the `RECENT` last are in the best fifth of all, by shrunken mean; each starts with
    one success in two. What probes take counts as tried in vain.
    """
    rows = archive.usable()
    worth = archive.posterior(rows).mean
    good = set(rows[worth >= np.quantile(worth, 1 - BEST)].tolist()) if len(rows) else set()
    recent = set(rows[-RECENT:].tolist())
    rates = {}
    for source in SOURCES:
        own = recent.intersection(archive.by_context.get(_context(source), ()))
        tried = len(own) + (len(archive.aside) if source == "probe" else 0)
        rates[source] = (1 + len(good & own)) / (2 + tried)
    total = sum(rates.values())
    return {source: max(LEAST_SHARE, rate / total) for source, rate in rates.items()}
