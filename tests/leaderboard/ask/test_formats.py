"""Whatever type a column of an answer has, each format gives it, or says in one sentence that it cannot."""

import io
import json

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evoact.cli.commands.leaderboard import _lines
from evoact.cli.main import main
from evoact.leaderboard.ask import formats
from evoact.leaderboard.ask.plain_types import distinct, projection

FAR = "9999-12-31"
# Of an expression: its value in JSON, and in the table and CSV where that is another text.
ANSWERS = {
    "INTERVAL '1 month 2 days 00:00:01.5'": ("1 month 2 days 00:00:01.5",),
    "[INTERVAL 1 DAY, NULL]": (["1 day", None], '["1 day", null]'),
    "{'a': 1, 'b': [INTERVAL 1 DAY]}": ({"a": 1, "b": ["1 day"]}, '{"a": 1, "b": ["1 day"]}'),
    "MAP {'k': INTERVAL 1 DAY}": ([["k", "1 day"]], '[["k", "1 day"]]'),
    "sum(3)": (3, "3"),
    "170141183460469231731687303715884105727": (2**127 - 1, str(2**127 - 1)),
    "340282366920938463463374607431768211455::UHUGEINT": (str(2**128 - 1),),
    "18446744073709551615::UBIGINT": (2**64 - 1, str(2**64 - 1)),
    "0.1::DECIMAL(38, 30)": (0.1, "0.1" + 29 * "0"),
    "[1.50::DECIMAL(5, 2)]": ([1.5], '["1.50"]'),
    "DATE '2026-01-01'": ("2026-01-01",),
    f"DATE '{FAR}' + 1": ("10000-01-01",),
    "'infinity'::DATE": ("infinity",),
    "['-infinity'::TIMESTAMPTZ]": (["-infinity"], '["-infinity"]'),
    "TIMESTAMP '290000-01-01 00:00:00'": ("290000-01-01T00:00:00.000000",),
    "TIMETZ '12:34:56+02'": ("12:34:56+02",),
    "TIME '12:34:56'": ("12:34:56", "12:34:56", "12:34:56.000000"),
    "'\\xAA'::BLOB": ("\\xAA",),
    "'101'::BIT": ("101",),
    "union_value(num := 2)": ("2",),
    "row(1, 'x')": ("(1, x)",),
    "'x'::ENUM ('x', 'y')": ("x",),
    "[1, 2]::INTEGER[2]": ([1, 2], "[1, 2]"),
    "'inf'::DOUBLE": (None, "inf"),
    "NULL": (None, ""),
    "true": (True, "True", "true"),
}


def asked(query):
    answer = duckdb.connect().sql(query)
    selected = projection(answer.columns, answer.types)
    return pa.RecordBatchReader.from_stream(
        answer if selected is None else answer.project(selected)
    ).read_all()


@pytest.mark.parametrize("expression", ANSWERS)
def test_every_type_in_every_format(expression):
    value, *texts = ANSWERS[expression]
    shown = texts[0] if texts else value
    rows = asked(f"SELECT {expression} AS v, 1 AS n")
    [record] = json.loads(formats.to_json(rows))
    assert record == {"v": value, "n": 1}
    assert [line[0] for line in _lines([formats.values(column) for column in rows.columns])] == [shown]
    csv = formats.to_csv(rows).decode().splitlines()[1].rsplit(",", 1)[0].strip('"').replace('""', '"')
    assert csv == (texts[-1] if texts else shown)
    assert pq.read_table(io.BytesIO(formats.to_parquet(rows))).num_rows == 1


def test_decimals_keep_their_digits_and_nobody_pretends_to_be_one():
    rows = asked(
        "SELECT 12345678901234567890.12::DECIMAL(38, 2) AS d, '1.5' AS t, [0.10::DECIMAL(3, 2)] AS l"
    )
    assert formats.to_json(rows).decode() == '[\n{"d": 12345678901234567890.12, "t": "1.5", "l": [0.10]}\n]\n'


def test_equal_names_are_numbered(run_dir, capfdbinary):
    assert distinct(["a", "a", "a_2", "a"]) == ["a", "a_3", "a_2", "a_4"]
    query = (
        "SELECT a.proposal, b.proposal, max(a.finished_at) - min(b.finished_at) AS took FROM leaderboard a JOIN "
        "leaderboard b USING (candidate) GROUP BY ALL ORDER BY 1 LIMIT 1"
    )
    for kind in ("table", "csv", "json", "parquet"):
        with pytest.raises(SystemExit) as end:
            main(["leaderboard", str(run_dir), "--format", kind, "--sql", query])
        assert not end.value.code
        out, err = capfdbinary.readouterr()
        assert err == b""
        if kind == "json":
            assert json.loads(out) == [{"proposal": 0, "proposal_2": 0, "took": None}]
        elif kind != "parquet":
            assert b"proposal_2" in out


def test_what_a_format_cannot_hold_is_one_sentence(run_dir, monkeypatch, capsys):
    def refuse(rows):
        raise pa.ArrowNotImplementedError("a type of tomorrow\nin two lines")

    monkeypatch.setattr(formats, "to_csv", refuse)
    with pytest.raises(SystemExit) as end:
        main(["leaderboard", str(run_dir), "--format", "csv"])
    assert end.value.code == 2
    assert capsys.readouterr().err == (
        "expected columns that csv can hold, got others: a type of tomorrow; cast them in the query, as in "
        "column::VARCHAR\n"
    )
