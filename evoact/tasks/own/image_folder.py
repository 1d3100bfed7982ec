"""People's own images, in one folder for each class, perhaps below `train`, `validation` and `test`."""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from evoact.errors import UserError
from evoact.tasks.imagenet_folder import image_files, read_square
from evoact.tasks.own.own_data import Given

LARGEST_SIDE = 64  # of images whose size nobody said
MOST_BYTES = 2**32  # of all images together, as numbers
SPLITS = {"train": ("train",), "validation": ("validation", "val", "valid"), "test": ("test",)}


def images_in(folder: str, size: int | None = None) -> Given | dict[str, Given]:
    """Return the images of a folder, uint8 [n, channels, size, size], and the names of their classes [n]; by split
    if the folder has them. The shorter side is resized, and the central square is taken; grey images have one channel.

    Args:
        folder: holds a folder of images for each class, or `train`, `validation` (or `val`) and `test` that do
        size: pixels of a side; by default the shorter side of the first image, at most 64

    Raises:
        UserError: if there are no images, or one cannot be read.
    """
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise UserError(
            f"expected task.images to name a folder of class folders, got {folder!r}, which is none"
        )
    if size is not None and size < 1:
        raise UserError(f"expected task.image_size of at least 1 pixel, got {size}")
    below = sorted(entry.name for entry in os.scandir(root) if entry.is_dir())
    named = {split: next((name for name in names if name in below), "") for split, names in SPLITS.items()}
    if named["train"] and not all(named.values()):
        missing = [split for split, name in named.items() if not name]
        raise UserError(f"{folder}: expected folders train, validation and test, got none for {missing[0]}")
    parts = {split: root / name for split, name in named.items()} if named["train"] else {"": root}
    found = {split: _listed(part) for split, part in parts.items()}
    first = next(iter(found.values()))[0][0]
    side = size or min(LARGEST_SIDE, _shorter_side(first))
    images = sum(len(files) for files, _ in found.values())
    if images * 3 * side * side * 4 > MOST_BYTES:
        raise UserError(
            f"{folder}: expected images that fit memory, got {images:,} of {side} x {side} pixels; set a smaller "
            "task.image_size"
        )
    read = {split: (_read(files, side), labels) for split, (files, labels) in found.items()}
    grey = all(bool((x == x[:, :1]).all()) for x, _ in read.values())
    given = {
        split: Given(
            x[:, :1] if grey else x, labels, f"the {split} images".replace("  ", " "), "the class folders"
        )
        for split, (x, labels) in read.items()
    }
    return given.get("", given)


def _listed(folder: Path) -> tuple[list[Path], np.ndarray]:
    """All images below a folder, and the name of each one's class."""
    names = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
    if not names:
        raise UserError(f"{folder}: expected a folder of images for each class, got none")
    files, labels = image_files(folder, names)
    return [folder / os.fsdecode(file) for file in files], np.array(names)[labels]


def _shorter_side(path: Path) -> int:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return min(image.size)
    except (UnidentifiedImageError, OSError) as error:
        raise UserError(f"{path}: expected a whole image, got one that cannot be read: {error}") from None


def _read(files: list[Path], side: int) -> np.ndarray:
    # Pillow lets go of the interpreter's lock while it decodes.
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return np.stack(list(pool.map(partial(read_square, side=side), files)))
