"""Sentences about people's own data that trains badly or tells little, each with its remedy."""

from collections.abc import Mapping, Sequence

import numpy as np

from evoact.tasks.own.preprocessing import moments
from evoact.tasks.own.targets import Targets

SCALES = (0.1, 10.0)  # standard deviations with which networks start well, and means up to the latter
TARGET_SCALES = (1e-2, 1e2)
RARE = 0.1  # of the examples, and half of an equal share: rarer classes are named


def scale_warnings(x: np.ndarray, read: Targets, train: np.ndarray, names: Sequence[str]) -> list[str]:
    """Return warnings about the scales of features [n, ...] and targets as they are, in the training split."""
    remedy = "set task.standardise: true"
    found = []
    low, high = SCALES
    mean, deviation = (values.ravel() for values in moments(x))
    indicator = (((x == 0) | (x == 1)).all(axis=0) if x.ndim == 2 else np.array(False)).ravel()
    odd = (deviation > 0) & ~indicator & ((deviation < low) | (deviation > high) | (np.abs(mean) > high))
    if odd.any():
        i = int(np.argmax(np.abs(np.log(np.where(odd, np.maximum(deviation, np.abs(mean)), 1.0)))))
        of = "values have" if len(odd) == 1 else f"{odd.sum()} of {len(odd)} features have"
        which = "" if len(odd) == 1 else f"{names[i] if len(names) else f'feature {i}'}: "
        found.append(
            f"{of} a scale outside {low:g} to {high:g} ({which}mean {mean[i]:.3g}, standard deviation "
            f"{deviation[i]:.3g}), on which networks train badly; {remedy}"
        )
    if not read.classes:
        low, high = TARGET_SCALES
        mean, deviation = moments(read.values[train])
        if (((deviation > 0) & (deviation < low)) | (deviation > high) | (np.abs(mean) > high)).any():
            found.append(
                f"targets have means of {span(mean)} and standard deviations of {span(deviation)}, which "
                f"networks learn slowly; {remedy} (the metric stays in their units)"
            )
    return found


def span(values: np.ndarray) -> str:
    """Return the least and the greatest value in words.

    >>> span(np.array([0.5, 2.0, 1.0])), span(np.ones(3))
    ('0.5 to 2', '1')
    """
    low, high = f"{values.min():.3g}", f"{values.max():.3g}"
    return low if low == high else f"{low} to {high}"


def rare_classes(read: Targets, train: np.ndarray) -> list[str]:
    """Return a warning about the rarest class, if accuracy hardly reflects it."""
    if not read.classes:
        return []
    counts = np.bincount(read.values[train], minlength=len(read.classes))
    rarest = int(counts.argmin())
    if counts[rarest] >= min(RARE, 0.5 / len(counts)) * len(train):
        return []
    return [
        f"class {read.classes[rarest]!r} has {counts[rarest]} of {len(train)} training examples "
        f"({100 * counts[rarest] / len(train):.2g} %), so accuracy hardly reflects it: compare with the trivial "
        "predictor, or balance the classes"
    ]


def absent_classes(read: Targets, indices: Mapping[str, np.ndarray]) -> list[str]:
    """Return warnings about classes that a split lacks; training has every class."""
    found = []
    for name, rows in indices.items():
        absent = (
            sorted(set(range(len(read.classes))) - set(read.values[rows].tolist())) if read.classes else []
        )
        if absent:
            labels = ", ".join(repr(read.classes[i]) for i in absent[:3]) + (
                ", ..." if len(absent) > 3 else ""
            )
            found.append(
                f"the {name} split has no example of {'class' if len(absent) == 1 else 'classes'} {labels}, so its "
                "metric says nothing about them; give it some, or another task.seed if it was drawn"
            )
    return found
