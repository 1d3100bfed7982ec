"""How busy many workers are kept: a model with six numbers, fitted to some measurements and checked against others.

With W workers whose packs last T seconds, and `a + (K - 1) c` seconds of the driver for a pack of K networks:

- between two packs a worker waits `r + w W` seconds: for the round trip, and for others that are served first;
- the driver spends `a + b T / W` seconds of a processor on a pack of one network: `b` a second, whatever happens, go to
  Ray's threads and Tune's loop;
- until a pack's rows are durable, the driver waits `s` seconds for the disk;
- workers are busy for T / (T + r + w W) of their time, unless the driver is busy all the time: then for
  T (1 - b) / (W (a + s + (K - 1) c));
- a generation of G packs takes its workers ceil(G / W) rounds and `e` seconds in which the next one is proposed.

`c`, for each further network of a pack, is what `driver.py` measures.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Point:
    """What was measured with so many workers and seconds a pack: the share of time that they were busy, and the
    driver's seconds of a processor for a pack. `generation` packs are proposed together (0: as many as are wanted);
    for `stored` seconds the driver waited for the disk, each pack."""

    workers: int
    seconds: float
    busy: float
    driver: float = 0.0
    generation: int = 0
    stored: float = 0.0


@dataclass(frozen=True)
class Model:
    """`a`, `b`, `r`, `w`, `e` and `s` as above; all but b in seconds."""

    a: float
    b: float
    r: float
    w: float
    e: float = 0.0
    s: float = 0.0

    def waits(self, workers: int) -> float:
        """Return the seconds for which a worker waits between two packs."""
        return self.r + self.w * workers

    def driver(self, workers: int, seconds: float) -> float:
        """Return the driver's seconds of a processor for a pack of one network."""
        return self.a + self.b * seconds / workers

    def most_workers(self, seconds: float, further: float = 0.0) -> float:
        """Return how many workers a driver that is busy all the time supplies; `further` seconds go to the further
        networks of a pack."""
        return seconds * (1 - self.b) / (self.a + self.s + further)

    def busy(self, workers: int, seconds: float, generation: int = 0, further: float = 0.0) -> float:
        """Return the share of their time that workers are busy."""
        share = min(seconds / (seconds + self.waits(workers)), self.most_workers(seconds, further) / workers)
        if not generation:
            return share
        rounds = math.ceil(generation / workers)
        return generation / workers * seconds / (rounds * seconds / share + self.e)


def fitted(points: Sequence[Point]) -> Model:
    """Return the model by least squares: of the waits and the driver's times, then of the generations' ends.

    >>> truth = Model(0.004, 0.02, 0.01, 0.0005, 0.05)
    >>> points = [
    ...     Point(n, s, truth.busy(n, s, g), truth.driver(n, s), g)
    ...     for n, s, g in [(2, 1.0, 0), (8, 1.0, 0), (32, 1.0, 0), (2, 10.0, 0), (8, 1.0, 8)]
    ... ]
    >>> [round(value, 6) for value in (lambda m: (m.a, m.b, m.r, m.w, m.e))(fitted(points))]
    [0.004, 0.02, 0.01, 0.0005, 0.05]
    """
    steady = [p for p in points if not p.generation]
    waits = [p.seconds * (1 / p.busy - 1) for p in steady]
    r, w = _least_squares([[1.0, p.workers] for p in steady], waits)
    a, b = _least_squares([[1.0, p.seconds / p.workers] for p in steady], [p.driver for p in steady])
    model = Model(a, b, r, w, s=float(np.mean([p.stored for p in steady])))
    ends = []
    for p in points:
        if p.generation:
            round_seconds = p.seconds / model.busy(p.workers, p.seconds)
            whole = p.generation / p.workers * p.seconds / p.busy
            ends.append(whole - math.ceil(p.generation / p.workers) * round_seconds)
    return replace(model, e=max(0.0, float(np.mean(ends))) if ends else 0.0)


def _least_squares(rows: Sequence[Sequence[float]], wanted: Sequence[float]) -> tuple[float, float]:
    """The two factors, neither below 0, which they cannot be: one that would be is 0."""
    matrix, right = np.array(rows), np.array(wanted)
    both = np.linalg.lstsq(matrix, right, rcond=None)[0]
    if both.min() >= 0:
        return float(both[0]), float(both[1])
    alone = [float(max(0.0, column @ right / (column @ column))) for column in matrix.T]
    left = [np.sum((matrix[:, i] * alone[i] - right) ** 2) for i in range(2)]
    return (alone[0], 0.0) if left[0] <= left[1] else (0.0, alone[1])


def lines(model: Model, points: Sequence[Point], held_out: Sequence[Point], network: float) -> list[str]:
    """Return the model, its differences from measurements, and what it says of more workers, as text.

    Args:
        model: of `points`
        points: that it was fitted to
        held_out: others
        network: seconds of the driver for each further network of a pack
    """
    text = [
        f"model: the driver {1000 * model.a:.2f} ms a pack, {100 * model.b:.1f} % of a processor whatever happens, and "
        f"{1000 * model.s:.1f} ms a pack for the disk; a worker waits "
        f"{1000 * model.r:.1f} ms and {1000 * model.w:.2f} ms for each worker there is; the end of a generation takes "
        f"{1000 * model.e:.0f} ms",
        "workers  pack s  generation   busy  model   driver ms  model",
    ]
    for name, chosen in (("fitted to", points), ("held out", held_out)):
        text.append(name)
        for p in chosen:
            busy, driver = model.busy(p.workers, p.seconds, p.generation), model.driver(p.workers, p.seconds)
            text.append(
                f"{p.workers:7} {p.seconds:7g} {p.generation or '':>11} {p.busy:6.3f} {busy:6.3f} "
                f"{1000 * p.driver:11.2f} {1000 * driver:6.2f}"
            )
    most = max(abs(p.busy - model.busy(p.workers, p.seconds, p.generation)) for p in held_out)
    text.append(f"held out, the largest difference of the busy share is {most:.3f}")
    text.append("busy share that the model expects, packs of 16:")
    text.append("workers " + "".join(f"{seconds:8g} s" for seconds in TABLE_SECONDS))
    for workers in TABLE_WORKERS:
        shares = (model.busy(workers, seconds, further=15 * network) for seconds in TABLE_SECONDS)
        text.append(f"{workers:7,} " + "".join(f"{share:10.3f}" for share in shares))
    return text


TABLE_WORKERS = (16, 64, 256, 1_000, 4_000, 10_000)
TABLE_SECONDS = (1.0, 10.0, 60.0, 300.0, 1800.0)
