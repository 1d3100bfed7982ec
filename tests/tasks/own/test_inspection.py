"""What is said of a table before anything is trained on it."""

import json

import numpy as np
import pandas as pd
import pytest

from evoact.tasks.own.inspection import inspect_table

RNG = np.random.default_rng(0)
N = 300
FRAME = pd.DataFrame(
    {
        "id": np.arange(N),
        "a": RNG.normal(size=N),
        "city": RNG.choice(["Rome", "Oslo"], N),
        "mixed": ["unknown"] + [f"{i}" for i in range(1, N)],
        "empty": np.nan,
        "same": 1.0,
        "y": np.where(np.arange(N) % 20 == 0, "rare", "usual"),
    }
)
FRAME["copy"], FRAME["leak"] = FRAME["a"], (FRAME["y"] == "rare") * 2.0
FRAME.loc[::3, "city"] = None


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    file = tmp_path_factory.mktemp("table") / "a.csv"
    FRAME.to_csv(file, index=False)
    return str(file)


def test_everything_that_is_amiss_is_said(path):
    found = inspect_table(path, ["y"])
    kinds = {c.name: c.kind for c in found.columns}
    assert kinds == {
        "id": "number",
        "a": "number",
        "city": "category",
        "mixed": "unusable",
        "empty": "left out",
        "same": "left out",
        "y": "target",
        "copy": "number",
        "leak": "number",
    }
    assert {c.name: c.missing for c in found.columns}["city"] == 100
    assert (found.rows, found.features) == (N, 7)
    assert found.memory["features"] == 4 * N * 7
    assert found.target.classes == {"rare": 15, "usual": 285}
    assert found.target.splits == {"train": 180, "validation": 60, "test": 60}
    for said in (
        "column 'id' numbers the rows",
        "numbers or categories in column mixed, got 299 different numbers and 'unknown'",
        "column 'empty' is left out: it holds no value",
        "column 'same' is left out: it is the same in every row",
        "column 'copy' is the same as 'a'",
        "class 'rare' has 9 of 180 training examples",
        "column 'leak' alone predicts the target (100 %",
    ):
        assert sum(said in remark for remark in found.remarks) == 1
    assert len(found.remarks) == 7
    assert json.loads(json.dumps(found.to_json()))["target"]["problem"] == "classification"


def test_without_a_target_and_with_one_that_is_refused(path, tmp_path):
    assert inspect_table(path).target is None
    FRAME.assign(y=FRAME["a"].where(FRAME["a"] > 0)).to_parquet(tmp_path / "b.parquet")
    found = inspect_table(str(tmp_path / "b.parquet"), ["y"])
    assert found.target is None
    assert "a value of the target y in every row" in found.remarks[-1]


def test_values_to_predict(path):
    target = inspect_table(path, ["a", "leak"]).target
    assert target.problem == "regression"
    assert target.summary.startswith("a -")
    assert "; leak 0 to 2, standard deviation 0.4359" in target.summary
