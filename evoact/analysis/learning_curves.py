"""Learning curves of the networks on fresh seeds, averaged over these."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from evoact.records import FRESH


@dataclass(frozen=True)
class LearningCurve:
    """The means over so many networks of a candidate, or of an arm, at `steps` [points]: the metric on samples
    of the validation and of the training split."""

    steps: np.ndarray
    validation: np.ndarray
    training: np.ndarray
    networks: int


def mean_curves(points: pd.DataFrame, by: str) -> dict[object, LearningCurve]:
    """Return the mean curve of each candidate, or of each arm, over its networks on fresh seeds.

    Args:
        points: rows of the table `curves`
        by: the column that tells them apart, `candidate` or `arm`

    >>> points = pd.DataFrame({"candidate": 3, "arm": "", "repeat": 0, "phase": "confirm", "seed": [1, 1, 2, 2],
    ...     "step": [5, 10, 5, 10], "val_metric": [0.1, 0.3, 0.3, 0.5], "train_metric": 1.0})
    >>> curve = mean_curves(points, "candidate")[3]
    >>> curve.steps.tolist(), curve.validation.round(6).tolist(), curve.networks
    ([5, 10], [0.2, 0.4], 2)
    """
    fresh = points[points["phase"].isin(FRESH)]
    found = {}
    for name, own in fresh.groupby(by, sort=False):
        means = own.groupby("step")[["val_metric", "train_metric"]].mean().sort_index()
        networks = own[["repeat", "candidate", "seed"]].drop_duplicates()
        found[name] = LearningCurve(
            means.index.to_numpy(),
            means["val_metric"].to_numpy(),
            means["train_metric"].to_numpy(),
            len(networks),
        )
    return found
