"""Folders of photographs: sizes and colours, crops, batches read on demand, and what can be wrong."""

import shutil
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from evoact.errors import UserError
from evoact.tasks.imagenet_folder import imagenet_folder, read_square
from evoact.tasks.task import to_device
from evoact.training.batches import Batches, evaluation_parts
from tests.tasks import published

CPU = torch.device("cpu")


def test_splits_number_classes_by_name(small):
    splits = imagenet_folder(classes=3).splits()
    assert {n: len(s) for n, s in splits.items()} == {"train": 19, "validation": 2, "test": 6}
    assert splits["test"].targets.tolist() == [0, 0, 1, 1, 2, 2]
    names = splits["train"].inputs.names
    assert [int(name[:9].decode()[1:]) for name in names] == splits["train"].targets.tolist()


def test_squares_are_the_middle_at_the_shorter_side(tmp_path):
    wide = np.zeros((256, 512, 3), np.uint8)
    wide[:, :128], wide[:, 128:384], wide[:, 384:] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    for height, name in ((256, "same"), (512, "larger")):
        Image.fromarray(wide).resize((2 * height, height)).save(tmp_path / f"{name}.png")
        square = read_square(tmp_path / f"{name}.png")
        assert square.shape == (3, 256, 256)
        assert square.dtype == np.uint8
        assert (square[:, :, 4:-4] == np.array([0, 255, 0])[:, None, None]).all()
    small = Image.fromarray(wide).resize((60, 30))
    small.save(tmp_path / "small.png")
    assert read_square(tmp_path / "small.png").shape == (3, 256, 256)


def test_batches_are_read_when_needed(small, monkeypatch):
    read = []
    whole = read_square
    module = sys.modules["evoact.tasks.imagenet_folder"]  # the function of that name hides it
    monkeypatch.setattr(module, "read_square", lambda p: read.append(p) or whole(p))
    task = imagenet_folder(classes=3)
    train = task.splits()["train"]
    inputs, targets = to_device(train, CPU, torch.float32)
    batches = Batches(inputs, targets, 4, 0, task.prepare, torch.float32)
    assert not read
    x, y = batches([0, 0, 1], 0)
    assert x.shape == (3, 4, 3, 227, 227)
    assert x.dtype == torch.float32
    assert len(read) <= 16, "this batch and the next; members of a replicate share what is read"
    assert torch.equal(x[0], x[1])
    assert torch.equal(y[0], y[1])
    assert torch.equal(y[2], targets[batches.indices(1, 0)])
    again, _ = Batches(inputs, targets, 4, 0, task.prepare, torch.float32)([1], 0)
    assert torch.equal(again[0], x[2])


def test_evaluation_sees_the_central_crop(small):
    task = imagenet_folder(classes=3)
    split = task.splits()["test"]
    parts = list(evaluation_parts(task, split, 4, CPU, torch.float32))
    assert [tuple(x.shape) for x, _ in parts] == [(1, 4, 3, 227, 227), (1, 2, 3, 227, 227)]
    central = torch.as_tensor(split.inputs[np.arange(4)])[:, :, 14:241, 14:241] / 255
    mean, scale = (torch.tensor(t).view(3, 1, 1) for t in (task.mean, task.scale))
    assert torch.allclose(parts[0][0][0], (central - mean) / scale, atol=1e-5)
    assert torch.cat([y for _, y in parts]).tolist() == split.targets.tolist()


@pytest.mark.slow
def test_training_sees_crops_of_the_same_square(small):
    task = imagenet_folder(classes=3, standardise=False)
    stored = torch.as_tensor(task.splits()["train"].inputs[np.array([0])])[None].double()
    crop = task.prepare(stored, [3])[0, 0]
    windows = stored[0, 0].unfold(1, 227, 1).unfold(2, 227, 1) / 255
    assert windows.shape[1:3] == (30, 30)
    corner = (slice(None), slice(None), slice(None), 0)
    places = [
        (int(i), int(j), flip)
        for flip in (False, True)
        for i, j in (windows[corner][..., -1 if flip else 0] == crop[:, 0, 0, None, None])
        .all(dim=0)
        .nonzero()
    ]
    assert any(torch.equal(windows[:, i, j].flip(-1) if f else windows[:, i, j], crop) for i, j, f in places)


def test_a_plain_fixed_subset(small):
    task = imagenet_folder(classes=3, train_examples=5, augment=False)
    stored = torch.rand(1, 2, 3, 256, 256)
    assert len(task.splits()["train"]) == 5
    assert torch.equal(task.prepare(stored, [1]), task.prepare(stored, None))


@pytest.fixture
def folder(tmp_path):
    published.photographs(tmp_path / "p", classes=2, each=5)
    return tmp_path / "p"


def test_missing_folders(nothing, folder):
    with pytest.raises(UserError, match=r"expected train/CLASS/\*\.JPEG in .*imagenet_folder, found none"):
        imagenet_folder().splits()
    with pytest.raises(UserError, match="train: expected 1000 folders, one for each class, got 2"):
        imagenet_folder(str(folder)).splits()
    (folder / "val" / "n00000001").rename(folder / "val" / "n00000009")
    with pytest.raises(UserError, match="the same class folders in train and val"):
        imagenet_folder(str(folder), classes=2).splits()
    shutil.rmtree(folder / "val")
    with pytest.raises(UserError, match="val: expected 2 folders"):
        imagenet_folder(str(folder), classes=2).splits()


def test_an_empty_class(nothing, folder):
    for file in (folder / "train" / "n00000001").iterdir():
        file.rename(file.with_suffix(".txt"))
    with pytest.raises(UserError, match=r"n00000001: expected images \(.jpeg, .jpg, .png\), found none"):
        imagenet_folder(str(folder), classes=2).splits()


def test_a_torn_image_is_named(nothing, folder):
    torn = folder / "train" / "n00000000" / "train_3.JPEG"
    torn.write_bytes(torn.read_bytes()[:-200])
    with pytest.raises(UserError, match=r"train_3.JPEG: expected a whole image, got one that cannot be read"):
        read_square(torn)
    torn.write_bytes(b"no image")
    train = imagenet_folder(str(folder), classes=2).splits()["train"]
    with pytest.raises(UserError, match=r"train_3.JPEG"):
        train.inputs[np.arange(len(train))]


def test_bad_arguments():
    with pytest.raises(UserError, match=r"task\.classes of at least 2, got 1"):
        imagenet_folder(classes=1)
