"""What the tests of plugins share: a file of one's own, an installed package made of it, and a config."""

import sys
from pathlib import Path

TEXT = '''"""Somebody's own."""
import math

import numpy as np
import torch
from torch import nn

SHARP: float = 1.0


def squeezed(x):
    return torch.exp(-SHARP * x * x)


def bump(x):
    """x exp(-x^2)."""
    return x * squeezed(x) * math.exp(0)


def net(input_shape, n_outputs, hidden=5):
    layers = [nn.Linear(input_shape[0], hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.Tanh()]
    return nn.Sequential(*layers, nn.Linear(hidden, n_outputs))


def dots(n=40):
    from evoact.tasks.task import ArrayTask, Split

    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, n, 3)).astype(np.float32)
    y = (x[..., 0] * x[..., 1] > 0).astype(np.int64)
    names = ("train", "validation", "test")
    splits = {name: Split(x[i], y[i]) for i, name in enumerate(names)}
    return ArrayTask((3,), 2, True, lambda: splits)
'''


def text(mark=None):
    """The file's text, which leaves a mark when it is executed."""
    return TEXT if mark is None else f"{TEXT}\nopen({str(mark)!r}, 'w').close()\n"


def config(name, listed=True, **changes):
    plugins = {"plugins": [f"{name}.py"]} if listed else {}
    return {
        **plugins,
        "task": {"name": f"{name}:dots"},
        "network": {"name": f"{name}:net", "hidden": 4},
        "space": {
            "functions": ["relu", f"{name}:bump"],
            "types": {"base": {}, "hull": {"kinds": ["convex"], "sizes": [2]}},
            "types_per_layer": [1, 2],
            "learning_rate": {"values": [0.1]},
        },
        "strategy": "random",
        "training": {"steps": 6, "batch_size": 10},
        "budget": {"networks": 4},
        "confirm": {"candidates": 1, "baselines": 1, "seeds": 1, "judge": 1},
        "packs": {"size": 4},
        "execution": {"backend": "local"},
    } | changes


def install(folder: Path, name: str, version="1.0", code=TEXT) -> Path:
    """Make what pip leaves of a small package `NAME` with a module `NAME_code` and entry points; its folder still has
    to be put on the path."""
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (folder / f"{name}_code.py").write_text(code)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n"
    )
    (info / "top_level.txt").write_text(f"{name}_code\n")
    (info / "RECORD").write_text("")
    groups = {"networks": "net", "tasks": "dots", "functions": "bump"}
    points = (f"[evoact.{group}]\n{one} = {name}_code:{one}\n" for group, one in groups.items())
    (info / "entry_points.txt").write_text("\n".join(points))
    return folder


def forget(name):
    """Let this process import the package's module again."""
    sys.modules.pop(f"{name}_code", None)
