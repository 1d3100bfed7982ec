"""CIFAR-10 (Krizhevsky 2009): 60,000 colour images, 32 x 32, in ten classes, from the python batches."""

import hashlib
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from evoact.errors import UserError
from evoact.tasks.files import DataFile, find, require
from evoact.tasks.images import Examples, ImageTask, check_labels, published_task
from evoact.tasks.plain_pickle import load_plain

NAME = "cifar10"
CLASSES = 10
PIXELS = 3 * 32 * 32
FOLDER = "cifar-10-batches-py"
ARCHIVE = DataFile(
    ("cifar-10-python.tar.gz",),
    "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    gzipped=False,
)
# MD5 of the files in the archive: the digests known for them.
BATCHES: Mapping[str, str] = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}
PLACES = (FOLDER, "data_batch_1", *ARCHIVE.names)
# Per channel, of the 50,000 training images, as fractions of 255.
MEAN, SCALE = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def cifar10(
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
    """Return the task of images [3, 32, 32]; 45,000 to train on, 5,000 for validation, the published 10,000 for the
    test.

    Args:
        data: the folder of `cifar-10-python.tar.gz`, or of the batches in it; by default
            `$EVOACT_DATA/cifar10`, then the cache
        download: fetch the archive if it is missing (170 MB)
        verify: check the batches against the published ones; false for other data in the same files
        train_examples, validation_examples: a fixed subset of that many; a larger one contains a smaller one
        standardise: shift and scale each channel by the training file's mean and standard deviation;
            false divides by 255 alone, as Manessi & Rozza (2018) do
        augment: flip training images left to right every other time, and shift them by up to `shift`
            pixels along both axes (3 is the tenth of the width of the Keras example that Manessi & Rozza
            build on). Off unless asked for: it is part of a training recipe, not of the data.
        fill: what a shift uncovers: the nearest pixel (`edge`, the default of Keras) or black (`zero`)

    >>> cifar10(augment=True).input_shape
    (3, 32, 32)
    """
    return published_task(
        NAME,
        lambda: _read(data, download, verify),
        (3, 32, 32),
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
    """Return whether the archive or its folder lies where the task looks by default."""
    return find(PLACES, NAME, None) is not None


def _read(data: str | None, download: bool, verify: bool) -> tuple[Examples, Examples]:
    place = find(PLACES, NAME, data) or require(ARCHIVE, NAME, data, download)
    read = _from_archive(place) if place.name in ARCHIVE.names else _from_folder(place)
    stored = {
        name: _batch(f"{place}: {name}", read[name], digest, verify) for name, digest in BATCHES.items()
    }
    test = stored.pop("test_batch")
    x, y = (np.concatenate([batch[i] for batch in stored.values()]) for i in (0, 1))
    return (x, y), test


def _from_folder(place: Path) -> dict[str, bytes]:
    folder = place if place.is_dir() else place.parent
    for name in BATCHES:
        if not (folder / name).is_file():
            raise UserError(
                f"task {NAME}: expected {name} in {folder}, found none; extract the archive again"
            )
    return {name: (folder / name).read_bytes() for name in BATCHES}


def _from_archive(path: Path) -> dict[str, bytes]:
    """The batches in the archive, read in the order in which they lie; nothing is extracted."""
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r|gz") as archive:
            for member in archive:
                file = archive.extractfile(member) if member.isfile() else None
                if file is not None and Path(member.name).name in BATCHES:
                    found[Path(member.name).name] = file.read()
    except (tarfile.TarError, EOFError, OSError, zlib.error):
        problem = "expected a whole tar.gz archive, got a damaged or truncated one"
    else:
        missing = [name for name in BATCHES if name not in found]
        if not missing:
            return found
        problem = f"expected {', '.join(missing)} in the archive, found none"
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    raise UserError(
        f"{path}: {problem} (sha256: expected {ARCHIVE.sha256}, found {digest}); download it again"
    )


def _batch(name: str, contents: bytes, md5: str, verify: bool) -> Examples:
    """The images [n, 3, 32, 32] and labels of one batch."""
    found = hashlib.md5(contents, usedforsecurity=False).hexdigest()
    digests = f"md5: expected {md5}, found {found}"
    batch = load_plain(contents)
    if not isinstance(batch, dict) or not {b"data", b"labels"} <= set(batch):
        raise UserError(
            f"{name}: expected a pickled dictionary with data and labels, got something else ({digests})"
        )
    images, labels = batch[b"data"], batch[b"labels"]
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.shape[1:] != (PIXELS,):
        shape = f"{images.dtype} {images.shape}" if isinstance(images, np.ndarray) else type(images).__name__
        raise UserError(f"{name}: expected images as uint8 (n, {PIXELS}), got {shape} ({digests})")
    if not isinstance(labels, list) or not all(type(label) is int for label in labels):
        raise UserError(f"{name}: expected a list of integers as labels, got something else ({digests})")
    classes = np.array(labels, np.int64)
    check_labels(f"{name} ({digests})", classes, len(images), CLASSES)
    if verify and found != md5:
        raise UserError(
            f"{name}: expected contents with md5 {md5}, found {found}; "
            "get the file again, or set task.verify: false if it is meant to differ"
        )
    return images.reshape(-1, 3, 32, 32), classes
