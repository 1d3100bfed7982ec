"""A table of one's own: CSV, Parquet, Feather, npz or a folder of Parquet files, with a column to predict."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from evoact.errors import UserError, short
from evoact.tasks.arrays import given_in
from evoact.tasks.metrics import metric_named
from evoact.tasks.own.columns import check_names, features_of, targets_of
from evoact.tasks.own.npz import npz_names
from evoact.tasks.own.own_data import Given, Reading, own_task
from evoact.tasks.own.raw_columns import named, plain
from evoact.tasks.own.table_file import kind_of, read_table
from evoact.tasks.own.targets import values_rather
from evoact.tasks.task import ArrayTask

if TYPE_CHECKING:
    import pyarrow


def table(
    path: str,
    target: str | list[str] | None = None,
    drop: Sequence[str] = (),
    categorical: Sequence[str] = (),
    groups: str | None = None,
    time: str | None = None,
    problem: str = "auto",
    metric: str | None = None,
    balanced: bool = False,
    standardise: bool = True,
    seed: int = 0,
) -> ArrayTask:
    """Return the task of predicting a column of a table: classification if it holds classes, regression if numbers.

    Rows are split 60 / 20 / 20 per cent. All that is fitted to the data is fitted to the training split alone: missing
    numbers become its median, with a feature that says so; categories become features of 0 and 1 (missing is one of
    them); numbers, and targets in regression, are standardised.

    Args:
        path: a file, a folder of Parquet files, or a URI that pyarrow opens; an npz file holds columns, or `x` and `y`
            as in the task `arrays`
        target: the column to predict, or several of numbers
        drop: columns that are no features
        categorical: columns of numbers that are codes of categories
        groups: a column; rows with the same value stay in one split (patients, sites, sessions)
        time: a column; training has the earliest rows, the test the latest
        problem: `classification` or `regression` if `auto` would read the target as the other one
        metric: its name in `evoact.tasks.metrics`, by default accuracy or mse
        balanced: whether the loss weighs each class by the inverse of its share of the training split
        standardise: false leaves numbers as they are
        seed: of the split

    Raises:
        UserError: if there is no such table, or it holds what cannot be learned from.
    """
    names = (target,) if isinstance(target, str) else tuple(target or ())
    if metric is not None:
        metric_named(metric)
    try:
        notes: list[str] = []
        if kind_of(path) == "npz" and not names and "://" not in path:
            given = _arrays(path, drop, categorical, groups, time)
        else:
            given, notes, problem = _columns(path, names, drop, categorical, groups, time, problem)
        how = Reading(problem, standardise, seed, True, metric, balanced, names, tuple(notes))
        return own_task(given, how)
    except UserError as error:
        said = str(error)
        raise UserError(said if said.startswith(("expected task.", path)) else f"{path}: {said}") from None


def _arrays(
    path: str, drop: Sequence[str], categorical: Sequence[str], groups: str | None, time: str | None
) -> Given | dict[str, Given]:
    """The arrays x and y, or those of splits."""
    for key, value in {"drop": drop, "categorical": categorical, "groups": groups, "time": time}.items():
        if value:
            raise UserError(
                f"expected task.target with task.{key} {short(value)}, got none; name the array to predict, so that "
                f"the others ({', '.join(npz_names(path))}) are columns"
            )
    return given_in(path)


def _columns(
    path: str,
    names: tuple[str, ...],
    drop: Sequence[str],
    categorical: Sequence[str],
    groups: str | None,
    time: str | None,
    problem: str,
) -> tuple[Given, list[str], str]:
    """The columns of a table, notes about them, and the problem that the target poses."""
    read = read_table(path)
    if not names:
        shown = ", ".join(read.column_names[-8:])
        raise UserError(
            f"expected task.target, the column to predict, got none; the last columns are {shown}"
        )
    one_of = {"groups": (groups,) if groups else (), "time": (time,) if time else ()}
    for key, given in {"target": names, "drop": drop, "categorical": categorical, **one_of}.items():
        check_names(given, key, read)
    both = [name for name in names if name in (*drop, *one_of["groups"], *one_of["time"])]
    if both:
        raise UserError(
            f"expected task.target apart from drop, groups and time, got {both[0]!r} in two of them"
        )
    y = targets_of(read, names)
    left_out = {*names, *drop, *one_of["groups"], *one_of["time"]}
    features, notes = features_of(read, left_out, categorical)
    if problem == "auto" and values_rather(y):
        problem = "regression"
        notes.append(
            f"target {names[0]} holds {len(np.unique(y))} different whole numbers in {len(y)} rows, read as values to "
            "predict; if they are classes, set task.problem: classification"
        )
    given_rows = Given(
        features,
        y,
        "the columns",
        names[0],
        None if groups is None else _groups(read, groups),
        None if time is None else _times(read, time),
    )
    return given_rows, notes, problem


def _groups(read: "pyarrow.Table", name: str) -> np.ndarray:
    column = read.column(name)
    if column.null_count:
        raise UserError(
            f"expected a group in every row, got none in {column.null_count} of column {name}; name them"
        )
    return named(column).astype(str)


def _times(read: "pyarrow.Table", name: str) -> np.ndarray:
    """The numbers or dates of a column, as numbers in their order."""
    from pyarrow import types

    column = read.column(name)
    if types.is_timestamp(column.type) or types.is_date(column.type):
        column = column.cast("timestamp[us]").cast("int64")
    values = plain(column)
    if values.dtype.kind == "O":
        raise UserError(
            f"expected numbers or dates in task.time, column {name}, got {column.type}; write dates as YYYY-MM-DD"
        )
    if np.isnan(values).any():
        raise UserError(
            f"expected a time in every row, got none in {int(np.isnan(values).sum())} of column {name}"
        )
    return values
