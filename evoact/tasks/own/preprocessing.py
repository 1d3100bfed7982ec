"""The preprocessing of people's own data: plain numbers and names, which can be repeated without evoact."""

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evoact.errors import UserError
from evoact.tasks.own.raw_columns import columns_of

MOST_CATEGORIES = 50  # of a column that have a feature of their own: the most frequent in training
SHOWN = 3  # unseen categories in a message


@dataclass(frozen=True, eq=False)
class Standardisation:
    """Values become (value - mean) / scale; both are float64 and broadcast to one example."""

    mean: np.ndarray
    scale: np.ndarray

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Return [n, ...] -> float32 [n, ...], computed in double precision."""
        return ((values - self.mean) / self.scale).astype(np.float32)

    def to_json(self) -> dict[str, Any]:
        return {"mean": self.mean.tolist(), "scale": self.scale.tolist()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Standardisation":
        return cls(np.array(data["mean"], np.float64), np.array(data["scale"], np.float64))


@dataclass(frozen=True)
class Number:
    """A column of numbers is one feature, in which `fill` stands for what is missing; if training had missing values, a
    second feature is 1 where it is (scikit-learn's `SimpleImputer(strategy="median", add_indicator=True)`)."""

    name: str
    fill: float
    indicated: bool

    @property
    def feature_names(self) -> tuple[str, ...]:
        return (self.name, f"{self.name} missing") if self.indicated else (self.name,)

    def features(self, values: np.ndarray) -> np.ndarray:
        """Return float64 [n] with NaN where a value is missing -> [n, 1 or 2]."""
        missing = np.isnan(values)
        filled = np.where(missing, self.fill, values)
        return np.stack([filled, missing], axis=1) if self.indicated else filled[:, None]

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "kind": "number", "fill": self.fill, "indicated": self.indicated}


@dataclass(frozen=True)
class Category:
    """A column of categories has a feature for each that training knew, 1 where it is (scikit-learn's
    `OneHotEncoder(handle_unknown="ignore")`); None stands for a missing value, any other category is all zeros."""

    name: str
    categories: tuple[str | None, ...]

    @property
    def feature_names(self) -> tuple[str, ...]:
        return tuple(f"{self.name}={'missing' if c is None else c}" for c in self.categories)

    def features(self, values: np.ndarray) -> np.ndarray:
        """Return texts or None [n] -> float64 [n, categories]."""
        place = {category: i for i, category in enumerate(self.categories)}
        # Of a category that is not known the last row, all zeros.
        rows = np.eye(len(self.categories) + 1, len(self.categories))
        other = len(place)
        return rows[[place.get(value, other) for value in values.tolist()]]

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "kind": "category", "categories": list(self.categories)}


Column = Number | Category


@dataclass(frozen=True, eq=False)
class Preprocessing:
    """From raw data to a network's inputs, and the meaning of its outputs.

    `columns` are those of a table, none of plain arrays; `features` and `targets` are the scaling of both ends,
    None if they are left as they are; `classes` are the labels, in the order of a network's outputs, none in
    regression; `target_names` are the columns that are predicted.
    """

    features: Standardisation | None
    targets: Standardisation | None
    classes: tuple[Any, ...]
    columns: tuple[Column, ...] = ()
    target_names: tuple[str, ...] = ()

    @property
    def feature_names(self) -> tuple[str, ...]:
        return tuple(name for column in self.columns for name in column.feature_names)

    def apply(self, raw: Any) -> np.ndarray:
        """Return what a network is given: float32 [n, ...].

        Args:
            raw: an array [n, ...]; of a table its columns: a DataFrame or an Arrow table, a mapping from their names to
                values, or an array [n, columns] in the order of `columns`. Categories that training did not know are
                none of those it knew, and counted in a warning.

        Raises:
            UserError: if a column is missing, or holds what is no finite number, or an array has another shape.

        >>> known = Preprocessing(None, None, (), (Number("age", 30.0, True), Category("sex", ("f", "m"))))
        >>> known.apply({"age": [20.0, None], "sex": ["m", "f"]})
        array([[20.,  0.,  0.,  1.],
               [30.,  1.,  1.,  0.]], dtype=float32)
        """
        if not self.columns:
            return self._scaled(raw.toarray() if hasattr(raw, "toarray") else np.asarray(raw))
        values = columns_of(raw, {c.name: isinstance(c, Number) for c in self.columns})
        for sentence in self.unseen(values):
            warnings.warn(sentence, stacklevel=2)
        return self.applied(values)

    def _scaled(self, x: np.ndarray) -> np.ndarray:
        """Plain arrays, scaled as those of training."""
        try:
            found = x.astype(np.float32) if self.features is None else self.features.apply(x)
            same = self.features is None or (found.shape == x.shape and x.ndim == self.features.mean.ndim + 1)
        except (TypeError, ValueError):
            same = False
        if not same:
            shape = "" if self.features is None else f" [n, {', '.join(map(str, self.features.mean.shape))}]"
            raise UserError(
                f"expected numbers{shape}, as the network was trained on, got {x.dtype} of shape {x.shape}"
            )
        return found

    def applied(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return float32 [n, features] of the columns of a table, as `columns_of` gives them."""
        x = np.empty((len(values[self.columns[0].name]), len(self.feature_names)), np.float32)
        start = 0
        for column in self.columns:
            part = column.features(values[column.name])
            own = slice(start, start + part.shape[1])
            if self.features is not None:
                part = (part - self.features.mean[own]) / self.features.scale[own]
            x[:, own] = part
            start = own.stop
        return x

    def unseen(self, values: Mapping[str, np.ndarray]) -> list[str]:
        """Return a sentence for each column that holds categories that training did not know, with their number."""
        found = []
        for column in self.columns:
            if isinstance(column, Category):
                counts = Counter(values[column.name].tolist())
                new = {v: n for v, n in counts.items() if v is not None and v not in column.categories}
                if new:
                    shown = ", ".join(map(repr, list(new)[:SHOWN])) + (", ..." if len(new) > SHOWN else "")
                    found.append(
                        f"column {column.name!r}: {sum(new.values())} of {len(values[column.name])} rows have "
                        f"categories without a feature ({shown}), which are taken as none of the known"
                    )
        return found

    def to_json(self) -> dict[str, Any]:
        """Return plain data, as a run's record and exports hold it."""
        scaling = {"features": self.features, "targets": self.targets}
        return {
            **({"columns": [column.to_json() for column in self.columns]} if self.columns else {}),
            **{name: s.to_json() for name, s in scaling.items() if s is not None},
            **({"classes": list(self.classes)} if self.classes else {}),
            **({"target_names": list(self.target_names)} if self.target_names else {}),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Preprocessing":
        """Return the inverse of `to_json`."""
        return cls(
            Standardisation.from_json(data["features"]) if "features" in data else None,
            Standardisation.from_json(data["targets"]) if "targets" in data else None,
            tuple(data.get("classes", ())),
            tuple(map(_column, data.get("columns", ()))),
            tuple(data.get("target_names", ())),
        )


def _column(data: Mapping[str, Any]) -> Column:
    if data["kind"] == "number":
        return Number(data["name"], float(data["fill"]), bool(data["indicated"]))
    return Category(data["name"], tuple(data["categories"]))


def fitted_columns(values: Mapping[str, np.ndarray]) -> tuple[Column, ...]:
    """Return how the columns of a table become features, by what its training rows hold: float64 with NaN, or texts."""
    return tuple(
        _number(name, column) if column.dtype.kind == "f" else _category(name, column)
        for name, column in values.items()
    )


def _number(name: str, values: np.ndarray) -> Number:
    there = values[~np.isnan(values)]
    return Number(name, float(np.median(there)) if len(there) else 0.0, len(there) < len(values))


def _category(name: str, values: np.ndarray) -> Category:
    counts = Counter(values.tolist())
    kept = [value for value, _ in counts.most_common(MOST_CATEGORIES)]
    return Category(name, tuple(sorted(kept, key=lambda value: (value is None, value))))


def moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation, float64, of [n, ...]: for each feature of a table [n, d] (and each target),
    for each channel of images [n, channels, height, width], one pair for all of [n, height, width].

    Pixels one by one would not do: one that is black in all but a few images would outweigh all others in these.

    >>> moments(np.array([[0.0, 5.0], [2.0, 5.0]]))
    (array([1., 5.]), array([1., 0.]))
    """
    kept = () if values.ndim == 3 else (1,)
    over = tuple(axis for axis in range(values.ndim) if axis not in kept)
    mean = values.mean(axis=over, dtype=np.float64, keepdims=True)[0]
    deviation = values.std(axis=over, dtype=np.float64, keepdims=True)[0]
    # Of a constant, rounding makes another mean and a deviation that is not 0, by which nothing must be divided.
    lowest = values.min(axis=over, keepdims=True)[0]
    constant = values.max(axis=over, keepdims=True)[0] == lowest
    return np.where(constant, lowest, mean), np.where(constant, 0.0, deviation)


def fitted(values: np.ndarray) -> Standardisation:
    """Return the scaling to mean 0 and standard deviation 1 over these values; a constant feature becomes 0."""
    mean, deviation = moments(values)
    return Standardisation(mean, np.where(deviation > 0, deviation, 1.0))


def fitted_to_columns(columns: Sequence[Column], values: Mapping[str, np.ndarray]) -> Standardisation:
    """Return the scaling of the features of a table's columns; those that are 0 or 1 alone stay so."""
    means, scales = [], []
    for column in columns:
        if isinstance(column, Category):
            means.append(np.zeros(len(column.categories)))
            scales.append(np.ones(len(column.categories)))
            continue
        part = column.features(values[column.name])
        scaling = fitted(part)
        indicator = ((part == 0) | (part == 1)).all(axis=0)
        means.append(np.where(indicator, 0.0, scaling.mean))
        scales.append(np.where(indicator, 1.0, scaling.scale))
    return Standardisation(np.concatenate(means), np.concatenate(scales))
