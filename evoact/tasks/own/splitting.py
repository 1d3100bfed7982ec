"""Splits of people's own data into 60 / 20 / 20 per cent: at random, by classes, by groups, or by time."""

import numpy as np

from evoact.errors import UserError
from evoact.seeding import generator
from evoact.tasks.task import split_indices

SPLITS = ("train", "validation", "test")
SHARES = (0.6, 0.2, 0.2)
FEWEST = 2  # examples of a split; measures of spread need two

Indices = dict[str, np.ndarray]  # rows of each split


def at_random(n: int, seed: int) -> Indices:
    """Return a random partition of n rows."""
    return _named(split_indices(n, SHARES, generator("arrays", seed)))


def by_classes(classes: np.ndarray, seed: int) -> Indices:
    """Return a random partition in which each class [n] has about its share of each split.

    >>> {name: np.bincount(rows % 2).tolist() for name, rows in by_classes(np.arange(100) % 2, 0).items()}
    {'train': [30, 30], 'validation': [10, 10], 'test': [10, 10]}
    """
    rng = generator("table", seed)
    order = rng.permutation(len(classes))
    place = np.empty(len(classes))
    for label in np.unique(classes):
        own = order[classes[order] == label]
        place[own] = (np.arange(len(own)) + rng.uniform(0.25, 0.75)) / len(own)  # evenly over 0 to 1
    bounds = np.round(np.cumsum(SHARES[:-1]) * len(classes)).astype(int)
    return _named(np.split(np.argsort(place, kind="stable"), bounds))


def by_groups(groups: np.ndarray, seed: int) -> Indices:
    """Return a random partition that keeps the rows of a group [n] together.

    Raises:
        UserError: if there are fewer groups than splits.
    """
    names, of_row, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(names) < len(SPLITS):
        raise UserError(f"expected at least {len(SPLITS)} groups, one for each split, got {len(names)}")
    wanted, filled = np.array(SHARES) * len(groups), np.zeros(len(SPLITS))
    split_of = np.empty(len(names), int)
    for done, group in enumerate(generator("groups", seed).permutation(len(names))):
        room, empty = wanted - filled, filled == 0
        if len(names) - done <= empty.sum():  # the last groups are for splits that have none
            room = np.where(empty, room, -np.inf)
        split_of[group] = room.argmax()
        filled[split_of[group]] += sizes[group]
    return _named([np.flatnonzero(split_of[of_row] == i) for i in range(len(SPLITS))])


def by_time(time: np.ndarray, groups: np.ndarray | None = None) -> Indices:
    """Return the first 60 per cent, the next 20 and the last 20 by `time` [n]; rows of one time stay together.

    Raises:
        UserError: if there are fewer times than splits, or one of the `groups` [n] is in several.
    """
    order = np.argsort(time, kind="stable")
    changes = np.flatnonzero(np.diff(time[order])) + 1
    if len(changes) < len(SPLITS) - 1:
        raise UserError(
            f"expected at least {len(SPLITS)} different times, got {len(changes) + 1}; give finer ones"
        )
    wanted = np.cumsum(SHARES[:-1]) * len(time)
    first = changes[:-1][np.abs(changes[:-1] - wanted[0]).argmin()]
    later = changes[changes > first]
    second = later[np.abs(later - wanted[1]).argmin()]
    found = _named(np.split(order, [first, second]))
    _check_whole(groups, found)
    return found


def _check_whole(groups: np.ndarray | None, found: Indices) -> None:
    if groups is None:
        return
    seen: dict[object, str] = {}
    for name, rows in found.items():
        for group in np.unique(groups[rows]).tolist():
            if seen.setdefault(group, name) != name:
                raise UserError(
                    f"expected groups that are whole in a split by time, got {group!r} in {seen[group]} and {name}; "
                    "leave out task.time or task.groups"
                )


def _named(parts: list[np.ndarray]) -> Indices:
    return dict(zip(SPLITS, parts, strict=True))
