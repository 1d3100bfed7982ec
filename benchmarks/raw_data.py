"""What preparing data by hand gains over giving it raw: the same rows, networks and seeds.

    python benchmarks/raw_data.py [--quick] [--splits N] [--json FILE]

`raw` is a CSV as it is, read by the task `table`; `prepared` the same rows scaled by scikit-learn's StandardScaler,
fitted to the training split, and given as arrays, targets of regressions, too; `unscaled` the rows without either.
Networks have 64 relu neurons. `scikit_learn` is its own network of that size, on the prepared rows. Figures are means
over splits (5, with --quick 1) and seeds on the test split; `_gap` is raw less prepared, and `_gap_error` the standard
error of that over splits.
"""

import tempfile
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch
from reporting import Row, arguments, report
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler

from evoact.config import experiment
from evoact.genomes.genome import homogeneous
from evoact.genomes.kinds import Base
from evoact.tasks.own.splitting import at_random, by_classes
from evoact.training.loop import train_pack
from evoact.training.members import Member

SEEDS, STEPS, WIDTH, RATE = 4, 500, 64, 0.003
WAYS = ("raw", "prepared", "unscaled", "scikit_learn")


def houses() -> pd.DataFrame:
    """Prices of made-up houses: columns of very different scale, and a price in hundred thousands."""
    rng = np.random.default_rng(0)
    n = 2000
    area, year = rng.gamma(6, 25, n), rng.integers(1900, 2024, n)
    distance, rooms = rng.exponential(8000, n), np.clip((area / 25).round() + rng.integers(-1, 2, n), 1, None)
    price = 2500 * area * np.exp(-distance / 20000) * (1 + (year - 1900) / 300) + 8000 * rooms
    price *= rng.lognormal(0, 0.1, n)
    return pd.DataFrame(
        {
            "area": area,
            "year": year,
            "distance": distance,
            "rooms": rooms,
            "noise": rng.normal(size=n),
            "target": price,
        }
    )


def data() -> Iterator[tuple[str, pd.DataFrame, bool]]:
    """The tables, their targets in the column `target`, and whether these are classes."""
    for name, load, classes in (
        ("breast_cancer", load_breast_cancer, True),
        ("wine", load_wine, True),
        ("diabetes", load_diabetes, False),
    ):
        options = {} if classes else {"scaled": False}
        yield name, load(as_frame=True, **options).frame, classes
    yield "houses", houses(), False


def scores(frame: pd.DataFrame, classes: bool, seed: int) -> list[float]:
    """Accuracy or R2 on the test split, by `WAYS`."""
    y = frame["target"].to_numpy()
    x = frame.drop(columns="target").to_numpy(dtype=np.float64)
    rows = by_classes(y, seed) if classes else at_random(len(y), seed)
    scaler = StandardScaler().fit(x[rows["train"]])
    level, scale = (0.0, 1.0) if classes else (y[rows["train"]].mean(), y[rows["train"]].std())
    with tempfile.TemporaryDirectory() as folder:
        frame.to_csv(f"{folder}/raw.csv", index=False)
        for name, inputs, targets in (
            ("prepared", scaler.transform(x), y if classes else (y - level) / scale),
            ("unscaled", x, y if classes else y.astype(float)),
        ):
            parts = {f"x_{split}": inputs[own] for split, own in rows.items()}
            np.savez(
                f"{folder}/{name}.npz", **parts, **{f"y_{split}": targets[own] for split, own in rows.items()}
            )
        metric = {"metric": "accuracy" if classes else "r2"}
        tasks = [{"name": "table", "path": f"{folder}/raw.csv", "target": "target", "seed": seed}]
        tasks += [{"name": "arrays", "path": f"{folder}/{name}.npz"} for name in WAYS[1:3]]
        own = [trained(task | metric) for task in tasks]
    return [*own, sklearns(scaler.transform(x), (y - level) / scale if not classes else y, rows, classes)]


def trained(task: dict[str, Any]) -> float:
    """The mean test metric of a network over its seeds."""
    made = experiment(
        {
            "task": task,
            "network": {"name": "mlp", "hidden": [WIDTH]},
            "space": "four_functions",
            "training": {"steps": STEPS, "batch_size": 32},
            "budget": {"networks": 1},
        }
    )
    genome = homogeneous(Base("relu"), made.network.sites, learning_rate=RATE)
    members = [Member(genome, f"relu-{seed}", seed, STEPS) for seed in range(SEEDS)]
    outcomes = train_pack(members, made.network, made.task, made.training, evaluate=("test",))
    return float(np.mean([outcome.metrics.get("test", np.nan) for outcome in outcomes]))


def sklearns(x: np.ndarray, y: np.ndarray, rows: dict[str, np.ndarray], classes: bool) -> float:
    """The same of scikit-learn's network."""
    train, test = rows["train"], rows["test"]
    made = MLPClassifier if classes else MLPRegressor
    epochs = max(1, STEPS * 32 // len(train))
    found = []
    for seed in range(SEEDS):
        network = made(
            hidden_layer_sizes=(WIDTH,),
            alpha=0,
            batch_size=32,
            learning_rate_init=RATE,
            max_iter=epochs,
            random_state=seed,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            found.append(network.fit(x[train], y[train]).score(x[test], y[test]))
    return float(np.mean(found))


def main() -> None:
    options = arguments(
        __doc__,
        more=lambda parser: parser.add_argument("--splits", type=int, metavar="N", help="by default 5"),
    )
    splits = options.splits or (1 if options.quick else 5)
    torch.set_num_threads(1)
    rows = []
    for name, frame, classes in data():
        found = np.array([scores(frame, classes, seed) for seed in range(splits)])
        unit, gaps = "accuracy" if classes else "R2", found[:, 0] - found[:, 1]
        rows += [Row(f"{name}_{way}", mean, unit) for way, mean in zip(WAYS, found.mean(axis=0), strict=True)]
        rows.append(Row(f"{name}_gap", gaps.mean(), unit))
        if splits > 1:
            rows.append(Row(f"{name}_gap_error", gaps.std(ddof=1) / np.sqrt(splits), unit))
    report(options, rows)


if __name__ == "__main__":
    main()
