"""Fashion-MNIST: the published files, subsets, scaling, and everything that can be wrong with IDX files."""

import numpy as np
import pytest
import torch

from evoact.errors import UserError
from evoact.tasks.fashion_mnist import FILES, MEAN, SCALE, fashion_mnist
from evoact.tasks.idx import read_idx
from tests.tasks import published

IMAGES = "train-images-idx3-ubyte.gz"


@pytest.mark.slow
def test_the_published_files(real_data):
    splits = fashion_mnist().splits()
    assert {n: s.inputs.shape for n, s in splits.items()} == {
        "train": (54_000, 1, 28, 28),
        "validation": (6_000, 1, 28, 28),
        "test": (10_000, 1, 28, 28),
    }
    whole = np.concatenate([splits["train"].inputs, splits["validation"].inputs])
    assert np.bincount(splits["test"].targets).tolist() == [1000] * 10
    labels = np.concatenate([splits["train"].targets, splits["validation"].targets])
    assert np.bincount(labels).tolist() == [6000] * 10
    assert whole.mean() / 255 == pytest.approx(MEAN[0], abs=1e-5)
    assert whole.std() / 255 == pytest.approx(SCALE[0], abs=1e-5)
    subset = fashion_mnist(train_examples=12_000).splits()
    assert np.array_equal(subset["train"].inputs, splits["train"].inputs[:12_000])
    assert len(subset["validation"]) == 6_000


def test_scaling(small):
    stored = torch.tensor([0.0, 255.0]).view(1, 2, 1, 1, 1).expand(1, 2, 1, 28, 28)
    plain = fashion_mnist(standardise=False).prepare(stored, None)
    assert plain[0, :, 0, 0, 0].tolist() == [0.0, 1.0]
    scaled = fashion_mnist().prepare(stored, None)[0, :, 0, 0, 0]
    assert torch.allclose(scaled, (torch.tensor([0.0, 1.0]) - MEAN[0]) / SCALE[0])


def test_augmentation_is_for_training_only(small):
    stored = torch.rand(1, 40, 1, 28, 28) * 255
    plain, augmented = fashion_mnist(), fashion_mnist(augment=True)
    assert torch.equal(plain.prepare(stored, [1]), plain.prepare(stored, None))
    assert torch.equal(augmented.prepare(stored, None), plain.prepare(stored, None))
    assert not torch.equal(augmented.prepare(stored, [1]), augmented.prepare(stored, [2]))


def test_files_need_not_be_compressed(nothing, tmp_path):
    published.fashion_mnist(tmp_path / "plain", gz=False)
    published.fashion_mnist(tmp_path / "gz")
    plain, zipped = (fashion_mnist(str(tmp_path / n), verify=False).splits() for n in ("plain", "gz"))
    assert np.array_equal(plain["train"].inputs, zipped["train"].inputs)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"train_examples": 0}, "task.train_examples"),
        ({"shift": -1}, "task.shift of at least 0"),
        ({"fill": "edges"}, "did you mean 'edge'"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(UserError, match=message):
        fashion_mnist(**arguments)


def test_more_examples_than_there_are(small):
    with pytest.raises(UserError, match="train_examples of at most 90, what there is, got 91"):
        fashion_mnist(verify=False, train_examples=91).splits()


def test_missing_files(nothing, tmp_path):
    with pytest.raises(
        UserError,
        match=rf"expected {IMAGES} \(contents with sha256 c59f\w+\) in .*fashion_mnist, found none; set task.data",
    ):
        fashion_mnist().splits()
    with pytest.raises(UserError, match=f"in {tmp_path}, found none"):
        fashion_mnist(str(tmp_path)).splits()


def test_other_files_fail_the_checksum(nothing, tmp_path):
    published.fashion_mnist(tmp_path / "f")
    expected = FILES["train"][0].sha256
    with pytest.raises(
        UserError, match=rf"{IMAGES}: expected contents with sha256 {expected}, found [0-9a-f]+"
    ):
        fashion_mnist(str(tmp_path / "f")).splits()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": 32}, "expected shape any x 28 x 28, got 100 x 32 x 32"),
        ({"highest": 10}, "labels-idx1-ubyte.gz: expected labels from 0 to 9, got 10"),
    ],
)
def test_other_shapes_and_labels(nothing, tmp_path, changes, message):
    published.fashion_mnist(tmp_path / "f", **changes)
    with pytest.raises(UserError, match=message):
        fashion_mnist(str(tmp_path / "f"), verify=False).splits()


def test_as_many_labels_as_images(nothing, tmp_path):
    published.fashion_mnist(tmp_path / "f")
    labels = tmp_path / "f" / "t10k-labels-idx1-ubyte.gz"
    labels.write_bytes(published.compressed(published.idx(np.zeros(29))))
    with pytest.raises(UserError, match="expected 30 labels, one for each image, got 29"):
        fashion_mnist(str(tmp_path / "f"), verify=False).splits()


WHOLE = published.idx(np.arange(12).reshape(3, 2, 2))


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (published.compressed(WHOLE)[:-12], "a whole gzip file, got one that ends too early"),
        (b"\x1f\x8bnonsense", "a gzip file, got a damaged file"),
        (b"", "an IDX file, got something else"),
        (published.compressed(b"\x89PNG"), "an IDX file, got something else"),
        (published.compressed(b""), "an IDX file, got something else"),
        (published.compressed(WHOLE[:9]), "an IDX file of bytes in 3 dimensions"),
        (
            published.compressed(WHOLE[:2] + b"\x0d" + WHOLE[3:]),
            "an IDX file of bytes in 3 dimensions, got type 13",
        ),
        (published.compressed(WHOLE[:-1]), "12 values after the header, got 11"),
        (published.compressed(WHOLE + b"\0"), "12 values after the header, got 13"),
    ],
)
@pytest.mark.parametrize("verify", [True, False])
def test_damaged_idx_files(tmp_path, contents, message, verify):
    path = tmp_path / "a.gz"
    path.write_bytes(contents)
    with pytest.raises(
        UserError, match=rf"a\.gz: expected {message}.*sha256.*expected 00ff, found [0-9a-f]{{64}}"
    ):
        read_idx(path, (None, 2, 2), "00ff", verify)


def test_a_whole_idx_file(tmp_path):
    (tmp_path / "a").write_bytes(WHOLE)
    assert read_idx(tmp_path / "a", (None, 2, 2), "", False).flatten().tolist() == list(range(12))
