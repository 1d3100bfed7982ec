"""Optuna's samplers over the flat encoding of genomes.

The only module that imports Optuna. A study is built anew from the archive for each generation, and
each ask has a fresh sampler with a seed of its own: what is proposed depends on the archive alone,
so a replayed search continues exactly.
"""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, NSGAIISampler, TPESampler
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from evoact.errors import UserError
from evoact.genomes.encoding import Chooser, Domain, Value, decode, domains, encode
from evoact.genomes.genome import Genome, loads
from evoact.genomes.space import SearchSpace
from evoact.registry import lookup
from evoact.seeding import derive, python_random
from evoact.strategies.archive import Archive, Candidate
from evoact.strategies.strategy import WHOLE, Draft, reevaluation

Sampling = Callable[[int], BaseSampler]

ALIVE = 50  # trials that NSGA-II breeds from, the best
FEWEST_FOR_COVARIANCE = 10  # trials: the best tenth of them is one


@dataclass(frozen=True, slots=True)
class Told:
    """A finished trial: its choices, their domains, and its score; None if it failed, never NaN."""

    values: Mapping[str, Value]
    domains: Mapping[str, Domain]
    score: float | None


class _Asked:
    """A chooser that lets an Optuna trial decide, and remembers."""

    def __init__(self, trial: Trial):
        self._trial = trial

    def category(self, name: str, options: tuple[str, ...]) -> str:
        return str(self._trial.suggest_categorical(name, options))

    def integer(self, name: str, low: int, high: int) -> int:
        return self._trial.suggest_int(name, low, high)


def _tpe(seed: int) -> BaseSampler:
    """The tree-structured Parzen estimator (Bergstra et al. 2011).

    It keeps away from open trials (constant liar, Ginsbourger et al. 2010), so that a batch is not one point many
    times.
    """
    return TPESampler(seed=seed, n_startup_trials=0, multivariate=True, constant_liar=True)


def _gp(seed: int) -> BaseSampler:
    """A Gaussian process with expected improvement; what not every trial had to choose is TPE's."""
    return GPSampler(
        seed=seed, n_startup_trials=0, independent_sampler=_tpe(seed), warn_independent_sampling=False
    )


def _cmaes(trials: Sequence[FrozenTrial]) -> Sampling:
    """CMA-ES (Hansen & Ostermeier 2001) on the numbers that every trial had to choose; the rest is TPE's.

    A study is made anew for each generation, so that the covariance is not adapted step by step but estimated from the
    best trials up to now, as in a warm start (Nomura et al. 2021).
    """
    known = [t for t in trials if t.state == TrialState.COMPLETE]
    numbers = [
        {n for n, d in t.distributions.items() if isinstance(d, IntDistribution) and not d.single()}
        for t in known
    ]
    names = sorted(set.intersection(*numbers)) if known else []
    if not names or len(known) < FEWEST_FOR_COVARIANCE:
        return _tpe
    sources = [
        create_trial(
            value=t.value,
            params={name: t.params[name] for name in names},
            distributions={name: t.distributions[name] for name in names},
        )
        for t in known
    ]
    return lambda seed: CmaEsSampler(
        seed=seed, source_trials=sources, independent_sampler=_tpe(seed), warn_independent_sampling=False
    )


def _nsga2(trials: Sequence[FrozenTrial]) -> Sampling:
    """A genetic algorithm with uniform crossover (NSGA-II, Deb et al. 2002), whose population are the best trials."""
    known = sum(t.state == TrialState.COMPLETE for t in trials)
    return lambda seed: NSGAIISampler(seed=seed, population_size=min(max(known, 2), ALIVE))


# For a study of these trials, what makes samplers of seeds: each ask has a new one.
SAMPLERS: Mapping[str, Callable[[Sequence[FrozenTrial]], Sampling]] = {
    "tpe": lambda trials: _tpe,
    "gp": lambda trials: _gp,
    "cmaes": _cmaes,
    "nsga2": _nsga2,
}


def suggest(
    history: Sequence[Told],
    count: int,
    seed: int,
    choose: Callable[[Chooser], None],
    sampler: str = "tpe",
) -> None:
    """Have a sampler answer `choose` so often, one trial after another, from this history."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its experimental options warn at every use
            scores = sorted((told.score for told in history if told.score is not None), reverse=True)
            alive = set(scores[:ALIVE])
            trials = [_frozen(told, told.score in alive) for told in history]
            study = optuna.create_study(direction="maximize")
            study.add_trials(trials)
            sampling = SAMPLERS[sampler](trials)
            for i in range(count):
                study.sampler = sampling(derive(seed, i) % 2**32)
                choose(_Asked(study.ask()))
    finally:
        optuna.logging.set_verbosity(verbosity)


def _frozen(told: Told, alive: bool = False) -> FrozenTrial:
    """A trial as Optuna stores it. NSGA-II knows those that are `alive` by the generation that it writes there."""
    distributions = {name: _distribution(domain) for name, domain in told.domains.items()}
    if told.score is None:
        return create_trial(state=TrialState.FAIL, params=dict(told.values), distributions=distributions)
    return create_trial(
        value=told.score,
        params=dict(told.values),
        distributions=distributions,
        system_attrs={NSGAIISampler._get_generation_key(): 0} if alive else {},
    )


def _distribution(domain: Domain) -> BaseDistribution:
    if isinstance(domain[0], str):
        return CategoricalDistribution(domain)
    low, high = domain
    return IntDistribution(int(low), int(high))


@dataclass(frozen=True)
class OptunaSearch:
    """Generations of `batch` proposals: `elites` re-evaluated on fresh replicates, the rest from Optuna's `sampler`,
    which is `tpe`, `gp`, `cmaes` or `nsga2`.

    It is told one trial per candidate, in the order of first proposal, with its canonical encoding
    and its shrunken mean; a candidate that ever failed is told as failed. The first `startup`
    candidates are stratified random samples.
    """

    space: SearchSpace
    seed: int = 0
    batch: int = 16
    elites: int = 3
    startup: int = 20
    sampler: str = "tpe"

    name = "optuna"
    independent = False
    from_space = True
    meta_trainings = ()
    shares = WHOLE
    asynchronous = False
    remark = ""

    def __post_init__(self) -> None:
        if not 0 <= self.elites < self.batch:
            raise UserError(f"expected fewer elites than the batch of {self.batch}, got {self.elites}")
        lookup(SAMPLERS, "sampler", self.sampler)

    def propose(self, generation: int, archive: Archive) -> list[Draft]:
        seed = derive(self.seed, "optuna", generation)
        if len(archive) < self.startup:
            return [Draft(self.space.sample(python_random(seed, i))) for i in range(self.batch)]
        elites = [reevaluation(c) for c in archive.best(self.elites)]
        drafts: list[Draft] = []
        suggest(
            history(self.space, archive, range(len(archive))),
            self.batch - len(elites),
            seed,
            lambda chooser: drafts.append(Draft(decode(self.space, chooser))),
            self.sampler,
        )
        return elites + drafts

    def recommend(self, k: int, archive: Archive) -> list[Candidate]:
        return archive.best(k)


def history(space: SearchSpace, archive: Archive, rows: Iterable[int]) -> list[Told]:
    """Return a trial for each of these candidates that is in the space, with its shrunken mean."""
    usable = archive.usable()
    scores = dict(zip(usable.tolist(), archive.posterior(usable).mean.tolist(), strict=True))
    encoded = [(row, _encoded(space, archive.text(row))) for row in rows]
    return [Told(*pair, scores.get(row)) for row, pair in encoded if pair is not None]


def suggested(
    space: SearchSpace, archive: Archive, rows: Iterable[int], count: int, seed: int
) -> list[Genome]:
    """Return so many genomes that the estimator suggests after these candidates."""
    genomes: list[Genome] = []
    suggest(
        history(space, archive, rows), count, seed, lambda chooser: genomes.append(decode(space, chooser))
    )
    return genomes


@lru_cache(maxsize=16384)
def _encoded(space: SearchSpace, text: str) -> tuple[dict[str, Value], dict[str, Domain]] | None:
    """A genome's choices and their domains, from its JSON text; None if it is not in the space."""
    genome = loads(text)
    if not space.contains(genome):
        return None
    values = encode(space, genome)
    return values, domains(space, values)
