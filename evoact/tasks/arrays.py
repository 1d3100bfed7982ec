"""A user's own data in one npz file."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from evoact.errors import UserError
from evoact.seeding import generator
from evoact.tasks.task import ArrayTask, Split, split_indices

_LAYOUT = (
    "arrays x and y (split 60 / 20 / 20 per cent), or x_train, y_train, x_validation, y_validation, "
    "x_test, y_test"
)


def arrays(path: str, seed: int = 0) -> ArrayTask:
    """Classification where `y` holds integers (0, 1, ...), regression where it holds floats.

    Args:
        path: an npz file with arrays `x` [n, ...] and `y` [n] or [n, outputs], or with those of the
            three splits under `x_train`, `y_train`, `x_validation`, ... (and `x_test_large`)
        seed: of the split, where the file holds none

    Raises:
        UserError: if the file is missing, no npz, lacks an array, or holds arrays that do not fit.
    """
    stored = _load(path)
    if "x_train" in stored:
        names = [n for n in ("train", "validation", "test", "test_large") if f"x_{n}" in stored]
        missing = [n for n in ("validation", "test") if n not in names]
        if missing:
            raise UserError(f"{path}: expected {_LAYOUT}, got no x_{missing[0]}")
        splits = {n: _split(stored, path, f"x_{n}", f"y_{n}") for n in names}
    else:
        whole = _split(stored, path, "x", "y")
        if len(whole) < 5:
            raise UserError(f"{path}: expected at least 5 examples to split, got {len(whole)}")
        parts = split_indices(len(whole), (0.6, 0.2, 0.2), generator("arrays", seed))
        splits = {
            n: Split(whole.inputs[p], whole.targets[p])
            for n, p in zip(("train", "validation", "test"), parts, strict=True)
        }
    n_outputs, train = _outputs(splits, path), splits["train"]
    return ArrayTask(
        input_shape=tuple(train.inputs.shape[1:]),
        n_outputs=n_outputs,
        classification=bool(np.issubdtype(train.targets.dtype, np.integer)),
        load=lambda: splits,
    )


def _load(path: str) -> dict[str, np.ndarray]:
    if not Path(path).is_file():
        raise UserError(f"expected task.path to name an npz file, got {path!r}, which is not there")
    try:
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as data:
            return {key: data[key] for key in data.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, AttributeError):
        raise UserError(f"{path}: expected an npz file with {_LAYOUT}, got something unreadable") from None


def _split(stored: Mapping[str, np.ndarray], path: str, x_name: str, y_name: str) -> Split:
    for name in (x_name, y_name):
        if name not in stored:
            known = ", ".join(sorted(stored)) or "no arrays"
            raise UserError(f"{path}: expected {_LAYOUT}, got {known} without {name}")
    x, y = stored[x_name], stored[y_name]
    if x.ndim < 2 or len(x) != len(y) or len(x) == 0:
        raise UserError(
            f"{path}: expected {x_name} [n, ...] and {y_name} with the same n > 0, got {x.shape} and {y.shape}"
        )
    if not np.issubdtype(x.dtype, np.number) or not np.isfinite(x).all():
        raise UserError(f"{path}: expected finite numbers in {x_name}, got NaN, infinity or other values")
    if np.issubdtype(y.dtype, np.integer):
        if y.ndim != 1 or y.min() < 0:
            raise UserError(f"{path}: expected {y_name} to hold classes 0, 1, ... in one dimension")
        return Split(x.astype(np.float32), y.astype(np.int64))
    if not np.issubdtype(y.dtype, np.floating) or not np.isfinite(y).all():
        raise UserError(f"{path}: expected integers or finite floats in {y_name}, got {y.dtype}")
    return Split(x.astype(np.float32), y.astype(np.float32).reshape(len(y), -1))


def _outputs(splits: Mapping[str, Split], path: str) -> int:
    shapes = {name: (s.inputs.shape[1:], s.targets.shape[1:], s.targets.dtype) for name, s in splits.items()}
    for name, shape in shapes.items():
        if shape != shapes["train"]:
            raise UserError(
                f"{path}: expected all splits alike, got {shape} in {name}, {shapes['train']} in train"
            )
    train = splits["train"].targets
    if np.issubdtype(train.dtype, np.integer):
        return int(max(s.targets.max() for s in splits.values())) + 1
    return int(train.shape[1])
