"""Several objectives: what is best if a better metric costs more (NSGA-II, Deb et al. 2002)."""

from collections.abc import Sequence

import numpy as np
from deap import base, tools
from moocore import pareto_rank

from evoact.strategies.archive import Archive, Candidate


class _Individual:
    """A position among the points; DEAP compares its `fitness`, and writes its crowding distance there."""

    def __init__(self, position: int, fitness: base.Fitness):
        self.position, self.fitness = position, fitness


def crowded(points: np.ndarray, k: int) -> list[int]:
    """Return the k best of points [n, objectives], larger is better: by front, in a front the least crowded first.

    The last front from which not all are taken is thinned as in NSGA-II, by DEAP.

    >>> crowded(np.array([[3.0, 0.0], [2.0, 1.0], [1.9, 1.1], [0.0, 3.0], [1.0, 1.0]]), 4)
    [0, 3, 2, 1]
    """
    if not len(points):
        return []
    rank = pareto_rank(points, maximise=True)
    by_front = np.argsort(rank, kind="stable")
    last = rank[by_front[: max(1, k)]][-1]  # the front at which k are found
    contenders = by_front[: np.count_nonzero(rank <= last)].tolist()
    # DEAP takes the directions from the class of the fitness: all upwards.
    upwards = type("Upwards", (base.Fitness,), {"weights": (1.0,) * points.shape[1]})
    chosen = tools.selNSGA2([_Individual(i, upwards(points[i])) for i in contenders], min(k, len(contenders)))
    order = sorted(chosen, key=lambda i: (rank[i.position], -i.fitness.crowding_dist, i.position))
    return [i.position for i in order]


def best_compromises(archive: Archive, rows: np.ndarray, costs: Sequence[str], k: int) -> list[Candidate]:
    """Return at most k of the candidates at these usable rows, the best first by denoised score and costs.

    Whoever's costs are not known is left out.
    """
    spent = archive.costs(rows, costs)
    known = np.isfinite(spent).all(axis=1)
    rows, spent = rows[known], spent[known]
    scores = archive.posterior(rows).mean
    points = np.column_stack([scores, -spent])
    return [archive.candidate(int(rows[i]), float(scores[i])) for i in crowded(points, k)]
