"""Several objectives: who is best where a better metric costs more (NSGA-II, Deb et al. 2002)."""

from collections.abc import Sequence

import numpy as np
from deap import base, tools

from evoact.strategies.archive import Archive, Candidate


class _Individual:
    """A position among the points; DEAP compares its `fitness`, and writes its crowding distance there."""

    def __init__(self, position: int, fitness: base.Fitness):
        self.position, self.fitness = position, fitness


def crowded(points: np.ndarray, k: int) -> list[int]:
    """The k best of points [n, objectives], larger is better: by front, in a front the loneliest first.

    The last front from which not all are taken is thinned as in NSGA-II, by DEAP.

    >>> crowded(np.array([[3.0, 0.0], [2.0, 1.0], [1.9, 1.1], [0.0, 3.0], [1.0, 1.0]]), 4)
    [0, 3, 2, 1]
    """
    fronts = _fronts(points, k)
    front_of = {i: number for number, front in enumerate(fronts) for i in front.tolist()}
    # DEAP takes the directions from the class of the fitness: all upwards.
    upwards = type("Upwards", (base.Fitness,), {"weights": (1.0,) * points.shape[1]})
    some = [_Individual(i, upwards(points[i])) for i in front_of]
    chosen = tools.selNSGA2(some, min(k, len(some)))
    order = sorted(chosen, key=lambda i: (front_of[i.position], -i.fitness.crowding_dist, i.position))
    return [i.position for i in order]


def _fronts(points: np.ndarray, k: int) -> list[np.ndarray]:
    """Indices by front, best first, until there are k: DEAP compares all pairs, which among thousands takes minutes."""
    left, fronts, found = np.arange(len(points)), [], 0
    while found < k and len(left):
        best = left[_undominated(points[left])]
        fronts.append(best)
        found += len(best)
        left = np.setdiff1d(left, best)
    return fronts


def _undominated(points: np.ndarray) -> np.ndarray:
    """Indices of the points that no other one dominates, ascending."""
    left, at = np.argsort(-points.sum(axis=1), kind="stable"), 0
    while at < len(left):
        one = points[left[at]]
        kept = (points[left] > one).any(axis=1) | (points[left] == one).all(axis=1)
        at = int(kept[: at + 1].sum())
        left = left[kept]
    return np.sort(left)


def best_compromises(archive: Archive, rows: np.ndarray, costs: Sequence[str], k: int) -> list[Candidate]:
    """At most k of the candidates at these usable rows, the best first by denoised score and costs.

    Whoever's costs are not known is left out.
    """
    spent = archive.costs(rows, costs)
    known = np.isfinite(spent).all(axis=1)
    rows, spent = rows[known], spent[known]
    scores = archive.posterior(rows).mean
    points = np.column_stack([scores, -spent])
    return [archive.candidate(int(rows[i]), float(scores[i])) for i in crowded(points, k)]
