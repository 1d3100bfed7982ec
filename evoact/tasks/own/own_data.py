"""From people's own arrays to a task: what they mean, whether they fit, how they are split and scaled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evoact.errors import UserError
from evoact.registry import lookup
from evoact.seeding import generator
from evoact.tasks.own.preprocessing import Preprocessing, fitted, moments
from evoact.tasks.own.targets import PROBLEMS, Targets, check_targets, first_of, read_targets
from evoact.tasks.task import ArrayTask, Split, split_indices

SPLITS = ("train", "validation", "test")
FEWEST = 2  # examples of a split; measures of spread need two
SCALES = (0.1, 10.0)  # standard deviations with which networks start well, and means up to the latter
TARGET_SCALES = (1e-2, 1e2)
RARE = 0.1  # of the examples, and half of an equal share: rarer classes are named


@dataclass(frozen=True, eq=False)
class Given:
    """Inputs [n, ...] and targets [n, ...] as people stored them, with their names for messages."""

    inputs: np.ndarray
    targets: np.ndarray
    x: str = "x"
    y: str = "y"


def own_task(
    given: Given | Mapping[str, Given],
    problem: str = "auto",
    standardise: bool = False,
    seed: int = 0,
    features: Sequence[str] = (),
) -> ArrayTask:
    """Return the task of one table, split 60 / 20 / 20 per cent at random, or of the splits by name.

    Args:
        given: the examples
        problem: `auto`, `classification` or `regression`; see `evoact.tasks.own.targets.read_targets`
        standardise: whether features, and targets in regression, are shifted and scaled to mean 0 and standard
            deviation 1 over the training split; the metric is in the targets' own units all the same
        seed: of the split
        features: names of the columns, for messages

    Raises:
        UserError: if the arrays do not fit each other, single precision or a meaning.
    """
    lookup(dict.fromkeys(PROBLEMS), "task.problem", problem)
    parts = {"": given} if isinstance(given, Given) else dict(given)
    for part in parts.values():
        _check(part)
    read = _targets_of(parts, problem)
    inputs = np.concatenate([part.inputs for part in parts.values()]) if len(parts) > 1 else parts[""].inputs
    indices = _indices(parts, seed)
    if read.classes:
        _check_classes(read, indices, parts)
    x_scaling = fitted(inputs[indices["train"]]) if standardise else None
    y_scaling = fitted(read.values[indices["train"]]) if standardise and not read.classes else None
    x = inputs.astype(np.float32) if x_scaling is None else x_scaling.apply(inputs)
    y = read.values if read.classes else read.values.astype(np.float32)
    if y_scaling is not None:
        y = y_scaling.apply(read.values)
    scale = None if y_scaling is None else y_scaling.scale
    splits = {name: Split(x[i], y[i], scale) for name, i in indices.items()}
    train = indices["train"]
    warnings = [] if standardise else _scale_warnings(inputs[train], read, train, features)
    return ArrayTask(
        input_shape=tuple(x.shape[1:]),
        n_outputs=len(read.classes) or y.shape[1],
        classification=bool(read.classes),
        load=lambda: splits,
        preprocessing=Preprocessing(x_scaling, y_scaling, read.classes),
        notes=(*read.notes, *warnings, *_rare_classes(read, train), *_absent_classes(read, indices)),
    )


def _check(given: Given) -> None:
    x, name = given.inputs, given.x
    if x.ndim < 2:
        raise UserError(
            f"expected {name} [n, ...], an example in each row, got shape {x.shape}; save {name}[:, None] if it is "
            "one feature"
        )
    if given.targets.ndim < 1 or len(x) != len(given.targets) or len(x) == 0:
        raise UserError(
            f"expected {name} [n, ...] and {given.y} with the same n > 0, got {x.shape} and {given.targets.shape}"
        )
    if x.dtype.kind not in "biuf":
        raise UserError(f"expected real numbers in {name}, got {x.dtype}; save the features as floats")
    if 0 in x.shape:
        raise UserError(f"expected at least one feature in {name}, got shape {x.shape}")
    wrong = ~(np.abs(x) <= np.finfo(np.float32).max) if x.dtype.kind == "f" else np.zeros(1, bool)
    if wrong.any():
        raise UserError(
            f"expected finite numbers that fit single precision in {name}, got {first_of(x, wrong, name)}; "
            "fill in or drop such values"
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
    return f"shapes {given.inputs.shape[1:]}, {given.targets.shape[1:]} with {kind}"


def _indices(parts: Mapping[str, Given], seed: int) -> dict[str, np.ndarray]:
    """The rows of each split, of all parts together."""
    if len(parts) == 1:
        n = len(next(iter(parts.values())).inputs)
        if n < 5 * FEWEST:
            raise UserError(f"expected at least {5 * FEWEST} examples to split, got {n}")
        return dict(zip(SPLITS, split_indices(n, (0.6, 0.2, 0.2), generator("arrays", seed)), strict=True))
    ends = np.cumsum([len(part.inputs) for part in parts.values()])
    indices = {
        name: np.arange(e - len(p.inputs), e) for (name, p), e in zip(parts.items(), ends, strict=True)
    }
    for name, rows in indices.items():
        if len(rows) < FEWEST:
            raise UserError(f"expected at least {FEWEST} examples in {parts[name].x}, got {len(rows)}")
    return indices


def _check_classes(read: Targets, indices: Mapping[str, np.ndarray], parts: Mapping[str, Given]) -> None:
    """Whether training sees every class."""
    missing = set(range(len(read.classes))) - set(read.values[indices["train"]].tolist())
    if not missing:
        return
    label = min(missing)
    where = [name for name, rows in indices.items() if (read.values[rows] == label).any()]
    remedy = (
        "drop these examples, or set another task.seed"
        if "" in parts
        else "split again, or drop these examples"
    )
    raise UserError(
        f"expected every class among the training examples, got class {read.classes[label]!r} only in "
        f"{' and '.join(where)} ({int((read.values == label).sum())} examples), which no network could learn; {remedy}"
    )


def _scale_warnings(x: np.ndarray, read: Targets, train: np.ndarray, names: Sequence[str]) -> list[str]:
    """Warnings about the scales of features and targets as they are, in the training split."""
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
                f"targets have means of {_range(mean)} and standard deviations of {_range(deviation)}, which "
                f"networks learn slowly; {remedy} (the metric stays in their units)"
            )
    return found


def _range(values: np.ndarray) -> str:
    low, high = f"{values.min():.3g}", f"{values.max():.3g}"
    return low if low == high else f"{low} to {high}"


def _rare_classes(read: Targets, train: np.ndarray) -> list[str]:
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


def _absent_classes(read: Targets, indices: Mapping[str, np.ndarray]) -> list[str]:
    """Warnings about classes that a split lacks; training has every class."""
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
