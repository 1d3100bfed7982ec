"""The worth of candidates, given all others: a Gaussian process over compositions.

Seed noise is larger than the differences that are searched for, and most candidates are evaluated once.
The process shares strength between alike candidates, and its posterior samples (Thompson 1933) explore where
it is uncertain. The score of candidate i, evaluated n_i times, is modelled as

    y_i = f(x_i) + u_i + e_i / sqrt(n_i):   f smooth over compositions and learning rates,
                                            u_i the candidate's own, e_i seed noise,

with the variances of all three and two length scales by maximum marginal likelihood (Rasmussen & Williams
2006, chapter 5), times what earlier searches found of them if the search has a warm start. The linear algebra is
scikit-learn's.

Noise of the same size everywhere is what the model assumes. That of accuracies is, that of errors grows with the error:
where networks' errors span orders of magnitude, their spread over all would hide which of two good ones is twice as
good. So metrics that are to be small are modelled in logarithms where all are above 0, and training losses with them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evoact.genomes.genome import Genome
from evoact.strategies.archive import Archive, Candidate
from evoact.strategies.one_blas_thread import one_thread
from evoact.strategies.shrinkage import FENCE
from evoact.strategies.surrogate.composition import composition, composition_of

if TYPE_CHECKING:
    from sklearn.gaussian_process import GaussianProcessRegressor

MOST = 512  # candidates that the process is conditioned on
FEWEST = 8  # below, there is nothing to be learnt
JITTER = 1e-9  # of the variance, if samples are drawn; ten times more until it suffices


@dataclass(frozen=True)
class Beliefs:
    """A joint posterior over some candidates: `mean` [candidates], `covariance` [candidates, candidates]."""

    mean: np.ndarray
    covariance: np.ndarray

    @one_thread
    def draws(self, count: int, random: np.random.Generator) -> np.ndarray:
        """Return samples of all scores together, [count, candidates]."""
        n = len(self.mean)
        jitter = JITTER * max(float(np.trace(self.covariance)) / n, 1e-300)
        while True:
            try:
                root = np.linalg.cholesky(self.covariance + jitter * np.eye(n))
                return self.mean + random.standard_normal((count, n)) @ root.T
            except np.linalg.LinAlgError:
                jitter *= 10


@dataclass(frozen=True)
class Surrogate:
    """A process that has learnt from the candidates of an archive at `rows`, whose points are `x`. What it says of
    `errors` is on the scale of `_in_logarithms`."""

    archive: Archive
    rows: np.ndarray
    x: np.ndarray
    process: "GaussianProcessRegressor"
    centre: float
    scale: float
    errors: bool = False

    @one_thread
    def beliefs(self, positions: np.ndarray, genomes: Sequence[Genome] = ()) -> Beliefs:
        """Return the posterior over the candidates at these positions of `rows`, then over new genomes."""
        new = _at([composition(genome) for genome in genomes], len(self.x)) if genomes else self.x[:0]
        mean, covariance = self.process.predict(np.concatenate([self.x[positions], new]), return_cov=True)
        return Beliefs(self.centre + self.scale * mean, self.scale**2 * covariance)

    @one_thread
    def worth(self) -> np.ndarray:
        """Return the posterior mean of the candidates at `rows`."""
        mean: np.ndarray = self.centre + self.scale * self.process.predict(self.x)
        return mean

    def hyperparameters(self) -> tuple[float, ...]:
        """Return what later searches may expect, whatever their task, functions and widths."""
        from evoact.strategies.surrogate.gaussian_process import learnt

        return learnt(self.process)

    def best(self, k: int) -> list[Candidate]:
        """Return at most k of the candidates, the best posterior mean first."""
        worth = self.worth()
        order = np.lexsort((self.rows, -worth))[:k]
        worth = -np.exp(-worth) if self.errors else worth
        return [self.archive.candidate(int(self.rows[i]), float(worth[i])) for i in order]


def surrogate(archive: Archive) -> Surrogate | None:
    """Return what can be learnt from an archive; None if that is too little.

    A function of the set of results alone.
    """
    rows = _learnt_from(archive)
    if len(rows) < FEWEST:
        return None
    means, counts = archive.scores(rows)
    errors = archive.minimised and bool((means < 0).all())
    first = _standardised(_in_logarithms(means) if errors else means)
    if first is None:
        return None
    from evoact.strategies.surrogate.gaussian_process import fitted  # scikit-learn takes a second to import

    x = _at([composition_of(archive.text(row)) for row in rows.tolist()], 0)
    learnt = x.copy()
    learnt[:, -1] = 1 / counts  # what is asked for later is the worth, without noise
    values, centre, scale = first
    worths = -archive.losses(rows)
    known = np.isfinite(worths)
    if errors and (worths[known] < 0).all():
        worths[known] = _in_logarithms(worths[known])
    second = _standardised(worths[known]) if known.sum() >= FEWEST else None
    if second is not None:
        further = learnt[known].copy()
        further[:, -2] = 1
        learnt, values = np.concatenate([learnt, further]), np.concatenate([values, second[0]])
    return Surrogate(archive, rows, x, fitted(learnt, values, archive.surrogates), centre, scale, errors)


def _in_logarithms(worths: np.ndarray) -> np.ndarray:
    """Return negated errors on a logarithmic scale, larger being better, as before."""
    return np.asarray(-np.log(-worths))


def _standardised(values: np.ndarray) -> tuple[np.ndarray, float, float] | None:
    """Values with mean 0 and variance 1, and these two before; None if they hardly differ.

    Broken networks are bad, how bad does not matter.
    """
    middle, upper = np.quantile(values, [0.5, 0.84])
    values = np.maximum(values, middle - FENCE * (upper - middle))
    centre, scale = float(values.mean()), float(values.std())
    if not scale > 1e-12 * max(1.0, abs(centre)):
        return None
    return (values - centre) / scale, centre, scale


def recommended(archive: Archive, k: int) -> list[Candidate]:
    """Return at most k candidates, the best denoised score first: by the surrogate, or by shrunken means alone; those
    that were promoted furthest, if some were.
    """
    model = None if archive.rungs().any() else surrogate(archive)
    return archive.best(k) if model is None else model.best(k)


def _learnt_from(archive: Archive) -> np.ndarray:
    """The usable candidates to learn from: all, or the better half of `MOST` and as many evenly from the rest.

    Scores after trainings of different lengths do not compare: if some were promoted, the longest with enough
    candidates counts (Falkner et al. 2018).
    """
    rows = archive.usable()
    rungs = archive.rungs()[rows]
    enough = [rung for rung in np.unique(rungs) if (rungs == rung).sum() >= FEWEST]
    rows = rows[rungs == max(enough)] if enough else rows[:0]
    if len(rows) <= MOST:
        return rows
    order = rows[np.argsort(-archive.posterior(rows).mean, kind="stable")]
    rest = order[MOST // 2 :]
    spread = np.linspace(0, len(rest) - 1, MOST - MOST // 2).astype(int)
    return np.sort(np.concatenate([order[: MOST // 2], rest[spread]]))


def _at(compositions: Sequence[tuple[np.ndarray, float]], first: int) -> np.ndarray:
    """Points as `gaussian_process.Covariance` takes them, numbered from `first`, without noise."""
    places = np.array([place for place, _ in compositions])
    rates = [rate for _, rate in compositions]
    numbers = np.arange(first, first + len(compositions))
    nothing = np.zeros(len(compositions))
    return np.column_stack([places, rates, numbers, nothing, nothing])
