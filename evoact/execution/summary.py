"""What a run found: the confirmed candidates beside the homogeneous baselines."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from evoact.records import COMPLETED, PHASES, Result, TrainResult


@dataclass(frozen=True)
class Confirmed:
    """A candidate's means over its fresh seeds, with their standard errors where there are several.

    `test_by_seed` holds the single values of the larger test split where there is one, else of the test split.
    `n_parameters` counts the activations' own, too. `searched` if the search proposed it, `baseline` if it has
    one base function everywhere; it can be both.
    """

    candidate: int
    label: str
    heterogeneous: bool
    searched: bool
    baseline: bool
    learning_rate: float
    n_parameters: int
    validation: float
    test: float
    test_error: float | None
    test_large: float | None
    test_large_error: float | None
    seeds: int
    test_by_seed: tuple[float, ...]


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
    because they failed on a seed. `trivial` is the metric by split of always saying the same
    (`tasks.data_summary.trivial_metrics`), empty where it is not known.
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

    @property
    def winner(self) -> Confirmed | None:
        """The best confirmed candidate that the search found."""
        return next((c for c in self.confirmed if c.searched), None)

    @property
    def best_baseline(self) -> Confirmed | None:
        return next((c for c in self.confirmed if c.baseline), None)


def summarise(results: Iterable[Result], trivial: Mapping[str, float] = MappingProxyType({})) -> Summary:
    """The summary of a run's results; those of unfinished runs give what is there."""
    rows = sorted(results, key=lambda r: r.proposal.index)
    trained = [r for r in rows if isinstance(r, TrainResult)]
    done = [r for r in trained if r.state == COMPLETED]
    searched = [r for r in trained if r.proposal.phase == "search"]
    confirmed = _confirmed(done)
    tried = {r.proposal.candidate for r in rows if r.proposal.phase == "confirm"}
    return Summary(
        metric=rows[0].metric if rows else "",
        direction=rows[0].direction if rows else "",
        networks=len(trained),
        meta_trainings=len(rows) - len(trained),
        structures=len({r.proposal.structure for r in searched}),
        heterogeneous=len({r.proposal.structure for r in searched if r.proposal.genome.heterogeneous}),
        failures=tuple(sorted(Counter(r.state for r in rows if r.state != COMPLETED).items())),
        confirmed=tuple(confirmed),
        set_aside=len(tried) - len(confirmed),
        baselines=tuple(_baselines(done)),
        trivial=trivial,
    )


def _confirmed(done: Sequence[TrainResult]) -> list[Confirmed]:
    candidates = {p: {r.proposal.candidate for r in done if r.proposal.phase == p} for p in PHASES}
    groups: dict[int, list[TrainResult]] = {}
    for r in done:
        if r.proposal.phase == "confirm":
            groups.setdefault(r.proposal.candidate, []).append(r)
    # Means over different seeds do not compare: a candidate that failed on one stands aside.
    most = max(map(len, groups.values()), default=0)
    result = []
    for candidate, rows in groups.items():
        if len(rows) == most:
            large = [r.test_large_metric for r in rows if r.test_large_metric is not None]
            tests = [r.test_metric for r in rows if r.test_metric is not None]
            genome = rows[0].proposal.genome
            result.append(
                Confirmed(
                    candidate=candidate,
                    label=genome.label,
                    heterogeneous=genome.heterogeneous,
                    searched=candidate in candidates["search"],
                    baseline=candidate in candidates["baseline"] or genome.ordinary,
                    learning_rate=genome.hyperparameter("learning_rate"),
                    n_parameters=rows[0].n_parameters,
                    validation=float(np.mean([r.val_metric for r in rows])),
                    test=float(np.mean(tests)),
                    test_error=_standard_error(tests),
                    test_large=float(np.mean(large)) if large else None,
                    test_large_error=_standard_error(large),
                    seeds=len(rows),
                    test_by_seed=tuple(large or tests),
                )
            )
    sign = -1 if done and done[0].direction == "maximize" else 1
    return sorted(result, key=lambda c: (sign * c.validation, c.candidate))


def _standard_error(values: Sequence[float]) -> float | None:
    return float(np.std(values, ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else None


def _baselines(done: Sequence[TrainResult]) -> list[Baseline]:
    scores: dict[int, list[TrainResult]] = {}
    for r in done:
        if r.proposal.phase == "baseline":
            scores.setdefault(r.proposal.candidate, []).append(r)
    sign = -1 if done and done[0].direction == "maximize" else 1
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
        if known is None or sign * entry.validation < sign * known.validation:
            best[entry.label] = entry
    return sorted(best.values(), key=lambda b: sign * b.validation)
