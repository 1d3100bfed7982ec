"""A table of one's own: CSV, Parquet, Feather, npz or a folder of Parquet files, with a column to predict."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evoact.errors import UserError, short
from evoact.tasks.arrays import given_in
from evoact.tasks.metrics import metric_named
from evoact.tasks.own.columns import check_names, features_of, targets_of
from evoact.tasks.own.image_folder import images_in
from evoact.tasks.own.npz import npz_names
from evoact.tasks.own.own_data import Given, Reading, own_task
from evoact.tasks.own.raw_columns import named, plain
from evoact.tasks.own.table_file import kind_of, read_table
from evoact.tasks.own.targets import values_rather
from evoact.tasks.task import ArrayTask

if TYPE_CHECKING:
    import pyarrow


def table(
    path: str | None = None,
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
    images: str | None = None,
    image_size: int | None = None,
) -> ArrayTask:
    """Return the task of predicting a column of a table, or the class of images: classification if it holds classes,
    regression if numbers.

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
        images: instead of a table, a folder with a folder of images for each class
        image_size: pixels of their sides; by default the shorter side of the first, at most 64

    Raises:
        UserError: if there is no such table, or it holds what cannot be learned from.
    """
    if metric is not None:
        metric_named(metric)
    if (path is None) == (images is None):
        raise UserError(
            f"expected task.path, a table, or task.images, a folder, got {'both' if path else 'neither'} of them"
        )
    names = (target,) if isinstance(target, str) else tuple(target or ())
    roles = Roles(names, drop, categorical, groups, time)
    place = path or images or ""
    notes: list[str] = []
    try:
        if images is not None:
            roles.check_none("task.images", "which are for columns; leave it out")
            given = images_in(images, image_size)
        elif kind_of(place) == "npz" and not names and "://" not in place:
            others = ", ".join(npz_names(place))
            roles.check_none(
                "arrays x and y", f"name the task.target, so that the arrays ({others}) are columns"
            )
            given = given_in(place)
        else:
            given, notes = _given(place, roles)
            if problem == "auto" and values_rather(given.targets):
                problem = "regression"
                notes.append(
                    f"target {given.y} holds {len(np.unique(given.targets))} different whole numbers in "
                    f"{len(given.targets)} rows, read as values to predict; if they are classes, set task.problem: "
                    "classification"
                )
        how = Reading(problem, standardise, seed, True, metric, balanced, names, tuple(notes))
        return own_task(given, how)
    except UserError as error:
        said = str(error)
        raise UserError(said if said.startswith(("expected task.", place)) else f"{place}: {said}") from None


@dataclass(frozen=True)
class Roles:
    """What columns are for; those without a role are features."""

    target: tuple[str, ...]
    drop: Sequence[str]
    categorical: Sequence[str]
    groups: str | None
    time: str | None

    def check_none(self, what: str, remedy: str) -> None:
        """Check that no column is named, where there are none.

        Raises:
            UserError: naming the key.
        """
        for key, value in vars(self).items():
            if value:
                raise UserError(f"expected {what} without task.{key}, got {short(value)}; {remedy}")

    def check(self, columns: "pyarrow.Table") -> None:
        """Check that the columns are there, and each has one role.

        Raises:
            UserError: naming a column.
        """
        beside = {"drop": self.drop, "groups": _one(self.groups), "time": _one(self.time)}
        for key, names in {"target": self.target, "categorical": self.categorical, **beside}.items():
            check_names(names, key, columns)
        for key, names in beside.items():
            both = set(self.target) & set(names)
            if both:
                raise UserError(f"expected task.target apart from task.{key}, got {min(both)!r} in both")


def _one(name: str | None) -> tuple[str, ...]:
    return () if name is None else (name,)


def _given(path: str, roles: Roles) -> tuple[Given, list[str]]:
    """The columns of a table by their roles, and notes about those that are left out."""
    read = read_table(path)
    if not roles.target:
        shown = ", ".join(read.column_names[-8:])
        raise UserError(
            f"expected task.target, the column to predict, got none; the last columns are {shown}"
        )
    roles.check(read)
    y = targets_of(read, roles.target)
    left_out = {*roles.target, *roles.drop, *_one(roles.groups), *_one(roles.time)}
    features, notes = features_of(read, left_out, roles.categorical)
    groups = None if roles.groups is None else _groups(read, roles.groups)
    time = None if roles.time is None else _times(read, roles.time)
    return Given(features, y, "the columns", roles.target[0], groups, time), notes


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
