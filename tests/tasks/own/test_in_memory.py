"""Data in memory becomes a file that the task `table` reads as the same."""

import numpy as np
import pandas as pd
import polars
import pyarrow as pa
import pytest
import scipy.sparse
import torch
from torch.utils.data import TensorDataset

from evoact.errors import UserError
from evoact.tasks import TASKS
from evoact.tasks.own.in_memory import as_file, task_of

RNG = np.random.default_rng(0)
N = 40
X, Y = RNG.normal(size=(N, 2)), np.arange(N) % 2
COLUMNS = {"a": X[:, 0], "b": X[:, 1], "kind": np.array(["u", "v"])[Y], "y": Y}
FRAME = pd.DataFrame(COLUMNS, index=range(7, 7 + N))


def read(tmp_path, data, target=None):
    task = task_of(data, target, tmp_path / "run")
    return TASKS[task.pop("name")](**task)


@pytest.mark.parametrize(
    "data",
    [FRAME, polars.DataFrame(COLUMNS), pa.table(COLUMNS), COLUMNS, FRAME.to_records(index=False)],
    ids=["pandas", "polars", "arrow", "mapping", "records"],
)
def test_named_columns(tmp_path, data):
    if not isinstance(data, np.ndarray):
        task = read(tmp_path, data, "y")
        assert task.preprocessing.feature_names == ("a", "b", "kind=u", "kind=v")
    else:
        task = read(tmp_path, data[["a", "b", "y"]], "y")
        assert task.preprocessing.feature_names == ("a", "b")
    assert (task.n_outputs, task.classification) == (2, True)


@pytest.mark.parametrize(
    ("data", "target"),
    [
        ((X, Y), None),
        (X, Y),
        (X.tolist(), Y.tolist()),
        (scipy.sparse.csr_matrix(X), Y),
        (torch.tensor(X), torch.tensor(Y)),
        (torch.tensor(X, requires_grad=True), torch.tensor(Y)),
        ([(list(x), y) for x, y in zip(X, Y, strict=True)], None),
        (TensorDataset(torch.tensor(X), torch.tensor(Y)), None),
        ((X, np.array(["no", "yes"], dtype=object)[Y]), None),
    ],
    ids=["pair", "arrays", "lists", "sparse", "tensors", "trained tensors", "examples", "dataset", "names"],
)
def test_arrays(tmp_path, data, target):
    task = read(tmp_path, data, target)
    assert (task.input_shape, task.n_outputs) == ((2,), 2)
    assert task.splits()["train"].inputs.std(axis=0) == pytest.approx([1, 1], rel=1e-5)


def test_targets_beside_a_frame(tmp_path):
    task = read(tmp_path, FRAME[["a", "kind"]], pd.Series(X[:, 1]))
    assert (task.metric, task.preprocessing.target_names) == ("mse", ("target",))
    assert read(tmp_path, FRAME[["kind"]], X).preprocessing.target_names == ("target0", "target1")
    assert read(tmp_path, FRAME, ["a", "b"]).n_outputs == 2


@pytest.mark.parametrize(
    ("data", "target", "message"),
    [
        (FRAME, None, "expected target, the column to predict .*; the columns are a, b, kind, y"),
        (X, "y", "expected named columns with target 'y', got ndarray"),
        (X, None, "a pair .x, y. of arrays.*, got ndarray"),
        (FRAME, Y[:5], r"a target for each of 40 rows, got an array of shape \(5,\)"),
        (pd.DataFrame({"a": [1, "x"], "y": [0, 1]}), "y", "Arrow cannot hold"),
        ((np.array([[1, None]], dtype=object), [0]), None, "got objects .NoneType, int."),
        ([([1.0, 2.0], 0), ([1.0], 1)], None, "x of one shape for all examples, got others"),
        ([X, Y], None, "got list of 2 other things"),
        (scipy.sparse.csr_matrix((10**6, 10**6)), Y, "sparse matrix"),
        (pd.DataFrame({"target": [1, 2]}), [0, 1], "no column called 'target' beside the targets"),
    ],
)
def test_other_data_is_refused(data, target, message):
    with pytest.raises(UserError, match=message):
        as_file(data, target)


def test_what_is_in_a_file_stays_there(tmp_path):
    assert task_of("a.csv", "y", tmp_path) == {"name": "table", "path": "a.csv", "target": "y"}
    assert not list(tmp_path.iterdir())


def test_columns_of_pandas_and_polars_own_kinds(tmp_path):
    frame = pd.DataFrame(
        {
            "whole": pd.array([1, None] * 20, dtype="Int64"),
            "flag": pd.array([True, None, False, True] * 10, dtype="boolean"),
            "kind": pd.Categorical(["u", "v", "w", "v"] * 10),
            "code": pd.Categorical([3, 1] * 20),
            "period": pd.period_range("2020", periods=N, freq="D"),
            "y": pd.Categorical(["no", "yes"] * 20),
        }
    )
    task = read(tmp_path, frame, "y")
    names = (
        "whole",
        "whole missing",
        "flag",
        "flag missing",
        "kind=u",
        "kind=v",
        "kind=w",
        "code=1",
        "code=3",
    )
    assert task.preprocessing.feature_names == names
    assert any("column 'period' is left out: it holds extension" in note for note in task.notes)
    assert task.preprocessing.apply(frame[:3]).shape == (3, *task.input_shape)
    other = polars.DataFrame(
        {
            "kind": polars.Series(["u", "v"] * 20, dtype=polars.Categorical),
            "list": [[1, 2]] * N,
            "a": X[:, 0],
            "y": Y,
        }
    )
    task = read(tmp_path, other, "y")
    assert task.preprocessing.feature_names == ("kind=u", "kind=v", "a")
    assert task.preprocessing.apply(other[:3]).shape == (3, 3)
