"""People's own npz files: layouts, names, and files that are damaged in every way that was met."""

import io
import struct
import zipfile

import numpy as np
import pytest

from evoact.errors import UserError
from evoact.tasks.arrays import arrays

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(50, 3)), np.arange(50) % 3


def save(path, **named):
    np.savez(path, **named)
    return str(path)


def parts(x_name, y_name, *splits):
    return {name.format(s): a for s in splits for name, a in ((x_name, X), (y_name, Y))}


def test_one_table(tmp_path):
    path = save(tmp_path / "a.npz", x=X, y=Y)
    task = arrays(path)
    assert (task.metric, task.direction, task.input_shape, task.n_outputs) == (
        "accuracy",
        "maximize",
        (3,),
        3,
    )
    assert [len(s) for s in task.splits().values()] == [30, 10, 10]
    other = arrays(path, seed=1)
    assert not np.array_equal(task.splits()["test"].inputs, other.splits()["test"].inputs)


@pytest.mark.parametrize(
    ("x_name", "y_name", "validation"),
    [
        ("x_{}", "y_{}", "validation"),
        ("x_{}", "y_{}", "val"),
        ("X_{}", "y_{}", "valid"),
        ("{}_images", "{}_labels", "val"),
    ],
)
def test_splits_by_name(tmp_path, x_name, y_name, validation):
    task = arrays(save(tmp_path / "a.npz", **parts(x_name, y_name, "train", validation, "test")))
    assert list(task.splits()) == ["train", "validation", "test"]


def test_what_is_not_asked_for_is_not_read(tmp_path):
    """Names of columns are Python objects, as pandas gives them."""
    assert arrays(save(tmp_path / "a.npz", x=X, y=Y, names=np.array(["a", None], dtype=object)))


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"x": X}, "got x without y"),
        ({"z": X}, "without x"),
        (parts("x_{}", "y_{}", "train"), "no x_validation"),
        (parts("x_{}", "y_{}", "train", "validation"), "no x_test"),
        ({"x": X, "X": X, "y": Y}, "one array x, got several"),
        ({"x": X, "y": Y.astype(object)}, "array y that can be read, got ValueError: Object arrays"),
    ],
)
def test_other_layouts(tmp_path, named, message):
    with pytest.raises(UserError, match=message) as error:
        arrays(save(tmp_path / "a.npz", **named))
    assert str(error.value).startswith(str(tmp_path / "a.npz"))


def npz(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


def npy(header, content=b""):
    text = header.encode().ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + content


def whole(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def encrypted():
    """The flag of an encrypted member in both headers of the first one."""
    content = bytearray(npz(x=whole(X), y=whole(Y)))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def damaged_stream():
    content = npz(x=whole(np.zeros(5000)), y=whole(Y))
    start = 30 + len("x.npy")
    return content[:start] + bytes(b ^ 0xFF for b in content[start : start + 20]) + content[start + 20 :]


DAMAGED = {
    "nothing": b"",
    "torn": b"PK\x03\x04 torn",
    "cut": npz(x=whole(X), y=whole(Y))[:200],
    "an npy file": whole(X),
    "encrypted": encrypted(),
    "a damaged stream": damaged_stream(),
    "no array": npz(x=b"not an array", y=whole(Y)),
    "half an array": npz(x=whole(X)[:200], y=whole(Y)),
    "a header that ends early": npz(x=npy("{'descr': '<f8', 'shape': (3,"), y=whole(Y)),
    "a header without keys": npz(x=npy("{}"), y=whole(Y)),
    "a header that lies": npz(
        x=npy(f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({10**15},)}}"), y=whole(Y)
    ),
    "a number alone": npz(x=whole(X), y=whole(np.array(3))),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_files(tmp_path, name):
    path = tmp_path / "a.npz"
    path.write_bytes(DAMAGED[name])
    with pytest.raises(UserError, match="expected") as error:
        arrays(str(path))
    assert str(error.value).startswith(str(path))
    assert len(str(error.value)) < 500 + len(str(path))


def test_flipped_bytes_never_end_in_a_traceback(tmp_path):
    path, content = tmp_path / "a.npz", npz(x=whole(X), y=whole(Y))
    refused = 0
    for _ in range(150):
        damaged = bytearray(content)
        for place in RNG.integers(0, len(content), 3):
            damaged[place] = RNG.integers(256)
        path.write_bytes(damaged)
        try:
            arrays(str(path))
        except UserError:
            refused += 1
    assert refused > 50


def test_a_file_that_is_not_there(tmp_path):
    for path in (tmp_path / "none.npz", tmp_path):
        with pytest.raises(UserError, match="does not exist"):
            arrays(str(path))
