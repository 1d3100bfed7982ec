"""What `evoact inspect` prints."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from evoact.cli.main import app

N = 60
FRAME = pd.DataFrame(
    {
        "age": np.random.default_rng(0).normal(40, 10, N),
        "city": ["Rome", "Oslo", None] * 20,
        "sick": ["yes", "no", "no"] * 20,
    }
)


@pytest.fixture
def inspected(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    FRAME.to_csv("a.csv", index=False)

    def call(*arguments):
        ended = CliRunner().invoke(app, ["inspect", "a.csv", *arguments], env={"COLUMNS": "200"})
        assert ended.exit_code == 0, ended.output
        return ended.output

    return call


def test_a_table_can_be_read_in_a_terminal(inspected):
    lines = inspected("--target", "sick").splitlines()
    assert lines[0].startswith("a.csv: 60 rows, 3 columns (1.")
    assert lines[0].endswith("of which a network is given 4 features (0.96 kB in memory)")
    assert [line.split()[:4] for line in lines[2:6]] == [
        ["column", "kind", "missing", "values"],
        ["age", "number", *f"{FRAME['age'].min():.4g} to".split()],
        ["city", "category", "33.3", "%"],
        ["sick", "target", "string"],
    ]
    assert lines[7:9] == [
        "Target: sick, classification, 2 classes: no 40 (66.7 %), yes 20 (33.3 %)",
        "Splits: 36 train / 12 validation / 12 test",
    ]


def test_without_a_target_and_with_one_that_is_refused(inspected):
    assert "No target: name the column to predict with --target." in inspected()
    said = inspected("--target", "city")
    assert "Target: city, which a search would refuse" in said
    assert "- expected a value of the target city in every row, got none in 20 of 60" in said


def test_for_programs(inspected):
    found = json.loads(inspected("--target", "sick", "--format", "json"))
    assert found["target"]["classes"] == {"no": 40, "yes": 20}
    assert found["columns"][1]["missing"] == 20
