"""Fashion-MNIST (Xiao et al. 2017): 70,000 grey images of clothes, 28 x 28, in ten classes."""

from collections.abc import Mapping

import numpy as np

from evoact.tasks.files import DataFile, find, require
from evoact.tasks.idx import read_idx
from evoact.tasks.images import Examples, ImageTask, check_labels, published_task

NAME = "fashion_mnist"
URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
CLASSES = 10
# Of the 60,000 training images, as fractions of 255.
MEAN, SCALE = (0.28604,), (0.35302,)


def _file(name: str, sha256: str) -> DataFile:
    return DataFile((f"{name}.gz", name), f"{URL}/{name}.gz", sha256, gzipped=True)


FILES: Mapping[str, tuple[DataFile, DataFile]] = {
    "train": (
        _file("train-images-idx3-ubyte", "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"),
        _file("train-labels-idx1-ubyte", "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
    ),
    "test": (
        _file("t10k-images-idx3-ubyte", "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
        _file("t10k-labels-idx1-ubyte", "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
    ),
}


def fashion_mnist(
    data: str | None = None,
    download: bool = False,
    verify: bool = True,
    train_examples: int | None = None,
    validation_examples: int | None = None,
    standardise: bool = True,
    augment: bool = False,
    shift: int = 3,
    fill: str = "edge",
) -> ImageTask:
    """Return the task of images [1, 28, 28]; 54,000 to train on, 6,000 for validation, the published 10,000 for the
    test.

    Args:
        data: the folder of the four IDX files, gzipped or not; by default `$EVOACT_DATA/fashion_mnist`,
            then the cache
        download: fetch what is missing (31 MB)
        verify: check the files against the published ones; false for other data in the same files
        train_examples, validation_examples: a fixed subset of that many; a larger one contains a smaller one
        standardise: shift and scale by the training file's mean and standard deviation; false divides
            by 255 alone, as Manessi & Rozza (2018) do
        augment: flip training images left to right every other time, and shift them by up to `shift`
            pixels along both axes. Off unless asked for: it is part of a training recipe (that of Manessi
            & Rozza among them, who do not say by how much they shift), and in runs of a few epochs it
            costs accuracy.
        fill: what a shift uncovers: the nearest pixel (`edge`, the default of Keras) or black (`zero`)

    >>> fashion_mnist(train_examples=12000).input_shape
    (1, 28, 28)
    """
    return published_task(
        NAME,
        lambda: (_read("train", data, download, verify), _read("test", data, download, verify)),
        (1, 28, 28),
        CLASSES,
        (MEAN, SCALE),
        train_examples=train_examples,
        validation_examples=validation_examples,
        standardise=standardise,
        augment=augment,
        shift=shift,
        fill=fill,
    )


def is_present() -> bool:
    """Return whether all four files lie where the task looks by default; their contents are not read."""
    return all(find(file.names, NAME, None) for pair in FILES.values() for file in pair)


def _read(name: str, data: str | None, download: bool, verify: bool) -> Examples:
    paths = [require(file, NAME, data, download) for file in FILES[name]]
    shapes = ((None, 28, 28), (None,))
    images, labels = (
        read_idx(path, shape, file.sha256, verify)
        for path, shape, file in zip(paths, shapes, FILES[name], strict=True)
    )
    check_labels(str(paths[1]), labels, len(images), CLASSES)
    return images[:, None], labels.astype(np.int64)
