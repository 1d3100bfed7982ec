"""All that a search has learnt: one entry per distinct candidate, with its scores, and each meta-training.

Strategies propose from the archive alone, and the archive is a function of the set of results that
entered it, in proposal order; that is what makes replay exact. It keeps a short text per candidate,
no objects, so that a hundred thousand of them stay small.
"""

import math
import sys
import zlib
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from evoact.genomes.genome import Genome, dumps, loads, shared, structure
from evoact.records import MetaTrainResult, Result, TrainProposal, TrainResult, in_proposal_order
from evoact.strategies.shrinkage import Posterior, posterior

ASIDE = "aside"  # the context of networks that a strategy learns from and that are no candidates
# Columns that a candidate is the better for, the smaller they are; of several evaluations the smallest counts, because
# nothing makes a step faster than it is.
COSTS = ("n_parameters", "step_seconds_solo")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A candidate as seen from outside: its id, genome, denoised score and number of evaluations, and the context
    in which it was first proposed."""

    index: int
    genome: Genome
    fingerprint: str
    score: float
    evaluations: int
    context: str = ""


class Archive:
    """Candidates in order of first result; `row` below is a candidate's position in it.

    `surrogates` is what was known before the first result: the hyperparameters of earlier searches' surrogates.
    """

    def __init__(self, surrogates: Sequence[Sequence[float]] = ()) -> None:
        self.surrogates = surrogates
        self.rows: dict[str, int] = {}
        self.by_context: dict[str, dict[int, None]] = {}  # rows, in order of first result
        self.meta_trained: list[MetaTrainResult] = []
        self.latest: list[Result] = []
        self.beginnings = 0
        self.minimised = False  # whether scores are negated: smaller metrics are better
        self.aside: list[TrainResult] = []
        self._texts = Texts()
        self._contexts: list[str] = []
        self._fingerprints: list[str] = []
        self._indices = array("q")
        self._counts = array("q")
        self._failures = array("q")
        self._rungs = array("q")
        self._means = array("d")
        self._squares = array("d")
        self._losses = array("d")
        self._costs = {name: array("d") for name in COSTS}

    @classmethod
    def of(cls, results: Iterable[Result], surrogates: Sequence[Sequence[float]] = ()) -> "Archive":
        """Enter these results, whatever their order, in proposal order: the same set gives the same archive."""
        archive = cls(surrogates)
        for result in in_proposal_order(results):
            archive.add(result)
        return archive

    @property
    def results(self) -> int:
        """The number of results entered, failures included."""
        return sum(self._counts) + sum(self._failures)

    def __len__(self) -> int:
        return len(self._texts)

    def add(self, result: Result) -> None:
        """Enter a result. A failure, or a score that is not finite, counts against its candidate.

        A meta-training is no candidate and has no score; what a strategy set aside is none either. Of a candidate
        that was promoted the scores at its highest rung count alone.
        """
        if isinstance(result, MetaTrainResult):
            self.meta_trained.append(result)
            return
        self.minimised |= result.direction == "minimize"
        proposal = result.proposal
        if proposal.context == ASIDE:
            self.aside.append(replace(result, learned={}))  # those of all probes would not stay small
            return
        row = self.rows.get(proposal.fingerprint)
        if row is None:
            row = self._new(proposal)
        if proposal.context:
            self.by_context.setdefault(proposal.context, {})[row] = None
        if proposal.rung > self._rungs[row]:
            self._rungs[row], self._counts[row] = proposal.rung, 0
            self._means[row] = self._squares[row] = self._losses[row] = 0.0
        score = result.score
        if score is None or not math.isfinite(score):
            self._failures[row] += 1
            return
        if proposal.rung < self._rungs[row]:
            return
        for name, known in self._costs.items():
            if (spent := getattr(result, name)) is not None:
                known[row] = min(spent, known[row]) if known[row] == known[row] else spent
        self._counts[row] += 1  # Welford 1962
        step = score - self._means[row]
        self._means[row] += step / self._counts[row]
        self._squares[row] += step * (score - self._means[row])
        loss = math.nan if result.train_loss is None else result.train_loss
        self._losses[row] += (loss - self._losses[row]) / self._counts[row]

    def add_generation(self, results: Sequence[Result], promotes: bool = True) -> None:
        """Enter all results of a generation; `beginnings` counts generations of which none was promoted.

        They are `latest` then: all of them if the search promotes networks, else the probes alone, of which the next
        networks are made. Generations of long searches are large, and nobody asks for the others again.
        """
        for result in results:
            self.add(result)
        self.latest = [r for r in results if promotes or (isinstance(r, TrainResult) and r.discretised)]
        self.beginnings += all(r.proposal.rung == 0 for r in results)

    def _new(self, first: TrainProposal) -> int:
        row = len(self._texts)
        self.rows[first.fingerprint] = row
        self._texts.append(dumps(first.genome))
        self._contexts.append(sys.intern(first.context))
        self._fingerprints.append(first.fingerprint)
        self._indices.append(first.candidate)
        self._counts.append(0)
        self._failures.append(0)
        self._rungs.append(0)
        self._means.append(0.0)
        self._squares.append(0.0)
        self._losses.append(0.0)
        for known in self._costs.values():
            known.append(math.nan)
        return row

    def genome(self, row: int) -> Genome:
        return _genome(self.text(row))

    def text(self, row: int) -> str:
        """Return the genome as compact JSON."""
        return self._texts[row]

    def index(self, row: int) -> int:
        """Return the candidate's id in the run."""
        return self._indices[row]

    def evaluations(self, row: int) -> int:
        """Return how many usable scores it has."""
        return self._counts[row]

    def rungs(self) -> np.ndarray:
        """Return the highest rung of every candidate: how often it was promoted."""
        return np.array(self._rungs, dtype=int)

    def usable(self) -> np.ndarray:
        """Return rows that have a score and never failed: the only ones to breed from or to return."""
        counts, failures = np.array(self._counts), np.array(self._failures)
        return np.flatnonzero((counts > 0) & (failures == 0))

    def youngest(self, k: int) -> np.ndarray:
        """Return at most k usable rows, those whose first result came last, ascending."""
        found: list[int] = []
        for row in reversed(range(len(self))):
            if len(found) == k:
                break
            if self._counts[row] and not self._failures[row]:
                found.append(row)
        return np.array(found[::-1], dtype=int)

    def posterior(self, rows: np.ndarray) -> Posterior:
        """Return the denoised scores of these usable rows, in their order."""
        return posterior(
            np.array(self._means)[rows], np.array(self._counts)[rows], np.array(self._squares)[rows]
        )

    def scores(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean scores of these usable rows, and how many each is the mean of."""
        return np.array(self._means)[rows], np.array(self._counts)[rows]

    def losses(self, rows: np.ndarray) -> np.ndarray:
        """Return mean training losses of these usable rows; NaN if one is not known."""
        return np.array(self._losses)[rows]

    def costs(self, rows: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """Return what each of these candidates costs [rows, names], of `COSTS`; NaN if it is not known."""
        return np.column_stack([np.array(self._costs[name])[rows] for name in names])

    def best(self, k: int, rows: np.ndarray | None = None) -> list[Candidate]:
        """Return at most k usable candidates, the best denoised score first; ties go to the more often evaluated. Of
        some usable `rows` alone, if they are given.

        Whoever was promoted further comes first: scores at different rungs do not compare.
        """
        rows = self.usable() if rows is None else rows
        scores = self.posterior(rows).mean
        rungs = self.rungs()[rows]
        if not rungs.any() and 0 < k < len(rows):  # only those that can be among the best need sorting
            near = scores >= np.partition(scores, len(rows) - k)[len(rows) - k]
            rows, scores, rungs = rows[near], scores[near], rungs[near]
        counts = np.array(self._counts)[rows]
        order = np.lexsort((rows, -counts, -scores, -rungs))[:k]
        return [self.candidate(int(rows[i]), float(scores[i])) for i in order]

    def candidate(self, row: int, score: float) -> Candidate:
        """Return the candidate there, as seen from outside, with this denoised score."""
        return Candidate(
            self._indices[row],
            self.genome(row),
            self._fingerprints[row],
            score,
            self._counts[row],
            self._contexts[row],
        )


class Texts:
    """Many lines of text that are alike, in little memory: packed, so many together."""

    TOGETHER = 16

    def __init__(self) -> None:
        self._packed: list[bytes] = []
        self._loose: list[str] = []

    def __len__(self) -> int:
        return len(self._packed) * self.TOGETHER + len(self._loose)

    def append(self, text: str) -> None:
        self._loose.append(text)
        if len(self._loose) == self.TOGETHER:
            self._packed.append(zlib.compress("\n".join(self._loose).encode(), 1))
            self._loose = []

    def __getitem__(self, row: int) -> str:
        block, place = divmod(row, self.TOGETHER)
        return (_unpacked(self._packed[block]) if block < len(self._packed) else self._loose)[place]


@lru_cache(maxsize=64)  # rows are mostly asked for one after the other
def _unpacked(packed: bytes) -> list[str]:
    return zlib.decompress(packed).decode().split("\n")


@lru_cache(maxsize=1024)
def _genome(text: str) -> Genome:
    return shared(loads(text))


def best_structures(archive: Archive, k: int) -> list[Candidate]:
    """Return the best candidate of each structure, at most k of them, best first: one learning rate each."""
    asked = k
    while True:
        best = archive.best(asked)
        first: dict[str, Candidate] = {}
        for candidate in best:
            first.setdefault(structure(candidate.genome), candidate)
        if len(first) >= k or len(best) < asked:
            return list(first.values())[:k]
        asked *= 2
