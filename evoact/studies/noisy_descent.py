"""Noisy descent: an overdamped particle whose noise is aligned with the Hessian (Choudhary et al. 2022, Fig. 9).

    evoact study noisy_descent [-o FILE.svg] [--rate 0.03] [--batch 10] [--particles 400]

draws paths from one start under several realisations of the noise, coloured by time, beside two controls: isotropic
noise that is everywhere as strong as the aligned noise is there (of the same trace), which tells direction from local
strength, and isotropic noise of one strength, the mean of the former. It prints in which kind of minimum particles
end. The Langevin equation is

    d theta = -grad L dt + sqrt(2 D) dW,   D = (rate / batch) L(theta) H(theta*),

with theta* the nearest minimum: the paper's equation 8, up to the convention for the factor 2. The landscape is of
our making: elongated wells of one depth, some narrow and some wide, in a bowl.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from evoact.studies.figures import MOMENTS, Panel, moment, save
from evoact.svg import Scale, ellipse, mark, path

Noise = Callable[[np.ndarray], np.ndarray]  # D^(1/2) of states [n, 2]: [n, 2, 2]
POINTS, REACH = 120, 3.0  # of a path in the picture; of the picture
ALONG, LOCAL, EVEN = "along the Hessian", "isotropic, as strong", "isotropic, even"
START = np.array([1.6, 0.0])  # a narrow minimum


@dataclass(frozen=True)
class Landscape:
    """L = floor + bowl |x|^2 / 2 + sum_i depth (1 - exp(-(x - c_i)' P_i (x - c_i) / 2)), with centres c [m, 2] and the
    inverses P of squared widths w [m, 2] along two axes, the first at an angle [m]: m minima, the sharper the narrower.

    >>> landscape = Landscape(np.zeros((1, 2)), np.array([[0.5, 1.0]]), np.zeros(1))
    >>> landscape.loss(np.zeros((1, 2))).tolist(), landscape.gradient(np.zeros((1, 2))).tolist()
    ([0.05], [[0.0, 0.0]])
    """

    centres: np.ndarray
    widths: np.ndarray
    angles: np.ndarray
    depth: float = 1.0
    bowl: float = 0.1
    floor: float = 0.05

    @cached_property
    def sharpness(self) -> np.ndarray:
        """P: [m, 2, 2]"""
        c, s = np.cos(self.angles), np.sin(self.angles)
        axes = np.stack([np.stack([c, s], axis=1), np.stack([-s, c], axis=1)], axis=1)
        return np.einsum("mki,mk,mkj->mij", axes, self.widths**-2.0, axes)

    def _wells(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """P_i (x - c_i) [n, m, 2], and depth exp(...) [n, m]."""
        offset = x[:, None] - self.centres
        scaled = np.einsum("mij,nmj->nmi", self.sharpness, offset)
        return scaled, self.depth * np.exp(-(scaled * offset).sum(axis=2) / 2)

    def loss(self, x: np.ndarray) -> np.ndarray:
        """Return the loss: [n, 2] -> [n]."""
        _, well = self._wells(x)
        return self.floor + self.bowl * np.square(x).sum(axis=1) / 2 + (self.depth - well).sum(axis=1)

    def gradient(self, x: np.ndarray) -> np.ndarray:
        """Return the gradient: [n, 2] -> [n, 2]."""
        scaled, well = self._wells(x)
        return self.bowl * x + (scaled * well[:, :, None]).sum(axis=1)

    def hessian(self, x: np.ndarray) -> np.ndarray:
        """Return the Hessian: [n, 2] -> [n, 2, 2]."""
        scaled, well = self._wells(x)
        outer = scaled[:, :, :, None] * scaled[:, :, None, :]
        curved = self.sharpness - outer
        return self.bowl * np.eye(2) + (well[:, :, None, None] * curved).sum(axis=1)

    def nearest(self, x: np.ndarray) -> np.ndarray:
        """Return the index of the well that each of x [n, 2] is nearest to."""
        return np.square(x[:, None] - self.centres).sum(axis=2).argmin(axis=1)


def landscape() -> Landscape:
    """Return three narrow and three wide wells, in turns on a circle of radius 1.6, each twice as wide in one direction
    as in the other; where they point is the same for both kinds: outwards, and turned by a sixth and a third of a
    circle.
    """
    angles = np.pi / 3 * np.arange(6)
    centres = 1.6 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    widths = np.array([[0.16, 0.32], [0.36, 0.72]] * 3)
    return Landscape(centres, widths, angles + np.pi / 3 * np.repeat(np.arange(3), 2))


def aligned(where: Landscape, strength: float) -> Noise:
    """Return D = strength L(x) H(x*), the minima x* being about at the centres of wells."""
    values, vectors = np.linalg.eigh(where.hessian(where.centres))
    roots = np.einsum("nij,nj,nkj->nik", vectors, np.sqrt(values), vectors)

    def root(x: np.ndarray) -> np.ndarray:
        return np.sqrt(strength * where.loss(x))[:, None, None] * roots[where.nearest(x)]

    return root


def as_strong(noise: Noise) -> Noise:
    """Return isotropic noise of the same trace at every place."""

    def root(x: np.ndarray) -> np.ndarray:
        trace = np.square(noise(x)).sum(axis=(1, 2))
        return np.sqrt(trace / 2)[:, None, None] * np.eye(2)

    return root


def isotropic(strength: float) -> Noise:
    """Return D = strength I."""
    return lambda x: np.broadcast_to(np.sqrt(strength) * np.eye(2), (len(x), 2, 2))


def descend(
    where: Landscape, noise: Noise, starts: np.ndarray, steps: int, dt: float, seed: int
) -> tuple[np.ndarray, float]:
    """Return paths [steps + 1, n, 2] by the Euler-Maruyama scheme, and the mean of tr D / 2 along them."""
    rng = np.random.default_rng(seed)
    path, strength = [starts], 0.0
    for _ in range(steps):
        x = path[-1]
        root = noise(x)
        strength += float(np.square(root).sum(axis=(1, 2)).mean()) / 2 / steps
        kick = np.einsum("nij,nj->ni", root, rng.standard_normal(x.shape))
        path.append(x - dt * where.gradient(x) + np.sqrt(2 * dt) * kick)
    return np.stack(path), strength


def share_in_wide(where: Landscape, x: np.ndarray) -> float:
    """Return how many of x [n, 2] are nearest to a wide well."""
    area = where.widths.prod(axis=1)
    return float((area[where.nearest(x)] > area.mean()).mean())


def compare(
    where: Landscape, rate: float, batch: int, particles: int, steps: int = 3000, dt: float = 0.01
) -> dict[str, np.ndarray]:
    """Return paths by the kind of noise; all from `START`, with the same draws."""
    starts = np.repeat(START[None], particles, axis=0)
    noise = aligned(where, rate / batch)
    along, strength = descend(where, noise, starts, steps, dt, seed=0)
    return {
        ALONG: along,
        LOCAL: descend(where, as_strong(noise), starts, steps, dt, seed=0)[0],
        EVEN: descend(where, isotropic(strength), starts, steps, dt, seed=0)[0],
    }


def draw(where: Landscape, found: Mapping[str, np.ndarray], file: str, shown: int = 4) -> None:
    """Some paths of each kind over the wells, from violet to red in time."""

    def panel(title: str, paths: np.ndarray) -> Panel:
        chosen = paths[:: max(1, len(paths) // POINTS), :shown]
        return Panel(title, (-REACH, REACH), (-REACH, REACH), lambda x, y: _marks(where, chosen, x, y))

    described = "Ellipses are wells, at one and two of their widths; dots are where particles end"
    panels = [panel(title, paths) for title, paths in found.items()]
    save(panels, file, "Paths of particles, from violet to red in time", described)


def _marks(where: Landscape, paths: np.ndarray, x: Scale, y: Scale) -> list[str]:
    """The wells, and paths [points, n, 2] over them."""
    pixel = x(1) - x(0)
    parts = [
        ellipse(x(cx), y(cy), k * pixel * first, k * pixel * second, -np.degrees(angle), "outline")
        for (cx, cy), (first, second), angle in zip(where.centres, where.widths, where.angles, strict=True)
        for k in (1, 2)
    ]
    for one in paths.transpose(1, 0, 2):
        xs, ys = [x(v) for v in one[:, 0]], [y(v) for v in one[:, 1]]
        borders = np.linspace(0, len(one) - 1, MOMENTS + 1).astype(int)
        for i, (a, b) in enumerate(pairwise(borders)):
            parts.append(path(xs[a : b + 1], ys[a : b + 1], f"line {moment(i, MOMENTS)}"))
        parts.append(mark(xs[-1], ys[-1], 0, "dot", size=2.5))
    return parts
