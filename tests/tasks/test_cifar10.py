"""CIFAR-10: the archive and its folder, pickles that are not what they should be, and those that attack."""

import os
import pickle
import struct

import numpy as np
import pytest

from evoact.errors import UserError
from evoact.tasks.cifar10 import BATCHES, FOLDER, cifar10
from evoact.tasks.plain_pickle import load_plain
from tests.tasks import published


def test_archive_and_folder_hold_the_same(nothing, tmp_path):
    published.cifar10(tmp_path / "archive")
    published.cifar10(tmp_path / "folder", archive=False)
    made = [
        cifar10(str(folder), verify=False).splits()
        for folder in (tmp_path / "archive", tmp_path / "folder", tmp_path / "folder" / FOLDER)
    ]
    for splits in made:
        assert {n: s.inputs.shape for n, s in splits.items()} == {
            "train": (90, 3, 32, 32),
            "validation": (10, 3, 32, 32),
            "test": (20, 3, 32, 32),
        }
        assert np.array_equal(splits["train"].inputs, made[0]["train"].inputs)


def test_pixels_are_red_green_blue_row_by_row(nothing, tmp_path):
    published.cifar10(tmp_path / "c")
    batch = load_plain(published.batches()["test_batch"])
    test = cifar10(str(tmp_path / "c"), verify=False).splits()["test"]
    assert test.inputs[3, 1, 2, 5] == batch[b"data"][3, 1024 + 2 * 32 + 5]
    assert test.targets.tolist() == batch[b"labels"]


def test_missing(nothing):
    with pytest.raises(
        UserError, match=r"expected cifar-10-python.tar.gz \(sha256 6d958b\w+\) in .*task.download: true"
    ):
        cifar10().splits()


def test_a_missing_batch(nothing, tmp_path):
    published.cifar10(tmp_path / "c", archive=False)
    (tmp_path / "c" / FOLDER / "data_batch_4").unlink()
    with pytest.raises(UserError, match="expected data_batch_4 in"):
        cifar10(str(tmp_path / "c")).splits()


def test_other_batches_fail_the_checksum(nothing, tmp_path):
    published.cifar10(tmp_path / "c")
    with pytest.raises(
        UserError, match=f"data_batch_1: expected contents with md5 {BATCHES['data_batch_1']}, found"
    ):
        cifar10(str(tmp_path / "c")).splits()


@pytest.mark.parametrize("keep", [0.5, 0.0])
def test_a_truncated_archive(nothing, tmp_path, keep):
    published.cifar10(tmp_path / "c")
    path = tmp_path / "c" / "cifar-10-python.tar.gz"
    contents = path.read_bytes()
    path.write_bytes(contents[: int(len(contents) * keep)])
    with pytest.raises(
        UserError, match=r"a whole tar.gz archive.*sha256: expected 6d958b.*, found [0-9a-f]{64}"
    ):
        cifar10(str(tmp_path / "c")).splits()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pixels": 784}, r"expected images as uint8 \(n, 3072\), got uint8 \(20, 784\)"),
        ({"highest": 10}, "expected labels from 0 to 9, got 10"),
    ],
)
def test_other_shapes_and_labels(nothing, tmp_path, changes, message):
    published.cifar10(tmp_path / "c", **changes)
    with pytest.raises(UserError, match=message):
        cifar10(str(tmp_path / "c"), verify=False).splits()


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (b"", "a pickled dictionary"),
        (pickle.dumps([1]), "a pickled dictionary"),
        (pickle.dumps({b"data": 1}), "a pickled dictionary"),
        (pickle.dumps({b"data": 1, b"labels": []}), "expected images as uint8"),
        (pickle.dumps({b"data": np.zeros((1, 3072)), b"labels": [0]}, 2), "got float64"),
        (pickle.dumps({b"data": np.zeros((1, 3072), np.uint8), b"labels": ["a"]}, 2), "a list of integers"),
        (published.batches()["data_batch_2"][:-500], "a pickled dictionary"),
    ],
)
def test_damaged_batches(nothing, tmp_path, contents, message):
    published.cifar10(tmp_path / "c", archive=False)
    (tmp_path / "c" / FOLDER / "data_batch_2").write_bytes(contents)
    with pytest.raises(
        UserError, match=rf"data_batch_2: .*{message}.*md5: expected d4bba4.*, found [0-9a-f]{{32}}"
    ):
        cifar10(str(tmp_path / "c"), verify=False).splits()


class Attack:
    def __reduce__(self):
        return os.mkdir, ("attacked",)


def test_a_pickle_cannot_run_anything(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for protocol in (0, 2, 4):
        assert load_plain(pickle.dumps({b"data": Attack(), b"labels": []}, protocol)) is None
    objects = np.array([Attack()], dtype=object)
    assert load_plain(pickle.dumps(objects, 2)) is None
    assert not list(tmp_path.iterdir())


def test_pickles_of_python_2():
    """As the published batches were written: byte strings, and NumPy's old module names."""
    text = lambda s: b"U" + bytes([len(s)]) + s  # noqa: E731
    pixels = bytes(range(6))
    contents = (
        b"\x80\x02}(" + text(b"data")
        + b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text(b"b") + b"\x87R"
        + b"(K\x01K\x02K\x03\x86cnumpy\ndtype\n" + text(b"u1") + b"K\x00K\x01\x87R"
        + b"(K\x03" + text(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        + b"\x89T" + struct.pack("<i", 6) + pixels + b"tb"
        + text(b"labels") + b"](K\x03K\x07eu."
    )  # fmt: skip
    read = load_plain(contents)
    assert read[b"labels"] == [3, 7]
    assert read[b"data"].dtype == np.uint8
    assert read[b"data"].tolist() == [[0, 1, 2], [3, 4, 5]]
