"""Images in one folder for each class: sizes, splits, grey ones, and folders that are refused."""

import numpy as np
import pytest
from PIL import Image

from evoact.errors import UserError
from evoact.tasks.table import table

RNG = np.random.default_rng(0)


def fill(root, classes=("cat", "dog"), each=10, shape=(12, 9, 3)):
    for i, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for k in range(each):
            pixels = RNG.integers(100 * i, 100 * i + 50, shape, dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{k}.png")
    return str(root)


def test_classes_are_folders(tmp_path):
    task = table(images=fill(tmp_path / "a"))
    assert (task.input_shape, task.n_outputs) == ((3, 9, 9), 2)
    assert [len(s) for s in task.splits().values()] == [12, 4, 4]
    assert task.preprocessing.classes == ("cat", "dog")
    train = task.splits()["train"].inputs
    assert train.mean(axis=(0, 2, 3)) == pytest.approx([0, 0, 0], abs=1e-5)
    assert np.bincount(task.splits()["test"].targets).tolist() == [2, 2]
    assert table(images=str(tmp_path / "a"), image_size=5).input_shape == (3, 5, 5)
    pixels = np.full((1, 3, 9, 9), 25, np.uint8)
    assert task.preprocessing.apply(pixels).shape == (1, 3, 9, 9)


def test_splits_are_folders_and_grey_images_have_one_channel(tmp_path):
    for split in ("train", "val", "test"):
        fill(tmp_path / split, each=3, shape=(8, 8))
    task = table(images=str(tmp_path), metric="balanced_accuracy")
    assert task.input_shape == (1, 8, 8)
    assert [len(s) for s in task.splits().values()] == [6, 6, 6]
    assert task.metric == "balanced_accuracy"


def test_refused(tmp_path):
    for arguments, message in (
        ({"images": str(tmp_path / "none")}, "task.images to name a folder of class folders"),
        ({"images": str(tmp_path)}, "a folder of images for each class, got none"),
        ({"images": str(tmp_path), "target": "y"}, "task.images without task.target"),
        ({"images": str(tmp_path), "image_size": 0}, "task.image_size of at least 1 pixel"),
        (
            {"images": str(tmp_path), "path": "a.csv"},
            "task.path, a table, or task.images, a folder, got both",
        ),
        ({}, "got neither"),
    ):
        with pytest.raises(UserError, match=message):
            table(**arguments)
    one = fill(tmp_path / "one", classes=("cat",))
    with pytest.raises(UserError, match="at least two classes in the class folders, got only cat"):
        table(images=one)
    fill(tmp_path / "split" / "train")
    with pytest.raises(UserError, match="folders train, validation and test, got none for validation"):
        table(images=str(tmp_path / "split"))
    two = fill(tmp_path / "two")
    (tmp_path / "two" / "cat" / "3.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"3.png: expected a whole image"):
        table(images=two)
    with pytest.raises(UserError, match=r"20 of 99999 x 99999 pixels; set a smaller task.image_size"):
        table(images=two, image_size=99999)
