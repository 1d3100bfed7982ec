"""Properties of every task."""

import multiprocessing
import os
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from evoact.errors import UserError
from evoact.tasks import ORIGINS, OWN, TASKS, summary
from evoact.tasks.cache import cache_directory, cached
from evoact.tasks.metrics import example_scores, metric_values
from evoact.tasks.mnist1d import _generate
from evoact.tasks.task import Split
from tests.tasks import published

NAMED = [name for name in TASKS if name not in OWN]
STANDARDISED = ("digits", "mnist1d", "faulty")


def made(name):
    return TASKS[name](**published.ARGUMENTS.get(name, {}))


def some(split):
    """A few examples as stored, [1, B, ...]; inputs that are read on demand are read."""
    rows = np.arange(min(len(split), 6))
    return torch.as_tensor(split.inputs[rows]).float().unsqueeze(0)


@pytest.mark.parametrize("name", NAMED)
def test_splits(name, small):
    task = made(name)
    splits = task.splits()
    assert {"train", "validation", "test"} <= set(splits)
    for split in splits.values():
        assert split.inputs.dtype in (np.float32, np.uint8)
        assert len(split.inputs) == len(split.targets) == len(split) > 0
        if task.metric == "accuracy":
            assert split.targets.dtype == np.int64
            assert split.targets.min() >= 0
            assert split.targets.max() < task.n_outputs
        else:
            assert split.targets.dtype == np.float32
            assert split.targets.shape == (len(split), task.n_outputs)
            assert np.isfinite(split.targets).all()
        inputs = task.prepare(some(split), None)
        assert inputs.dtype == torch.float32
        assert inputs.shape[2:] == task.input_shape
        assert inputs.isfinite().all()
    if name in STANDARDISED:
        assert abs(splits["train"].inputs.mean()) < 0.2
        assert 0.5 < splits["train"].inputs.std() < 2


@pytest.mark.parametrize("name", NAMED)
def test_splits_share_no_examples(name, small):
    splits = made(name).splits().values()
    rows = [set(map(bytes, s.inputs[np.arange(len(s))].reshape(len(s), -1))) for s in splits]
    for i, first in enumerate(rows):
        for second in rows[i + 1 :]:
            assert not first & second, "splits share examples"


@pytest.mark.parametrize("name", NAMED)
def test_preparing_keeps_precision_and_is_the_same_for_the_same_seeds(name, small):
    task = made(name)
    inputs = some(task.splits()["train"]).expand(2, *[-1] * (1 + len(task.input_shape))).double()
    one, again = task.prepare(inputs, [5, 6]), task.prepare(inputs, [5, 6])
    assert one.dtype == torch.float64
    assert torch.equal(one, again)
    assert torch.equal(task.prepare(inputs[1:], [6]), one[1:]), "depends on the other batches"


@pytest.mark.parametrize("name", TASKS)
def test_summary(name):
    row = summary(name)
    assert row["name"] == name
    assert row["data"] == ORIGINS[name]()


def test_summary_says_what_is_present(nothing, monkeypatch, small_data):
    assert summary("cifar10")["data"] == "downloadable with download: true"
    assert summary("pendulum_clock")["data"].startswith("simulated")
    monkeypatch.setenv("EVOACT_DATA", str(small_data))
    for name in ("cifar10", "fashion_mnist", "imagenet_folder"):
        assert summary(name)["data"] == "present"


def digest(name):
    splits = made(name).splits()
    return {n: (float(np.float64(some(s)).sum()), float(s.targets.sum()), len(s)) for n, s in splits.items()}


@pytest.mark.slow
def test_splits_are_the_same_in_another_process(small):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(digest, NAMED) == [digest(name) for name in NAMED]


def test_mnist1d_is_the_standard_set():
    splits = TASKS["mnist1d"]().splits()
    assert {n: len(s) for n, s in splits.items()} == {
        "train": 3200,
        "validation": 800,
        "test": 1000,
        "test_large": 20_000,
    }
    folder = os.environ.get("EVOACT_DATA")
    if not folder:
        pytest.skip("needs EVOACT_DATA for the frozen set")
    with np.load(Path(folder) / "mnist1d" / "mnist1d_frozen.npz") as frozen:
        assert np.allclose(splits["test"].inputs, frozen["x_test"], atol=1e-6)
        both = np.concatenate([splits["train"].inputs, splits["validation"].inputs])
        assert np.allclose(np.sort(both.sum(1)), np.sort(frozen["x"].astype(np.float32).sum(1)), atol=1e-4)


def test_generating_leaves_the_global_generators_alone():
    random.seed(5)
    state = random.getstate()
    _generate(3, 20, 0.5)
    assert random.getstate() == state


def test_a_damaged_cache_file_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setenv("EVOACT_CACHE", str(tmp_path))
    made = []

    def make():
        made.append(1)
        return {"a": np.arange(1000)}

    assert cache_directory() == tmp_path
    assert cached("x", make)["a"].sum() == cached("x", make)["a"].sum()
    assert len(made) == 1
    content = (tmp_path / "x.npz").read_bytes()
    for damaged in (b"", b"no zip", content[: len(content) // 2]):
        (tmp_path / "x.npz").write_bytes(damaged)
        assert len(cached("x", make)["a"]) == 1000
    assert len(made) == 4
    assert [f.name for f in tmp_path.iterdir()] == ["x.npz"]


def test_a_cache_that_cannot_be_written_is_named_before_anything_is_made(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("EVOACT_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match=r"expected to be able to write .*; set EVOACT_CACHE to a folder"):
        cached("x", lambda: pytest.fail("made in vain"))


def test_nothing_half_written_stays_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EVOACT_CACHE", str(tmp_path))

    def full(*args, **kwargs):
        args[0].write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(UserError, match=r"x\.npz: No space left on device; set EVOACT_CACHE"):
        cached("x", lambda: {"a": np.arange(3)})
    assert not list(tmp_path.iterdir())


def test_metrics():
    outputs = torch.tensor([[[2.0, 1.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]])
    assert metric_values("accuracy", outputs, torch.tensor([0, 1])).tolist() == [1.0, 0.0]
    assert metric_values("mse", outputs, torch.zeros(2, 2)).tolist() == [1.5, 0.5]


def test_errors_of_scaled_targets_are_in_their_own_units():
    outputs = torch.tensor([[[2.0, 1.0], [0.0, 1.0]]])
    split = Split(np.zeros(2), np.zeros(2), np.array([10.0, 1.0]))
    assert metric_values("mse", outputs, torch.zeros(2, 2), split).tolist() == [(400 + 1 + 1) / 4]
    assert example_scores("mse", outputs, torch.zeros(2, 2), split).tolist() == [[401 / 2, 1 / 2]]


def test_faulty_rates():
    task = TASKS["faulty"](raises=0.3, hangs=0.2, nan=0.1)
    fates = [task.fate(f"m{i}") for i in range(4000)]
    for fate, rate in (("raises", 0.3), ("hangs", 0.2), ("nan", 0.1), ("well", 0.4)):
        assert abs(fates.count(fate) / 4000 - rate) < 0.04
    with pytest.raises(UserError, match="sum of at most 1"):
        TASKS["faulty"](raises=0.9, nan=0.2)
