"""From people's own data to a task: what it means, whether it fits, how it is split and prepared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evoact.errors import UserError
from evoact.registry import lookup
from evoact.tasks.own.advice import absent_classes, rare_classes, scale_warnings
from evoact.tasks.own.checks import check_classes, check_inputs, checked_metric
from evoact.tasks.own.preprocessing import Column, Preprocessing, fitted, fitted_columns, fitted_to_columns
from evoact.tasks.own.splitting import FEWEST, Indices, at_random, by_classes, by_groups, by_time
from evoact.tasks.own.suspicions import suspicions
from evoact.tasks.own.targets import PROBLEMS, Targets, check_targets, read_targets
from evoact.tasks.task import ArrayTask, Split


@dataclass(frozen=True, eq=False)
class Given:
    """Inputs, an array [n, ...] or the columns of a table [n] by name, and targets [n, ...] as people stored them, with
    their names for messages; `groups` [n] and `time` [n] say how they are split, if that is not at random."""

    inputs: np.ndarray | Mapping[str, np.ndarray]
    targets: np.ndarray
    x: str = "x"
    y: str = "y"
    groups: np.ndarray | None = None
    time: np.ndarray | None = None


@dataclass(frozen=True)
class Reading:
    """How people's own data is read.

    Args:
        problem: `auto`, `classification` or `regression`; see `evoact.tasks.own.targets.read_targets`
        standardise: whether features, and targets in regression, are shifted and scaled to mean 0 and standard
            deviation 1 over the training split; the metric is in the targets' own units all the same
        seed: of the split
        stratified: whether each class has its share of each split
        metric: its name in `evoact.tasks.metrics`; accuracy or mse if it is None
        balanced: whether the loss weighs each class by the inverse of its share of the training split
        target_names: of the columns that are predicted
        notes: what was understood before
    """

    problem: str = "auto"
    standardise: bool = False
    seed: int = 0
    stratified: bool = False
    metric: str | None = None
    balanced: bool = False
    target_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def own_task(given: Given | Mapping[str, Given], how: Reading = Reading()) -> ArrayTask:
    """Return the task of one table, split 60 / 20 / 20 per cent, or of the splits by name.

    Raises:
        UserError: if the arrays do not fit each other, single precision or a meaning.
    """
    lookup(dict.fromkeys(PROBLEMS), "task.problem", how.problem)
    parts = {"": given} if isinstance(given, Given) else dict(given)
    for part in parts.values():
        _check(part)
    read = _targets_of(parts, how.problem)
    indices = _indices(parts, read, how)
    if read.classes:
        check_classes(read, indices, drawn="" in parts)
    metric = checked_metric(how.metric, how.balanced, read, indices)
    raw = _joined([part.inputs for part in parts.values()])
    prepared = _fitted(raw, read, indices["train"], how)
    x = prepared.apply(raw) if isinstance(raw, np.ndarray) else prepared.applied(raw)
    y = read.values if read.classes else read.values.astype(np.float32)
    if prepared.targets is not None:
        y = prepared.targets.apply(read.values)
    scaling = () if prepared.targets is None else (prepared.targets.scale, prepared.targets.mean)
    splits = {name: Split(x[i], y[i], *scaling) for name, i in indices.items()}
    return ArrayTask(
        input_shape=tuple(x.shape[1:]),
        n_outputs=len(read.classes) or y.shape[1],
        classification=bool(read.classes),
        load=lambda: splits,
        preprocessing=prepared,
        notes=(*how.notes, *read.notes, *_advice(raw, read, indices, how, prepared)),
        measure=metric,
        class_weights=_balance(read, indices["train"]) if how.balanced else None,
    )


def _joined(inputs: Sequence[np.ndarray | Mapping[str, np.ndarray]]) -> np.ndarray | Mapping[str, np.ndarray]:
    """Arrays one below the other; a table is always one."""
    first = inputs[0]
    return first if len(inputs) == 1 else np.concatenate([x for x in inputs if isinstance(x, np.ndarray)])


def _fitted(
    raw: np.ndarray | Mapping[str, np.ndarray], read: Targets, train: np.ndarray, how: Reading
) -> Preprocessing:
    """The preprocessing of the training split, which all splits are given."""
    columns: tuple[Column, ...] = ()
    features = None
    if not isinstance(raw, np.ndarray):
        known = {name: values[train] for name, values in raw.items()}
        columns = fitted_columns(known)
        features = fitted_to_columns(columns, known) if how.standardise else None
    elif how.standardise:
        features = fitted(raw[train])
    targets = fitted(read.values[train]) if how.standardise and not read.classes else None
    return Preprocessing(features, targets, read.classes, columns, how.target_names)


def _advice(
    raw: np.ndarray | Mapping[str, np.ndarray],
    read: Targets,
    indices: Mapping[str, np.ndarray],
    how: Reading,
    prepared: Preprocessing,
) -> list[str]:
    train = indices["train"]
    found = []
    if isinstance(raw, np.ndarray):
        found += [] if how.standardise else scale_warnings(raw[train], read, train, ())
    else:
        known = {name: values[train] for name, values in raw.items()}
        found += [*prepared.unseen(raw), *suspicions(known, read.values[train])]
        if not how.standardise:
            x = prepared.applied(known)
            found += scale_warnings(x, read, train, prepared.feature_names)
    accuracy = how.metric in (None, "accuracy") and not how.balanced
    return [*found, *(rare_classes(read, train) if accuracy else ()), *absent_classes(read, indices)]


def _balance(read: Targets, train: np.ndarray) -> tuple[float, ...]:
    """n / (C n_c) of each class, scikit-learn's `class_weight="balanced"` (King & Zeng 2001)."""
    counts = np.bincount(read.values[train], minlength=len(read.classes))
    return tuple((len(train) / (len(counts) * counts)).tolist())


def _check(given: Given) -> None:
    x, name = given.inputs, given.x
    if isinstance(x, np.ndarray):
        check_inputs(x, name)
    shape = x.shape if isinstance(x, np.ndarray) else (len(next(iter(x.values()))), len(x))
    if given.targets.ndim < 1 or shape[0] != len(given.targets) or shape[0] == 0:
        raise UserError(
            f"expected {name} [n, ...] and {given.y} with the same n > 0, got {shape} and {given.targets.shape}"
        )
    check_targets(given.targets, given.y)


def _targets_of(parts: Mapping[str, Given], problem: str) -> Targets:
    """The targets of all parts together, in their order: a class has one number, whatever part it is in."""
    first = next(iter(parts.values()))
    for part in parts.values():
        if _form(part) != _form(first):
            raise UserError(
                f"expected splits of the same form, got {part.x}, {part.y} of {_form(part)} but {first.x}, {first.y} "
                f"of {_form(first)}"
            )
    # uint64 beside int64 would become float64.
    targets = [
        p.targets.astype(np.int64) if p.targets.dtype.kind == "u" else p.targets for p in parts.values()
    ]
    return read_targets(np.concatenate(targets), first.y, problem)


def _form(given: Given) -> str:
    """The form that all splits must share."""
    kind = {"u": "integers", "i": "integers", "f": "floats", "b": "booleans"}.get(
        given.targets.dtype.kind, "names"
    )
    inputs = given.inputs.shape[1:] if isinstance(given.inputs, np.ndarray) else tuple(given.inputs)
    return f"shapes {inputs}, {given.targets.shape[1:]} with {kind}"


def _indices(parts: Mapping[str, Given], read: Targets, how: Reading) -> Indices:
    """The rows of each split, of all parts together."""
    if "" in parts:
        return drawn(parts[""], read, how)
    ends = np.cumsum([len(part.targets) for part in parts.values()])
    indices = {
        name: np.arange(e - len(p.targets), e) for (name, p), e in zip(parts.items(), ends, strict=True)
    }
    for name, rows in indices.items():
        if len(rows) < FEWEST:
            raise UserError(f"expected at least {FEWEST} examples in {parts[name].x}, got {len(rows)}")
    return indices


def drawn(given: Given, read: Targets, how: Reading) -> Indices:
    """Return the rows of each split of one table.

    Raises:
        UserError: if there are too few rows, or groups, or rows of a class.
    """
    n = len(given.targets)
    if n < 5 * FEWEST:
        raise UserError(f"expected at least {5 * FEWEST} examples to split, got {n}")
    if given.time is not None:
        return by_time(given.time, given.groups)
    if given.groups is not None:
        return by_groups(given.groups, how.seed)
    if not (how.stratified and read.classes):
        return at_random(n, how.seed)
    counts = np.bincount(read.values, minlength=len(read.classes))
    if counts.min() < FEWEST:
        label = read.classes[int(counts.argmin())]
        raise UserError(
            f"expected at least {FEWEST} rows of each class in {given.y}, got {counts.min()} of {label!r}; drop it, or "
            "join it with another class"
        )
    return by_classes(read.values, how.seed)
