"""What trackers are shown of each network: its own numbers, and the best so far."""

import math
from collections.abc import Iterable

from evoact.records import COMPLETED, Result, TrainResult, path_name
from evoact.trackers.tracker import Point

# Of a result, under the phase and these names.
SHOWN = {
    "validation": "val_metric",
    "test": "test_metric",
    "test_large": "test_large_metric",
    "train_loss": "train_loss",
    "train_seconds": "train_seconds",
}


class Numbers:
    """Makes points of results, one after the other as they are stored; it counts them, and knows the best."""

    def __init__(self) -> None:
        self._best: dict[tuple[str, str], float] = {}
        self._step = self._failures = self._examples = 0

    def points(self, results: Iterable[Result]) -> list[Point]:
        """Return a point of each result."""
        return [self._point(result) for result in results]

    def _point(self, result: Result) -> Point:
        proposal = result.proposal
        part = f"{path_name(proposal.arm)}-{proposal.repeat}" if proposal.arm else ""
        self._step += 1
        self._failures += result.state != COMPLETED
        self._examples += result.gradient_examples
        values = {name: getattr(result, field, None) for name, field in SHOWN.items()}
        if isinstance(result, TrainResult) and result.state == COMPLETED and result.val_metric is not None:
            better = max if result.direction == "maximize" else min
            known = self._best.get((part, proposal.phase), result.val_metric)
            values["best_validation"] = self._best[part, proposal.phase] = better(known, result.val_metric)
        shown = {
            f"{proposal.phase}/{name}": float(value)
            for name, value in values.items()
            if value is not None and math.isfinite(value)
        }
        shown |= {"failures": float(self._failures), "gradient_examples": float(self._examples)}
        return Point(self._step, result.finished_at, part, shown)
