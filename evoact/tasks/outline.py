"""A task without its data: what a report needs to know of it, and by which digest its data is known again."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from torch import Tensor

from evoact.errors import UserError
from evoact.tasks.task import Split, Task

# Arguments of tasks that say where data is.
PLACES = ("path", "data", "images")
# Others are computed, which another machine does to the last bit but one, or come with a library.
FROM_FILES = ("arrays", "cifar10", "fashion_mnist", "imagenet_folder", "table")


def data_digest(task: Task) -> str:
    """Return the SHA-256 of all splits: of inputs that are read on demand, of what they are called.

    >>> from evoact.tasks import TASKS
    >>> data_digest(TASKS["faulty"]()) == data_digest(TASKS["faulty"]())
    True
    """
    digest = hashlib.sha256()
    for name, split in sorted(task.splits().items()):
        for part in (split.inputs, split.targets):
            digest.update(f"{name} {part.dtype} {part.shape}".encode())
            content = part if isinstance(part, np.ndarray) else part.identity
            digest.update(np.ascontiguousarray(content).data)
        if split.target_scale is not None:  # values and their double, standardised, differ in nothing else
            digest.update(np.ascontiguousarray(split.target_scale).data)
    return digest.hexdigest()


@dataclass(frozen=True)
class Absent:
    """Inputs that are counted, but not there."""

    shape: tuple[int, ...]
    identity: np.ndarray

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.float32)

    @property
    def nbytes(self) -> int:
        return 0

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, indices: np.ndarray) -> np.ndarray:
        raise _without_data()


@dataclass(frozen=True)
class Outline:
    """All of a task but what is in its splits, which have so many `examples`."""

    metric: str
    direction: str
    input_shape: tuple[int, ...]
    n_outputs: int
    examples: Mapping[str, int]

    def splits(self) -> Mapping[str, Split]:
        nothing = np.zeros(0, np.uint8)
        return {
            name: Split(Absent((n, *self.input_shape), nothing), np.zeros(0))
            for name, n in self.examples.items()
        }

    def prepare(self, inputs: Tensor, seeds: object) -> Tensor:
        raise _without_data()

    def losses(self, outputs: Tensor, targets: Tensor, members: object) -> Tensor:
        raise _without_data()


def _without_data() -> UserError:
    return UserError("expected the data of the task, got its outline alone; read the run with its data")


def outlined(task: Task, counted: bool) -> dict[str, Any]:
    """Return the outline as JSON data; examples are counted if wanted, which takes the data."""
    examples = {name: len(split) for name, split in task.splits().items()} if counted else {}
    outline = Outline(task.metric, task.direction, task.input_shape, task.n_outputs, examples)
    return {**asdict(outline), "input_shape": list(outline.input_shape)}


def outline(data: Mapping[str, Any]) -> Outline:
    """Return the inverse of `outlined`.

    Raises:
        UserError: for data of another shape.

    >>> outline({"metric": "mse"})
    Traceback (most recent call last):
    evoact.errors.UserError: expected the outline of a task, got {'metric': 'mse'}
    """
    shape, examples = data.get("input_shape"), data.get("examples")
    numbers = (
        isinstance(shape, list)
        and isinstance(examples, dict)
        and all(
            type(n) is int and 0 <= n < 2**40 for n in (*shape, *examples.values(), data.get("n_outputs"))
        )
    )
    words = data.get("direction") in ("maximize", "minimize") and isinstance(data.get("metric"), str)
    if not (numbers and words):
        text = str(dict(data))
        raise UserError(
            f"expected the outline of a task, got {text if len(text) < 100 else text[:97] + '...'}"
        )
    return Outline(data["metric"], data["direction"], tuple(shape or ()), data["n_outputs"], examples or {})
