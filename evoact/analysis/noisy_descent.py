"""Noisy descent: an overdamped particle whose noise is aligned with the Hessian (Choudhary et al. 2022, Fig. 9).

    python -m evoact.analysis.noisy_descent [-o FILE.svg] [--rate 0.03] [--batch 10] [--particles 400]

draws paths from one start under several realisations of the noise, coloured by time, beside paths under isotropic
noise of the same strength, and prints in which kind of minimum particles end. The Langevin equation is

    d theta = -grad L dt + sqrt(2 D) dW,   D = (rate / batch) L(theta) H(theta*),

with theta* the nearest minimum: the paper's equation 8, up to the convention for the factor 2. The landscape is of
our making: wells of one depth, some narrow and some wide, in a bowl.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from evoact.analysis.figures import RAINBOW, TITLE, figure, save

Noise = Callable[[np.ndarray], np.ndarray]  # D^(1/2) of states [n, 2]: [n, 2, 2]
POINTS, REACH = 120, 3.0  # of a path in the picture; of the picture
START = np.array([1.6, 0.0])  # a narrow minimum


@dataclass(frozen=True)
class Landscape:
    """L = floor + bowl |x|^2 / 2 + sum_i depth (1 - exp(-|x - c_i|^2 / (2 w_i^2))), with centres c [m, 2] and widths
    w [m]: m minima, the sharper the narrower.

    >>> landscape = Landscape(np.zeros((1, 2)), np.array([0.5]))
    >>> landscape.loss(np.zeros((1, 2))).tolist(), landscape.gradient(np.zeros((1, 2))).tolist()
    ([0.05], [[0.0, 0.0]])
    """

    centres: np.ndarray
    widths: np.ndarray
    depth: float = 1.0
    bowl: float = 0.1
    floor: float = 0.05

    def _wells(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Offsets [n, m, 2] over squared widths, and depth exp(...) [n, m]."""
        offset = x[:, None] - self.centres
        well = self.depth * np.exp(-np.square(offset).sum(axis=2) / (2 * self.widths**2))
        return offset / self.widths[:, None] ** 2, well

    def loss(self, x: np.ndarray) -> np.ndarray:
        """[n, 2] -> [n]"""
        _, well = self._wells(x)
        return self.floor + self.bowl * np.square(x).sum(axis=1) / 2 + (self.depth - well).sum(axis=1)

    def gradient(self, x: np.ndarray) -> np.ndarray:
        """[n, 2] -> [n, 2]"""
        scaled, well = self._wells(x)
        return self.bowl * x + (scaled * well[:, :, None]).sum(axis=1)

    def hessian(self, x: np.ndarray) -> np.ndarray:
        """[n, 2] -> [n, 2, 2]"""
        scaled, well = self._wells(x)
        outer = scaled[:, :, :, None] * scaled[:, :, None, :]
        curved = np.eye(2) / self.widths[:, None, None] ** 2 - outer
        return self.bowl * np.eye(2) + (well[:, :, None, None] * curved).sum(axis=1)

    def nearest(self, x: np.ndarray) -> np.ndarray:
        """The index of the well that each of x [n, 2] is nearest to."""
        return np.square(x[:, None] - self.centres).sum(axis=2).argmin(axis=1)


def landscape() -> Landscape:
    """Three narrow and three wide wells, in turns on a circle of radius 1.6."""
    angles = np.pi / 3 * np.arange(6)
    return Landscape(1.6 * np.stack([np.cos(angles), np.sin(angles)], axis=1), np.array([0.22, 0.5] * 3))


def aligned(where: Landscape, strength: float) -> Noise:
    """D = strength L(x) H(x*), the minima x* being about at the centres of wells."""
    values, vectors = np.linalg.eigh(where.hessian(where.centres))
    roots = np.einsum("nij,nj,nkj->nik", vectors, np.sqrt(values), vectors)

    def root(x: np.ndarray) -> np.ndarray:
        return np.sqrt(strength * where.loss(x))[:, None, None] * roots[where.nearest(x)]

    return root


def isotropic(strength: float) -> Noise:
    """D = strength I."""
    return lambda x: np.broadcast_to(np.sqrt(strength) * np.eye(2), (len(x), 2, 2))


def descend(
    where: Landscape, noise: Noise, starts: np.ndarray, steps: int, dt: float, seed: int
) -> tuple[np.ndarray, float]:
    """Paths [steps + 1, n, 2] by the Euler-Maruyama scheme, and the mean of tr D / 2 along them."""
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
    """How many of x [n, 2] are nearest to a wide well."""
    return float((where.widths[where.nearest(x)] > where.widths.mean()).mean())


def compare(
    where: Landscape, rate: float, batch: int, particles: int, steps: int = 3000, dt: float = 0.01
) -> tuple[np.ndarray, np.ndarray]:
    """Paths under aligned noise, and under isotropic noise of the same mean strength; all from `START`,
    with the same draws."""
    starts = np.repeat(START[None], particles, axis=0)
    along, strength = descend(where, aligned(where, rate / batch), starts, steps, dt, seed=0)
    return along, descend(where, isotropic(strength), starts, steps, dt, seed=0)[0]


def draw(where: Landscape, along: np.ndarray, even: np.ndarray, file: str, shown: int = 4) -> None:
    """Some paths of each kind over the landscape, from violet to red in time."""
    canvas, axes = figure(2)
    grid = np.linspace(-REACH, REACH, 81)
    points = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
    height = where.loss(points).reshape(len(grid), -1)
    for axis, paths, title in zip(
        axes, (along, even), ("noise along the Hessian", "isotropic noise"), strict=True
    ):
        axis.contour(grid, grid, height, levels=10, colors="0.8", linewidths=0.6)
        every = max(1, len(paths) // POINTS)
        for k in range(shown):
            x = paths[::every, k]
            for i in range(len(x) - 1):
                axis.plot(*x[i : i + 2].T, color=RAINBOW(i / len(x)), linewidth=0.8)
            axis.plot(*x[-1], "k.", markersize=5)
        axis.set(aspect="equal", xlim=(-REACH, REACH), ylim=(-REACH, REACH))
        axis.set_title(title, fontsize=TITLE)
    save(canvas, file)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m evoact.analysis.noisy_descent", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("-o", "--figure", default="noisy_descent.svg")
    parser.add_argument("--rate", type=float, default=0.03, help="the learning rate")
    parser.add_argument("--batch", type=int, default=10, help="examples in a batch")
    parser.add_argument("--particles", type=int, default=400)
    given = parser.parse_args(arguments)
    if not 0 < given.rate < np.inf or given.batch < 1 or given.particles < 4:
        parser.error("expected --rate above 0, --batch of at least 1 and --particles of at least 4")
    where = landscape()
    along, even = compare(where, given.rate, given.batch, given.particles)
    draw(where, along, even, given.figure)
    for name, paths in (("along the Hessian", along), ("isotropic", even)):
        print(f"noise {name}: {100 * share_in_wide(where, paths[-1]):.1f} % end at a wide minimum")
    print(given.figure)


if __name__ == "__main__":
    main()
