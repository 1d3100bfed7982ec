"""A user's own data in one npz file."""

from collections import Counter
from collections.abc import Mapping, Sequence

from evoact.errors import UserError
from evoact.tasks.own.npz import npz_names, read_npz
from evoact.tasks.own.own_data import Given, Reading, own_task
from evoact.tasks.task import ArrayTask

_LAYOUT = (
    "arrays x and y (split 60 / 20 / 20 per cent), or x_train, y_train, x_validation, y_validation, "
    "x_test, y_test"
)
# How arrays of a split, and splits, are called by others; MedMNIST (Yang et al. 2023) says train_images, val_labels.
_PAIRS = (("x_{}", "y_{}"), ("{}_images", "{}_labels"))
_SPLITS: Mapping[str, tuple[str, ...]] = {
    "train": ("train",),
    "validation": ("validation", "val", "valid"),
    "test": ("test",),
    "test_large": ("test_large",),
}


def arrays(
    path: str,
    seed: int = 0,
    problem: str = "auto",
    standardise: bool = False,
    metric: str | None = None,
    balanced: bool = False,
) -> ArrayTask:
    """Return the task of an npz file: classification if `y` holds classes (integers, booleans, names, one-hot rows),
    regression if it holds floats.

    Args:
        path: an npz file with arrays `x` [n, ...] and `y` [n] or [n, outputs], or with those of the
            three splits under `x_train`, `y_train`, `x_validation`, ... (and `x_test_large`), or under
            `train_images`, `train_labels`, `val_images`, ...
        seed: of the split, if the file holds none
        problem: `classification` or `regression` if `auto` asks for it, or would read `y` as the other one
        standardise: whether features are shifted and scaled to mean 0 and standard deviation 1 over the training
            split (each column of a table, each channel of images), and targets in regression, whose metric is in
            their own units all the same
        metric: its name in `evoact.tasks.metrics`, by default accuracy or mse
        balanced: whether the loss weighs each class by the inverse of its share of the training split

    Raises:
        UserError: if the file is missing, no npz, lacks an array, or holds arrays that do not fit.
    """
    given = given_in(path)
    try:
        return own_task(given, Reading(problem, standardise, seed, metric=metric, balanced=balanced))
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def given_in(path: str) -> Given | dict[str, Given]:
    """Return the one table in an npz file, or the splits by name.

    Raises:
        UserError: if the file is missing, no npz, or lacks an array.
    """
    known = _by_lower_case(path, npz_names(path))
    pairs = _pairs(path, known)
    stored = read_npz(path, [name for pair in pairs.values() for name in pair])
    given = {split: Given(stored[x], stored[y], x, y) for split, (x, y) in pairs.items()}
    return given.get("", given)


def _by_lower_case(path: str, names: Sequence[str]) -> dict[str, str]:
    """Names in a file by how they are written in lower case: X is x."""
    twice = [name for name, times in Counter(name.lower() for name in names).items() if times > 1]
    if twice:
        raise UserError(
            f"{path}: expected one array {twice[0]}, got several of that name; save the one that is meant"
        )
    return {name.lower(): name for name in names}


def _pairs(path: str, known: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """The names of inputs and targets of each split; of the split "" if all is in one table."""
    for x_form, y_form in _PAIRS:
        found = {
            split: (x_form.format(alias), y_form.format(alias))
            for split, aliases in _SPLITS.items()
            for alias in aliases
            if x_form.format(alias) in known
        }
        if "train" in found:
            missing = [split for split in ("validation", "test") if split not in found]
            if missing:
                raise UserError(f"{path}: expected {_LAYOUT}, got no {x_form.format(missing[0])}")
            break
    else:
        found = {"": ("x", "y")}
    for name in (name for pair in found.values() for name in pair):
        if name not in known:
            raise UserError(
                f"{path}: expected {_LAYOUT}, got {', '.join(known) or 'no arrays'} without {name}"
            )
    return {split: (known[x], known[y]) for split, (x, y) in found.items()}
