"""Tasks whose inputs are images: kept as uint8 pixels, scaled and augmented batch by batch."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from evoact.errors import UserError
from evoact.registry import lookup
from evoact.seeding import generator
from evoact.tasks.augmentation import FILLS, random_windows
from evoact.tasks.task import Split, constant, cross_entropy

Examples = tuple[np.ndarray, np.ndarray]  # images uint8 [n, channels, height, width], and labels int64 [n]


@dataclass(frozen=True)
class ImageTask:
    """Classification of images [C, H, W]; metric accuracy.

    Stored pixels x become (x / 255 - mean) / scale, per channel. In evaluation networks see the central
    window of `input_shape`; in training, if `augment` is set, one that starts at an offset between the
    two of `offsets` along both axes, mirrored every other time, `fill` beyond the image's edge.
    """

    input_shape: tuple[int, int, int]
    n_outputs: int
    load: Callable[[], Mapping[str, Split]]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    augment: bool
    offsets: tuple[int, int]
    fill: str
    metric: str = "accuracy"
    direction: str = "maximize"

    @property
    def is_cross_entropy(self) -> bool:
        """Whether the loss is `cross_entropy`, without weights."""
        return True

    def splits(self) -> Mapping[str, Split]:
        return self.load()

    def prepare(self, inputs: Tensor, seeds: Sequence[int] | None) -> Tensor:
        height, width = self.input_shape[1:]
        if seeds is not None and self.augment:
            inputs = random_windows(inputs, seeds, self.offsets, (height, width), self.fill)
        else:
            top, left = (inputs.shape[-2] - height) // 2, (inputs.shape[-1] - width) // 2
            inputs = inputs[..., top : top + height, left : left + width]
        mean, scale = (
            constant(tuple(255 * m for m in moments), inputs.device, inputs.dtype).view(-1, 1, 1)
            for moments in (self.mean, self.scale)
        )
        return (inputs - mean) / scale

    def losses(self, outputs: Tensor, targets: Tensor, members: Sequence[str]) -> Tensor:
        return cross_entropy(outputs, targets)


def scaling(
    standardise: bool, mean: Sequence[float], scale: Sequence[float]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and scale of an `ImageTask`: these, or those of plain pixels / 255.

    >>> scaling(False, (0.3,), (0.35,))
    ((0.0,), (1.0,))
    """
    if standardise:
        return tuple(mean), tuple(scale)
    return (0.0,) * len(mean), (1.0,) * len(scale)


def check_arguments(
    train_examples: int | None, validation_examples: int | None, shift: int = 0, fill: str = "edge"
) -> None:
    """Check the arguments that image tasks share, as far as they can be judged without the data."""
    for name, value in (("train_examples", train_examples), ("validation_examples", validation_examples)):
        if value is not None and value < 1:
            raise UserError(
                f"expected task.{name} to be a number of at least 1, or none for all, got {value!r}"
            )
    if shift < 0:
        raise UserError(f"expected task.shift of at least 0 pixels, got {shift}")
    lookup(dict.fromkeys(FILLS), "task.fill", fill)


def train_and_validation(
    labels: np.ndarray,
    keys: Sequence[str],
    train_examples: int | None,
    validation_examples: int | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return indices into the training file: the last tenth of a permutation is for validation, the rest for
    training, so that a subset of either is drawn from fixed and disjoint parts.

    Args:
        keys: of the permutation's generator
        train_examples, validation_examples: take that many, the first of each part, or all

    Raises:
        UserError: if there are not as many.
    """
    order = generator(*keys).permutation(len(labels))
    n_validation = max(1, len(order) // 10)
    parts = []
    for name, wanted, part in (
        ("train_examples", train_examples, order[:-n_validation]),
        ("validation_examples", validation_examples, order[-n_validation:]),
    ):
        if wanted is not None and wanted > len(part):
            raise UserError(f"expected task.{name} of at most {len(part)}, what there is, got {wanted}")
        parts.append(part[:wanted])
    return parts[0], parts[1]


def published_task(
    name: str,
    read: Callable[[], tuple[Examples, Examples]],
    input_shape: tuple[int, int, int],
    n_outputs: int,
    moments: tuple[Sequence[float], Sequence[float]],
    *,
    train_examples: int | None,
    validation_examples: int | None,
    standardise: bool,
    augment: bool,
    shift: int,
    fill: str,
) -> ImageTask:
    """Return the task of published files, one of images and labels to train on and one for the test; validation is
    taken of the former by `train_and_validation`.

    Args:
        read: gives the images and labels of both files, when they are first needed
        moments: mean and standard deviation of the training file's pixels by channel, as fractions of 255
        train_examples, ...: the arguments that such tasks share, as `fashion_mnist` has them

    Raises:
        UserError: if an argument is wrong.
    """
    check_arguments(train_examples, validation_examples, shift, fill)
    mean, scale = scaling(standardise, *moments)

    @functools.cache
    def load() -> Mapping[str, Split]:
        (x, y), test = read()
        own, validation = train_and_validation(y, (name, "validation"), train_examples, validation_examples)
        return {
            "train": Split(x[own], y[own]),
            "validation": Split(x[validation], y[validation]),
            "test": Split(*test),
        }

    return ImageTask(input_shape, n_outputs, load, mean, scale, augment, (-shift, shift), fill)


def check_labels(name: str, labels: np.ndarray, n_examples: int, n_classes: int) -> None:
    """Check that there are as many labels as images, each a class.

    Raises:
        UserError: naming the file.
    """
    if len(labels) != n_examples:
        raise UserError(f"{name}: expected {n_examples} labels, one for each image, got {len(labels)}")
    outside = labels[(labels < 0) | (labels >= n_classes)]
    if len(outside):
        raise UserError(f"{name}: expected labels from 0 to {n_classes - 1}, got {int(outside[0])}")
