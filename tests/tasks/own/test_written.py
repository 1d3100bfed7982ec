"""Texts that are numbers or dates to people."""

import pandas as pd
import pytest

from evoact.errors import UserError
from evoact.tasks.own.inspection import inspect_table
from evoact.tasks.own.targets import read_targets
from evoact.tasks.own.written import written_otherwise

NUMBERS = {
    "separators": ["1,234", "980", "1,234,567.5"],
    "apostrophes": ["1'234", "12'000"],
    "decimal commas": ["3,5", "12,25", "7"],
    "points between thousands": ["1.234.567", "2.000.000,5"],
    "per cent": ["55%", "3.5 %", "100%"],
    "money": ["$1,200", "$ 7.50", "-$3", "20 EUR"],
    "nearly all": [f"{i}%" for i in range(19)] + ["many"],
}
DATES = {
    "points": ["31.12.2020", "1.2.2021"],
    "slashes": ["12/31/2020", "1/2/21"],
    "years first": ["2020/12/31", "2021/01/02 10:30"],
    "names": ["3 Jan 2021", "14-March-21"],
    "names first": ["Jan 3, 2021", "March 14 2021"],
}
NEITHER = {
    "words": ["red", "green", "1,234"],
    "plain numbers": ["1", "2.5", "-3"],
    "codes": ["A1,200", "12-B"],
    "versions": ["1.2.3", "10.0.1"],
    "addresses": ["10.0.0.1", "192.168.1.20"],
    "telephones": ["0316 123 456", "0512 99 88"],
    "nothing": [],
}


@pytest.mark.parametrize("texts", NUMBERS.values(), ids=NUMBERS)
def test_numbers(texts):
    assert written_otherwise(texts).startswith("holds numbers that are written as texts, such as ")


@pytest.mark.parametrize("texts", DATES.values(), ids=DATES)
def test_dates(texts):
    assert f"written as texts, such as {texts[0]!r}; store what matters" in written_otherwise(texts)


@pytest.mark.parametrize("texts", NEITHER.values(), ids=NEITHER)
def test_neither(texts):
    assert written_otherwise(texts) == ""


def test_a_table_with_such_columns_says_so(tmp_path):
    n = 200
    frame = pd.DataFrame(
        {
            "x": [i / 7 for i in range(n)],
            "cost": [f"{1000 + i:,}" for i in range(n)],
            "share": [f"{i % 20}%" for i in range(n)],
            "sold": [f"{i % 28 + 1}.{i % 12 + 1}.{1900 + i}" for i in range(n)],
            "y": ["yes", "no"] * (n // 2),
        }
    )
    frame.to_csv(tmp_path / "a.csv", index=False)
    found = inspect_table(str(tmp_path / "a.csv"), ["y"])
    assert {c.name: c.kind for c in found.columns if c.name not in "xy"} == {
        "cost": "left out",
        "share": "category",
        "sold": "left out",
    }
    for said in (
        "column 'cost' is left out: it holds numbers that are written as texts, such as '1,000'",
        "column 'share' is read as categories, but holds numbers that are written as texts, such as '0%'",
        "column 'sold' is left out: it holds dates that are written as texts, such as '1.1.1900'",
    ):
        assert sum(said in remark for remark in found.remarks) == 1
    refused = inspect_table(str(tmp_path / "a.csv"), ["cost"]).remarks[-1]
    assert "the target: cost holds numbers that are written as texts" in refused


def test_such_targets_are_classes_only_if_they_are_few():
    column = pd.Series([f"{i % 3}%" for i in range(60)]).to_numpy(str)
    read = read_targets(column, "y", "auto")
    assert read.notes == (
        "the target is read as 3 classes, but y holds numbers that are written as texts, such as '0%'; write them "
        "without separators and units, with a decimal point",
    )
    with pytest.raises(UserError, match="y holds numbers that are written as texts, such as '0%'"):
        read_targets(column, "y", "regression")
