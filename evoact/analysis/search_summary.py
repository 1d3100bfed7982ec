"""The summary of a run: the confirmed candidates beside the homogeneous baselines."""

import math
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from evoact.analysis.candidates import Candidate, Doubt, candidates, chosen, doubt, row_of, sign_of
from evoact.records import COMPLETED, FRESH, Result, TrainResult, in_proposal_order


@dataclass(frozen=True)
class Figures:
    """A candidate on several fresh seeds: its mean validation metric, its test metric seed by seed, and how many
    seeds failed."""

    validation: float
    test_by_seed: tuple[float, ...]
    failed: int = 0

    @property
    def seeds(self) -> int:
        return len(self.test_by_seed)

    @property
    def test(self) -> float:
        return float(np.mean(self.test_by_seed))

    @property
    def test_error(self) -> float | None:
        """The standard error of `test`; None of a single seed."""
        return float(np.std(self.test_by_seed, ddof=1)) / math.sqrt(self.seeds) if self.seeds > 1 else None


@dataclass(frozen=True)
class Confirmed:
    """A candidate on the seeds that choose, and, if it was judged, on those that judge.

    `test`, `test_error`, `seeds` and `test_by_seed` are those of the judgement if there was one. `n_parameters`
    counts the activations' own, too. `searched` if the search proposed it, `baseline` if it has one base function
    everywhere; it can be both.
    """

    candidate: int
    label: str
    heterogeneous: bool
    searched: bool
    baseline: bool
    learning_rate: float
    n_parameters: int
    chosen_on: Figures
    judged_on: Figures | None = None

    @property
    def figures(self) -> Figures:
        """Its metrics on the seeds that judge, else on those that choose."""
        return self.judged_on or self.chosen_on

    @property
    def validation(self) -> float:
        """The mean validation metric by which it was chosen."""
        return self.chosen_on.validation

    @property
    def test(self) -> float:
        return self.figures.test

    @property
    def test_error(self) -> float | None:
        return self.figures.test_error

    @property
    def test_by_seed(self) -> tuple[float, ...]:
        return self.figures.test_by_seed

    @property
    def seeds(self) -> int:
        return self.figures.seeds


@dataclass(frozen=True)
class Baseline:
    """A base function alone, at the learning rate that validated best during the search."""

    candidate: int
    label: str
    learning_rate: float
    validation: float


@dataclass(frozen=True)
class Summary:
    """`networks` counts all that were trained, `meta_trainings` how often types were learned; `structures` the
    distinct ones that the search tried, and `heterogeneous` those of them that mix several activations in a layer.
    `confirmed` holds the best by mean validation first; `set_aside` counts the candidates that are not among them
    because they failed on a seed. Their test metrics are those of `split`, a column of the leaderboard. `judge` is on
    how many further seeds the best found and the best baseline are judged (0: on those of the choice), and
    `doubt` says how sure the choice of the winner is, `baseline_doubt` that of the best baseline. `trivial` is the
    metric by split of always saying the same (`tasks.own.data_summary.trivial_metrics`), empty if it is not known.
    """

    metric: str
    direction: str
    networks: int
    meta_trainings: int
    structures: int
    heterogeneous: int
    failures: tuple[tuple[str, int], ...]
    confirmed: tuple[Confirmed, ...]
    set_aside: int
    baselines: tuple[Baseline, ...]
    trivial: Mapping[str, float] = field(default_factory=dict)
    split: str = "test_metric"
    judge: int = 0
    doubt: Doubt | None = None
    baseline_doubt: Doubt | None = None

    @property
    def winner(self) -> Confirmed | None:
        """The best confirmed candidate, found or baseline."""
        return chosen(self.confirmed)

    @property
    def best_found(self) -> Confirmed | None:
        """The best confirmed candidate that the search proposed."""
        return chosen([c for c in self.confirmed if c.searched])

    @property
    def best_baseline(self) -> Confirmed | None:
        return chosen([c for c in self.confirmed if c.baseline])


def summarise(
    results: Iterable[Result], judge: int = 0, trivial: Mapping[str, float] = MappingProxyType({})
) -> Summary:
    """Return the summary of a run's results; those of unfinished runs give what is there.

    Args:
        results: in any order
        judge: on how many further seeds what was chosen is judged, `confirm.judge` of the config
        trivial: the metric by split of always saying the same
    """
    seen = _Seen()
    for result in in_proposal_order(results):
        seen.add(result)
    reduced = candidates(map(row_of, seen.fresh))
    confirmed = _confirmed(reduced.found, seen)
    homogeneous = [c for c, shown in zip(reduced.found, confirmed, strict=True) if shown.baseline]
    return Summary(
        metric=seen.metric,
        direction=seen.direction,
        networks=seen.trained,
        meta_trainings=seen.meta_trainings,
        structures=len(np.unique(np.array(seen.structures))),
        heterogeneous=len(np.unique(np.array(seen.mixed))),
        failures=tuple(sorted(seen.failures.items())),
        confirmed=confirmed,
        set_aside=reduced.excluded,
        baselines=tuple(_baselines(seen.baselines)),
        trivial=trivial,
        split=reduced.split,
        judge=judge,
        doubt=doubt(reduced.found, reduced.direction),
        baseline_doubt=doubt(homogeneous, reduced.direction),
    )


class _Seen:
    """What a summary needs of results, of which there may be a million: little of most of them."""

    def __init__(self) -> None:
        self.metric = self.direction = ""
        self.trained = self.meta_trainings = 0
        self.failures: Counter[str] = Counter()
        self.structures, self.mixed = array("q"), array("q")  # hashes of those that were searched
        self.searched = array("q")  # candidates that worked
        self.baselines: list[TrainResult] = []  # that worked
        self.fresh: list[TrainResult] = []

    def add(self, result: Result) -> None:
        if not self.trained + self.meta_trainings:
            self.metric, self.direction = result.metric, result.direction
        if result.state != COMPLETED:
            self.failures[result.state] += 1
        if not isinstance(result, TrainResult):
            self.meta_trainings += 1
            return
        self.trained += 1
        proposal = result.proposal
        if proposal.phase in FRESH:
            self.fresh.append(result)
        elif proposal.phase == "search":
            self.structures.append(hash(proposal.structure))
            if proposal.genome.heterogeneous:
                self.mixed.append(self.structures[-1])
            if result.state == COMPLETED:
                self.searched.append(proposal.candidate)
        elif result.state == COMPLETED:
            self.baselines.append(result)


def _confirmed(found: Sequence[Candidate], seen: _Seen) -> tuple[Confirmed, ...]:
    searched = {c.number for c in found}.intersection(seen.searched)
    baselines = {r.proposal.candidate for r in seen.baselines}
    done = [r for r in seen.fresh if r.state == COMPLETED and r.proposal.phase == "confirm"]
    first = {r.proposal.candidate: r for r in reversed(done)}
    made = []
    for c in found:
        genome = first[c.number].proposal.genome
        measured = (c.chosen_on, c.judged_on)
        chosen_on, judged_on = (
            Figures(float(m.validation.mean()), tuple(m.test.tolist()), m.failed) if m and m.rows else None
            for m in measured
        )
        assert chosen_on is not None  # candidates that failed were excluded
        made.append(
            Confirmed(
                candidate=c.number,
                label=genome.label,
                heterogeneous=genome.heterogeneous,
                searched=c.number in searched,
                baseline=c.number in baselines or genome.ordinary,
                learning_rate=genome.hyperparameter("learning_rate"),
                n_parameters=first[c.number].n_parameters,
                chosen_on=chosen_on,
                judged_on=judged_on,
            )
        )
    return tuple(made)


def _baselines(done: Sequence[TrainResult]) -> list[Baseline]:
    scores: dict[int, list[TrainResult]] = {}
    for r in done:
        scores.setdefault(r.proposal.candidate, []).append(r)
    sign = sign_of(done[0].direction) if done else 1
    best: dict[str, Baseline] = {}
    for candidate, rows in scores.items():
        genome = rows[0].proposal.genome
        entry = Baseline(
            candidate,
            genome.sites[0].types[0].label,
            genome.hyperparameter("learning_rate"),
            float(np.mean([r.val_metric for r in rows])),
        )
        known = best.get(entry.label)
        if known is None or sign * entry.validation > sign * known.validation:
            best[entry.label] = entry
    return sorted(best.values(), key=lambda b: -sign * b.validation)
