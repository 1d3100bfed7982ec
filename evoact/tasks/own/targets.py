"""Reading targets as people store them: classes as numbers, names, booleans or one-hot rows, or values to predict."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from evoact.errors import UserError
from evoact.tasks.own.written import written_otherwise

PROBLEMS = ("auto", "classification", "regression")
CLASSES, VALUES = "set task.problem: classification", "set task.problem: regression"
# Of whole numbers, more different ones than this with fewer examples each than that may be counts or classes.
MANY, FEW_EACH = 20, 10
FLOAT_EACH = 5  # floats are read as classes only if there are so many examples of each on average
LARGEST = 1e18  # of a value to predict: its square must fit single precision
SHOWN = 6  # labels in a message


@dataclass(frozen=True, eq=False)
class Targets:
    """`values` int64 [n], indices into `classes`; or float64 [n, outputs], with no classes. `notes` are sentences
    about readings that are a decision."""

    values: np.ndarray
    classes: tuple[Any, ...]
    notes: tuple[str, ...] = ()


def check_targets(y: np.ndarray, name: str) -> None:
    """Check, before casting, that targets have a meaning and fit the type they are cast to.

    Raises:
        UserError: naming the array and the value.
    """
    if y.dtype.kind not in "biufUS":
        raise UserError(f"expected numbers, booleans or names of classes in {name}, got {y.dtype}")
    if y.dtype.kind == "f":
        wrong = ~(np.abs(y) <= np.float64(LARGEST))  # NaN is wrong, too
        wanted = f"finite numbers up to {LARGEST:g}"
    elif y.dtype.kind == "u":
        wrong, wanted = y > np.iinfo(np.int64).max, "integers that fit 64 bits with a sign"
    else:
        return
    if wrong.any():
        raise UserError(
            f"expected {wanted} in {name}, got {first_of(y, wrong, name)}; fix or drop such examples"
        )


def first_of(values: np.ndarray, wrong: np.ndarray, name: str) -> str:
    """Return the first value that is wrong, where it is, and how many others are.

    >>> first_of(np.array([1.0, np.nan]), np.array([False, True]), "y")
    'nan at y[1]'
    """
    where = tuple(int(i) for i in np.argwhere(wrong)[0])
    others = int(wrong.sum()) - 1
    return f"{values[where]} at {name}[{', '.join(map(str, where))}]" + (
        f" and {others} more" if others else ""
    )


def read_targets(y: np.ndarray, name: str, problem: str) -> Targets:
    """Return what an array of targets that `check_targets` lets pass means.

    Args:
        y: [n, ...], as it was stored
        name: of the array, for messages
        problem: `classification`, `regression`, or `auto`, which refuses what may be either

    Raises:
        UserError: if it is neither, or may be either.
    """
    named = y.dtype.kind in "US"
    if problem == "regression":
        if named:
            raise UserError(
                _written(y, name)
                or f"expected numbers in {name} for regression, got names such as {str(y.flat[0])!r}"
            )
        return _regression(y, name)
    if y.ndim > 1 and y.shape[1:] != (1,):
        return _several_columns(y, name, problem)
    labels = y.reshape(len(y))
    if problem == "auto" and y.dtype.kind == "f":
        return _floats(y, labels, name)
    if problem == "auto":
        _check_unambiguous(labels, name)
    elif not (named or _whole(labels)):
        raise UserError(f"expected whole numbers or names as classes in {name}, got fractions; {VALUES}")
    return _classification(labels, name)


def values_rather(y: np.ndarray) -> bool:
    """Return whether a table's column of integers holds values rather than classes: many, with few rows of each. In an
    array, whose type says which, it may be either."""
    different = len(np.unique(y)) if y.ndim == 1 and y.dtype.kind in "iu" else 0
    return different > MANY and len(y) < FEW_EACH * different


def _whole(values: np.ndarray) -> bool:
    return values.dtype.kind in "iub" or bool((values == np.floor(values)).all())


def _several_columns(y: np.ndarray, name: str, problem: str) -> Targets:
    ones = y.dtype.kind in "biuf" and y.ndim == 2 and bool(((y == 0) | (y == 1)).all())
    if ones and bool((y.sum(axis=1) == 1).all()):
        read = _classification(y.argmax(axis=1), name)
        note = f"one-hot rows of {name} are read as {len(read.classes)} classes; if they are values, {VALUES}"
        return Targets(read.values, read.classes, (note,))
    if problem == "auto" and y.dtype.kind == "f" and not ones:
        return _regression(y, name)
    got = (
        "rows with several ones or none (several labels at once)" if ones else f"{y.dtype} of shape {y.shape}"
    )
    raise UserError(
        f"expected {name} to hold one class for each example, [n] or one-hot rows, got {got}; "
        f"to predict the columns as values, {VALUES}"
    )


def _floats(y: np.ndarray, labels: np.ndarray, name: str) -> Targets:
    different = np.unique(labels)
    if not _whole(labels) or not 2 <= len(different) <= MANY or len(labels) < FLOAT_EACH * len(different):
        return _regression(y, name)
    read = _classification(labels.astype(np.int64), name)
    note = (
        f"whole floats in {name} are read as {len(read.classes)} classes ({_shown(different)}); if they are values, "
        f"{VALUES}"
    )
    return Targets(read.values, read.classes, (note,))


def _check_unambiguous(labels: np.ndarray, name: str) -> None:
    """Whether integers or names are surely classes."""
    different = np.unique(labels)
    numbers = labels.dtype.kind in "iu"
    if len(different) > MANY and len(labels) < FEW_EACH * len(different):
        what, remedy = (
            ("integers", f"{VALUES} or classification, whichever they are")
            if numbers
            else ("names", f"{CLASSES} if they are classes")
        )
        if written := _written(labels, name):
            raise UserError(f"expected numbers or few classes in the target: {written}")
        raise UserError(
            f"expected few classes{' or floats' if numbers else ''} in {name}, got {len(different)} different {what} "
            f"in {len(labels)} examples; {remedy}"
        )
    if numbers and different[0] < 0 and list(different) != [-1, 1]:
        raise UserError(
            f"expected classes 0, 1, ... (or -1 and 1) in {name}, got {different[0]}, which often means an example "
            f"without a label; drop such examples, or {CLASSES} if it is a class, regression if these are values"
        )


def _written(labels: np.ndarray, name: str) -> str:
    """What names of classes are if they read as numbers or dates, and what to do."""
    said = written_otherwise(np.unique(labels).tolist()) if labels.dtype.kind == "U" else ""
    return f"{name} {said}" if said else ""


def _classification(labels: np.ndarray, name: str) -> Targets:
    different, values = np.unique(labels, return_inverse=True)
    if len(different) < 2:
        raise UserError(
            f"expected at least two classes in {name}, got only {different[0]}; {VALUES} if these are values"
        )
    classes = tuple(int(c) if isinstance(c, float) else c for c in different.tolist())
    notes: tuple[str, ...] = ()
    if labels.dtype.kind in "iuf" and classes != tuple(range(len(classes))):
        notes = (
            f"labels {_shown(different)} in {name} are read as {len(classes)} classes, numbered in this order",
        )
    if written := _written(labels, name):
        notes = (f"the target is read as {len(classes)} classes, but {written}",)
    return Targets(values.reshape(-1).astype(np.int64), classes, notes)


def _regression(y: np.ndarray, name: str) -> Targets:
    values = y.reshape(len(y), -1).astype(np.float64)
    if not values.shape[1] or (values == values[0]).all():
        raise UserError(
            f"expected values that vary in {name}, got the same in each of the {len(values)} examples"
        )
    return Targets(values, ())


def _shown(labels: Iterable[Any]) -> str:
    """
    >>> _shown(range(9))
    '0, 1, 2, 3, 4, ..., 8'
    """
    texts = [f"{label:g}" if isinstance(label, float) else str(label) for label in labels]
    return ", ".join(texts if len(texts) <= SHOWN else [*texts[: SHOWN - 1], "...", texts[-1]])
