"""What a table holds, before anything is trained on it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from evoact.errors import UserError
from evoact.tasks.own.advice import absent_classes, rare_classes
from evoact.tasks.own.columns import check_names, feature_of, targets_of
from evoact.tasks.own.own_data import Given, Reading, drawn
from evoact.tasks.own.preprocessing import MOST_CATEGORIES
from evoact.tasks.own.suspicions import suspicions
from evoact.tasks.own.table_file import read_table
from evoact.tasks.own.targets import check_targets, read_targets, values_rather

if TYPE_CHECKING:
    import pyarrow

SHOWN = 3  # categories of a column


@dataclass(frozen=True)
class Facts:
    """A column: its `type` in the file, its `kind` (`number`, `category`, `target`, `left out`, or `unusable`, which a
    search would refuse), how many values are missing, and in words its range or its most frequent categories."""

    name: str
    type: str
    kind: str
    missing: int
    values: str


@dataclass(frozen=True)
class Target:
    """What is predicted: `problem` is classification or regression, `classes` are rows by label, `summary` says it in
    words, and `splits` are the rows of each split that would be made."""

    names: tuple[str, ...]
    problem: str
    classes: Mapping[str, int]
    summary: str
    splits: Mapping[str, int]


@dataclass(frozen=True)
class Inspection:
    """`features` are those of a network, of all columns together; `memory` in bytes: of the table as it was read, and
    of the features; `remarks` are sentences about what to look at before training."""

    path: str
    rows: int
    columns: tuple[Facts, ...]
    features: int
    memory: Mapping[str, int]
    target: Target | None = None
    remarks: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def inspect_table(path: str, target: Sequence[str] = ()) -> Inspection:
    """Return what a table holds: kinds of columns, missing, constant and duplicate ones, those that number the rows or
    predict the target alone, the splits that would be made, and memory.

    Raises:
        UserError: if there is no such table, or no such column.
    """
    table = read_table(path)
    check_names(target, "target", table)
    usable: dict[str, np.ndarray] = {}
    columns, remarks = [], []
    for name in table.column_names:
        kind, values = "target", None
        if name not in target:
            try:
                values, remark = feature_of(table.column(name), name)
                kind = "left out" if values is None else "number" if values.dtype.kind == "f" else "category"
            except UserError as error:
                kind, remark = "unusable", str(error)
            remarks += [remark] if remark else []
        if values is not None:
            usable[name] = values
        column = table.column(name)
        columns.append(Facts(name, str(column.type), kind, column.null_count, _said(values)))
    remarks += _duplicates(usable)
    found, more = _target(table, target, usable) if target else (None, [])
    features = sum(map(_n_features, usable.values()))
    memory = {"table": table.nbytes, "features": 4 * features * table.num_rows}
    return Inspection(path, table.num_rows, tuple(columns), features, memory, found, (*remarks, *more))


def _n_features(values: np.ndarray) -> int:
    """As many as `fitted_columns` makes of a column."""
    if values.dtype.kind == "f":
        return 2 if np.isnan(values).any() else 1
    return min(len(set(values.tolist())), MOST_CATEGORIES)


def _said(values: np.ndarray | None) -> str:
    if values is None:
        return ""
    if values.dtype.kind == "f":
        mean = values.mean()
        mean = np.nanmean(values) if np.isnan(mean) else mean
        return f"{np.fmin.reduce(values):.4g} to {np.fmax.reduce(values):.4g}, mean {mean:.4g}"
    counts = Counter(values.tolist())
    shown = ", ".join(
        f"{value or 'missing'} {100 * n / len(values):.2g} %" for value, n in counts.most_common(SHOWN)
    )
    many = (
        f"; the {MOST_CATEGORIES} most frequent have a feature each" if len(counts) > MOST_CATEGORIES else ""
    )
    return f"{len(counts)} categories: {shown}{', ...' if len(counts) > SHOWN else ''}{many}"


def _duplicates(usable: Mapping[str, np.ndarray]) -> list[str]:
    first: dict[int, str] = {}
    found = []
    for name, values in usable.items():
        key = hash(values.tobytes() if values.dtype.kind == "f" else tuple(values.tolist()))
        if key in first:
            found.append(f"column {name!r} is the same as {first[key]!r}; add one of them to task.drop")
        first.setdefault(key, name)
    return found


def _target(
    table: "pyarrow.Table", names: Sequence[str], usable: Mapping[str, np.ndarray]
) -> tuple[Target | None, list[str]]:
    """What is predicted, and remarks about it; None if a search would refuse it."""
    try:
        y = targets_of(table, names)
        check_targets(y, names[0])
        read = read_targets(y, names[0], "regression" if values_rather(y) else "auto")
        rows = drawn(Given({}, y, y=names[0]), read, Reading(stratified=True))
    except UserError as error:
        return None, [str(error)]
    remarks = [*read.notes, *rare_classes(read, rows["train"]), *absent_classes(read, rows)]
    remarks += suspicions(usable, read.values)
    sizes = {name: len(own) for name, own in rows.items()}
    if read.classes:
        counts = np.bincount(read.values, minlength=len(read.classes)).tolist()
        classes = {str(label): n for label, n in zip(read.classes, counts, strict=True)}
        return Target(tuple(names), "classification", classes, f"{len(classes)} classes", sizes), remarks
    low, high, deviation = read.values.min(axis=0), read.values.max(axis=0), read.values.std(axis=0)
    said = "; ".join(
        f"{name} {a:.4g} to {b:.4g}, standard deviation {s:.4g}"
        for name, a, b, s in zip(names, low, high, deviation, strict=True)
    )
    return Target(tuple(names), "regression", {}, said, sizes), remarks
