"""The page's table before it is text: cells, and what its script reads."""

import json

from evoact.report.data_table import Column, DataTable
from evoact.report.number_format import NOTHING, unit_of

TABLE = DataTable(
    "Three",
    (
        Column("activations", ["</script><b>", "sin", "sin"], words=True),
        Column("validation", [0.61724, float("nan"), float("inf")], unit_of("accuracy"), measured=True),
        Column("rate", [0.01, 1e-5, 3.0]),
        Column("seeds", [3, None, 12345.0], decimals=0, shown=False),
    ),
    ("a", "b", "c"),
    "validation",
    first=2,
)


def test_cells_are_texts_and_only_the_first_rows_and_shown_columns_stand_in_the_page():
    text = TABLE.text
    assert text.headers == ("activations", "validation", "rate")
    assert text.rows == (("</script><b>", "61.72 %", "0.01"), ("sin", NOTHING, "1e-05"))
    assert text.left == {"activations"}


def test_all_rows_are_in_json_that_ends_no_script():
    assert "<" not in TABLE.json
    found = json.loads(TABLE.json)
    words, validation, rate, seeds = found["columns"]
    assert [words["words"][i] for i in words["values"]] == ["</script><b>", "sin", "sin"]
    assert validation["values"] == [0.61724, None, None]
    assert (validation["scale"], validation["sign"], validation["decimals"]) == (100, " %", 2)
    assert rate["values"] == [0.01, 1e-5, 3]
    assert (seeds["values"], seeds["shown"]) == ([3, None, 12345], False)
    assert (found["ids"], found["metric"]) == (["a", "b", "c"], "validation")
