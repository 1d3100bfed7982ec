"""Small data in the files and folders of published data sets, and what the tests ask of it."""

import gzip
import io
import pickle
import struct
import tarfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from evoact.tasks.cifar10 import BATCHES, FOLDER

# Arguments with which every task can be made from `everything`, quickly.
ARGUMENTS = {
    "cifar10": {"verify": False},
    "fashion_mnist": {"verify": False},
    "henon_heiles": {"orbits": 5, "span": 20.0},
    "imagenet_folder": {"classes": 3},
    "van_der_pol": {"orbits": 5, "span": 20.0},
}


def everything(root: Path) -> None:
    """What `$EVOACT_DATA` may hold, all but the pendulum clock's file."""
    fashion_mnist(root / "fashion_mnist")
    cifar10(root / "cifar10")
    photographs(root / "imagenet_folder")


def compressed(content: bytes) -> bytes:
    """The same bytes whatever the time: they name tests, which several processes must call the same."""
    return gzip.compress(content, mtime=0)


def idx(array: np.ndarray) -> bytes:
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


def fashion_mnist(folder: Path, size: int = 28, train: int = 100, highest: int = 9, gz: bool = True) -> None:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, n in (("train", train), ("t10k", 30)):
        labels = np.arange(n) % 10
        labels[0] = highest
        for file, array in (
            (f"{name}-images-idx3-ubyte", rng.integers(0, 256, (n, size, size))),
            (f"{name}-labels-idx1-ubyte", labels),
        ):
            path = folder / (f"{file}.gz" if gz else file)
            path.write_bytes(compressed(idx(array)) if gz else idx(array))


def batches(n: int = 20, pixels: int = 3072, highest: int = 9) -> dict[str, bytes]:
    rng = np.random.default_rng(1)
    result = {}
    for name in BATCHES:
        labels = [int(i) % 10 for i in range(n - 1)] + [highest]
        data = rng.integers(0, 256, (n, pixels)).astype(np.uint8)
        result[name] = pickle.dumps({b"data": data, b"labels": labels, b"batch_label": b""}, protocol=2)
    return result


def cifar10(folder: Path, archive: bool = True, **changes: int) -> None:
    folder.mkdir(parents=True)
    if not archive:
        (folder / FOLDER).mkdir()
        for name, contents in batches(**changes).items():
            (folder / FOLDER / name).write_bytes(contents)
        return
    with tarfile.open(folder / "cifar-10-python.tar.gz", "w:gz") as tar:
        for name, contents in batches(**changes).items():
            entry = tarfile.TarInfo(f"{FOLDER}/{name}")
            entry.size, entry.mtime = len(contents), int(time.time())
            tar.addfile(entry, io.BytesIO(contents))


def photographs(folder: Path, classes: int = 3, each: int = 7) -> None:
    """Of many shapes, one grey and one in the four colours of print, as ILSVRC-2012 has them."""
    rng = np.random.default_rng(2)
    for part, n in (("train", each), ("val", 2)):
        for c in range(classes):
            home = folder / part / f"n{c:08d}"
            home.mkdir(parents=True)
            for i in range(n):
                height, width = (300 + 40 * i, 260 + 90 * c)
                small = rng.integers(0, 256, (8, 8, 3)).astype(np.uint8)
                image = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
                mode = {(0, 0): "L", (1, 1): "CMYK"}.get((c, i), "RGB")
                image.convert(mode).save(home / f"{part}_{i}.JPEG", "JPEG")
