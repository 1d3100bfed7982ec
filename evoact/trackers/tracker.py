"""What a tracker is told of a run, and the protocol that it has.

A tracker lives in a thread of its own, in which it may wait; what it raises ends it, not the run.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class Begun:
    """A run that begins, or goes on.

    `before` is what the tracker itself calls the run since an earlier process (`Tracker.run`), empty if it has not seen
    it; it has been told of the first `seen` networks. `folder` is the run directory, if it is on this machine.
    """

    name: str
    folder: Path | None
    config: Mapping[str, Any]
    facts: Mapping[str, str]
    before: str = ""
    seen: int = 0


@dataclass(frozen=True)
class Point:
    """A network's numbers: the `step`-th of the run, finished at `time` (seconds since 1970), of one `part` of a
    comparison (empty in a search)."""

    step: int
    time: float
    part: str
    values: Mapping[str, float]

    def named(self) -> Mapping[str, float]:
        """Return the numbers under names that are unlike those of other parts.

        >>> Point(1, 0.0, "hulls-2", {"search/validation": 0.5}).named()
        {'hulls-2/search/validation': 0.5}
        """
        return {f"{self.part}/{name}": v for name, v in self.values.items()} if self.part else self.values


@dataclass(frozen=True)
class Ended:
    """How a run ended: `complete`, stopped before, or with an `error`; what it found, and where its files are; no name
    is in both."""

    complete: bool
    error: str
    verdict: str
    found: Mapping[str, float | str]
    files: Mapping[str, str]

    def summary(self) -> dict[str, float | str]:
        """Return all of it, under one name each."""
        texts = {"verdict": self.verdict, "error": self.error, **self.files}
        return {**self.found, **{name: text for name, text in texts.items() if text}}


class Tracker(Protocol):
    """Shows a run. Made of a `Begun` and its own options."""

    @property
    def run(self) -> str:
        """What the tracker calls the run, by which a later process goes on with it."""
        ...

    def observe(self, points: Sequence[Point]) -> None:
        """Take in networks, in the order of their steps."""
        ...

    def end(self, ended: Ended) -> None:
        """Take in how the run ended; nothing comes after it."""
        ...


def flat(config: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of a config by their paths.

    >>> dict(flat({"seed": 1, "training": {"steps": 500, "optimizer": {"name": "adam"}}}))
    {'seed': 1, 'training.steps': 500, 'training.optimizer.name': 'adam'}
    """
    for key, value in config.items():
        name = f"{path}.{key}" if path else str(key)
        if isinstance(value, Mapping) and value:
            yield from flat(value, name)
        else:
            yield name, value
