"""Photographs in one folder for each class, in the layout of ILSVRC-2012 (Russakovsky et al. 2015).

They are read when a batch needs them and never held together: the training images alone would take
250 GB as pixels.
"""

import functools
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evoact.errors import UserError
from evoact.tasks.files import find, missing
from evoact.tasks.images import ImageTask, check_arguments, scaling, train_and_validation
from evoact.tasks.task import Split

NAME = "imagenet_folder"
SIDE = 256  # of the stored squares
CROP = 227  # what AlexNet sees
SUFFIXES = (".jpeg", ".jpg", ".png")
# Per channel, of the training images of ILSVRC-2012, as fractions of 255.
MEAN, SCALE = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, eq=False)
class Photographs:
    """Image files as an array uint8 [n, 3, 256, 256] that is read when it is indexed.

    `names` are paths below `folder` as an array of bytes: a million of them take 40 MB.
    """

    folder: Path
    names: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.names), 3, SIDE, SIDE)

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.uint8)

    @property
    def nbytes(self) -> int:
        return self.names.nbytes

    @property
    def identity(self) -> np.ndarray:
        return self.names

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, indices: np.ndarray) -> np.ndarray:
        wanted = [self.folder / os.fsdecode(name) for name in self.names[indices]]
        # Pillow lets go of the interpreter's lock while it decodes.
        with ThreadPoolExecutor(min(len(wanted), os.cpu_count() or 1)) as pool:
            return np.stack(list(pool.map(read_square, wanted)))


def read_square(path: Path, side: int = SIDE) -> np.ndarray:
    """Return the shorter side resized to so many pixels and the central square of that (Krizhevsky et al. 2012,
    section 2), in RGB: uint8 [3, side, side].

    Raises:
        UserError: if the file is missing or no whole image.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            image.draft("RGB", (side, side))  # JPEG decodes at the least scale that is large enough
            picture = image.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(f"{path}: expected a whole image, got one that cannot be read: {error}") from None
    width, height = picture.size
    scale = side / min(width, height)
    size = max(side, round(width * scale)), max(side, round(height * scale))
    left, top = (size[0] - side) // 2, (size[1] - side) // 2
    resized = picture.resize(size, Image.Resampling.BILINEAR)
    square = resized.crop((left, top, left + side, top + side))
    return np.asarray(square).transpose(2, 0, 1)


def imagenet_folder(
    data: str | None = None,
    classes: int = 1000,
    train_examples: int | None = None,
    validation_examples: int | None = None,
    standardise: bool = True,
    augment: bool = True,
) -> ImageTask:
    """Return the task of images [3, 227, 227] from `train/CLASS/*.JPEG` and `val/CLASS/*.JPEG`; metric accuracy.

    Classes are numbered in the order of their folders' names. A tenth of `train`, drawn once, is for
    validation; `val`, whose labels are published while those of the challenge's test images are not, is
    the test.

    Args:
        data: the folder that holds `train` and `val`; by default `$EVOACT_DATA/imagenet_folder`
        classes: how many there must be
        train_examples, validation_examples: a fixed subset of that many; a larger one contains a smaller one
        standardise: shift and scale each channel by ILSVRC-2012's mean and standard deviation; false
            divides by 255 alone
        augment: train on random crops, mirrored every other time; false trains on the central crop, as
            evaluation always does. On unless said otherwise: no published recipe for these images goes
            without, Manessi & Rozza's (2018) neither.

    >>> imagenet_folder().input_shape
    (3, 227, 227)
    """
    check_arguments(train_examples, validation_examples)
    if classes < 2:
        raise UserError(f"expected task.classes of at least 2, got {classes}")
    mean, scale = scaling(standardise, MEAN, SCALE)
    return ImageTask(
        input_shape=(3, CROP, CROP),
        n_outputs=classes,
        load=functools.cache(lambda: _splits(data, classes, train_examples, validation_examples)),
        mean=mean,
        scale=scale,
        augment=augment,
        offsets=(0, SIDE - CROP),
        fill="edge",
    )


def is_present() -> bool:
    """Return whether there is a folder of training images where the task looks by default."""
    return find(("train",), NAME, None) is not None


def _splits(
    data: str | None, classes: int, train_examples: int | None, validation_examples: int | None
) -> Mapping[str, Split]:
    folder = find(("train",), NAME, data)
    if folder is None:
        raise missing(
            "train/CLASS/*.JPEG", NAME, data, "set task.data to the folder that holds train and val"
        )
    root = folder.parent
    names = _class_names(root / "train", classes)
    if _class_names(root / "val", classes) != names:
        raise UserError(f"{root}: expected the same class folders in train and val, got others")
    train_files, y = image_files(root / "train", names)
    test_files, test_y = image_files(root / "val", names)
    train, validation = train_and_validation(y, (NAME, "validation"), train_examples, validation_examples)
    return {
        "train": Split(Photographs(root / "train", train_files[train]), y[train]),
        "validation": Split(Photographs(root / "train", train_files[validation]), y[validation]),
        "test": Split(Photographs(root / "val", test_files), test_y),
    }


def _class_names(folder: Path, classes: int) -> list[str]:
    names = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir()) if folder.is_dir() else []
    if len(names) != classes:
        raise UserError(
            f"{folder}: expected {classes} folders, one for each class, got {len(names)}; "
            "sort the images into them, or set task.classes"
        )
    return names


def image_files(folder: Path, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return all images below a folder, class by class, and the number of each one's class.

    Raises:
        UserError: if a class has none.
    """
    files: list[bytes] = []
    labels: list[int] = []
    for label, name in enumerate(names):
        found = sorted(e.name for e in os.scandir(folder / name) if e.name.lower().endswith(SUFFIXES))
        if not found:
            raise UserError(f"{folder / name}: expected images ({', '.join(SUFFIXES)}), found none")
        files += [os.fsencode(f"{name}/{file}") for file in found]
        labels += [label] * len(found)
    return np.array(files), np.array(labels, np.int64)
