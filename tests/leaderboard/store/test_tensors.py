"""What networks learned, in files that say if they are damaged."""

import random

import numpy as np
import pytest
from safetensors.numpy import load, save

from evoact.leaderboard.store.seal import Broken
from evoact.leaderboard.store.tensors import first, packed, unpacked

TENSORS = {
    "weights": np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32),
    "examples.test": np.arange(7, dtype=np.int64),
    "one": np.float64(2.5),
}


def test_they_come_back_and_anybody_can_read_them():
    content = packed(TENSORS)
    for read in (unpacked(content), load(content)):
        assert read.keys() == TENSORS.keys()
        assert all(np.array_equal(np.atleast_1d(TENSORS[name]), read[name]) for name in TENSORS)


def test_files_without_checksums_are_read():
    old = save({name: np.atleast_1d(array) for name, array in TENSORS.items()})
    assert unpacked(old)["examples.test"].tolist() == [*range(7)]


def test_no_cut_and_no_flipped_bit_goes_unnoticed(tmp_path):
    content, rng, unnoticed = packed(TENSORS), random.Random(0), 0
    for case in range(1500):
        damaged = bytearray(content)
        if case < len(content) // 4:
            damaged = damaged[: 4 * case]
        else:
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        for read in (unpacked, lambda data: _first(tmp_path / "file", data)):
            try:
                found = read(bytes(damaged))
            except Broken:
                continue
            unnoticed += read is unpacked
            for name, array in found.items():  # in the name of the checksums, or in a part that was not read
                assert np.array_equal(np.atleast_1d(TENSORS[name]), array)
    assert unnoticed < 30


def _first(path, content):
    path.write_bytes(content)
    return {"examples.test": first(path, "examples.")}


def test_a_tensor_that_is_not_there(tmp_path):
    (tmp_path / "file").write_bytes(packed(TENSORS))
    assert first(tmp_path / "file", "bias") is None
    with pytest.raises(Broken):
        unpacked(b"nothing")
