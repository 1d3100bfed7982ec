import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evoact.errors import UserError
from evoact.leaderboard.ask.query import Leaderboard
from evoact.leaderboard.schema import SCHEMA, SCHEMA_VERSION, VERSION_KEY
from evoact.leaderboard.store.compact import compact


def parts(run_dir):
    return sorted((run_dir / "leaderboard").glob("*.parquet"))


def rewrite(part, change, version=1):
    """Changes a part's table, as a file of another version would be."""
    table = change(pq.read_table(part, partitioning=None))
    pq.write_table(table.replace_schema_metadata({VERSION_KEY: str(version).encode()}), part)


def test_all_ways_to_name_rows(run_dir):
    assert len(Leaderboard(run_dir)) == 20
    assert len(Leaderboard(str(run_dir))) == 20
    assert len(Leaderboard(run_dir / "leaderboard")) == 20
    assert len(Leaderboard(parts(run_dir)[0])) == 4
    # What is named twice counts once, whichever way it is named.
    assert len(Leaderboard(*parts(run_dir)[:2], run_dir)) == 20
    assert len(Leaderboard(run_dir, run_dir / "leaderboard", parts(run_dir)[0])) == 20


def test_rows_as_arrow_and_pandas(run_dir):
    table = Leaderboard(run_dir).to_arrow()
    assert table.schema.equals(SCHEMA, check_metadata=True)
    assert sorted(table["proposal"].to_pylist()) == list(range(20))
    frame = Leaderboard(run_dir).to_pandas()
    assert isinstance(frame, pd.DataFrame)
    assert frame.shape == (20, len(SCHEMA))


def test_top_of_two_runs(tmp_path, make_result, write):
    for name, val in (("a", 0.2), ("b", 0.3)):
        write(tmp_path / name, make_result(1, val=val), run=name)
    board = Leaderboard(tmp_path / "a", tmp_path / "b")
    assert board.top()["run"].to_pylist() == ["b", "a"]
    assert board.sql("SELECT run, count(*) AS n FROM leaderboard GROUP BY ALL ORDER BY ALL").to_pylist() == [
        {"run": "a", "n": 1},
        {"run": "b", "n": 1},
    ]


def test_a_compacted_run_gives_the_same_answers(run_dir):
    before = Leaderboard(run_dir).top(7).to_pylist()
    compact(run_dir)
    assert Leaderboard(run_dir).top(7).to_pylist() == before


def test_answers_from_many_row_groups(tmp_path, make_result, make_genome, write):
    results = [make_result(i, val=i * 7 % 50, genome=make_genome(i % 11)) for i in range(50)]
    write(tmp_path, *results)
    [part] = parts(tmp_path)
    pq.write_table(pq.read_table(part), part, row_group_size=3)
    top = Leaderboard(tmp_path).top(50)
    assert top["val_mean"].to_pylist() == list(range(49, -1, -1))
    labels = {r.proposal.candidate: r.proposal.genome.label for r in results}
    assert top["label"].to_pylist() == [labels[c] for c in top["candidate"].to_pylist()]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("missing", "missing: expected a run directory, got nothing there"),
        ("empty", "empty: expected a run directory, got one without a leaderboard"),
        ("torn.parquet", r"torn.parquet: expected at least one readable part, got none"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_places_without_a_run(path, message, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "torn.parquet").write_bytes(b"x")
    with pytest.raises(UserError, match=message):
        Leaderboard(tmp_path / path)


def test_no_path():
    with pytest.raises(UserError, match="at least one run directory"):
        Leaderboard()


def test_a_run_that_has_just_begun_is_empty(tmp_path):
    (tmp_path / "config.yaml").write_text("task: mnist1d")
    board = Leaderboard(tmp_path)
    assert len(board) == len(board.top()) == len(board.to_arrow()) == 0
    assert board.top().column_names[0] == "rank"
    assert board.sql("SELECT count(*) AS n, max(val_metric) AS best FROM leaderboard").to_pylist() == [
        {"n": 0, "best": None}
    ]


def test_top_needs_a_number(run_dir):
    with pytest.raises(UserError, match="expected at least 1 candidate to show, got 0"):
        Leaderboard(run_dir).top(0)


def spoil_torn(part):
    part.write_bytes(part.read_bytes()[: part.stat().st_size // 2])


def spoil_empty(part):
    part.write_bytes(b"")


def spoil_foreign(part):
    pq.write_table(pa.table({"a": [1]}), part)


def spoil_not_parquet(part):
    part.write_text("name,value\n" * 10)


def spoil_newer(part):
    rewrite(part, lambda table: table, version=99)


def spoil_types(part):
    rewrite(part, lambda t: t.set_column(t.column_names.index("candidate"), "candidate", [["x"] * len(t)]))


SPOILERS = {
    spoil_torn: "expected a Parquet file, got a damaged or foreign one",
    spoil_empty: "expected a Parquet file, got a damaged or foreign one",
    spoil_foreign: "expected a part of the table leaderboard, got a foreign Parquet file",
    spoil_not_parquet: "expected a Parquet file, got a damaged or foreign one",
    spoil_newer: f"expected schema version {SCHEMA_VERSION} or older, got 99; upgrade evoact",
    spoil_types: "expected column 'candidate' of type int64, got string",
}


@pytest.mark.parametrize("spoil", SPOILERS, ids=lambda f: f.__name__)
def test_unreadable_parts_are_named_and_the_rest_answers(spoil, run_dir):
    bad = parts(run_dir)[1]
    spoil(bad)
    named = []
    board = Leaderboard(run_dir, report=named.append)
    assert len(board) == len(board.to_arrow()) == 16
    assert len(board.top(100)) == 16
    assert named == board.problems
    [problem] = named
    assert problem.startswith(f"{bad}: {SPOILERS[spoil]}")
    assert "\n" not in problem


@pytest.mark.filterwarnings("ignore")
def test_nothing_readable_is_an_error(run_dir):
    for part in parts(run_dir):
        spoil_torn(part)
    with pytest.raises(UserError, match="expected at least one readable part, got none"):
        Leaderboard(run_dir)


def test_library_callers_are_warned(run_dir):
    spoil_torn(parts(run_dir)[0])
    with pytest.warns(UserWarning, match="damaged"):
        Leaderboard(run_dir)


def damage_pages(part):
    """Leaves the footer whole and turns over the data before it."""
    content = bytearray(part.read_bytes())
    end = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    content[4:end] = bytes(255 - byte for byte in content[4:end])
    part.write_bytes(content)


@pytest.mark.parametrize("ask", ["top", "to_arrow", "sql"])
def test_damage_found_while_reading(ask, run_dir):
    bad = parts(run_dir)[2]
    damage_pages(bad)
    named = []
    board = Leaderboard(run_dir, report=named.append)
    answers = {
        "top": lambda: len(board.top(100)),
        "to_arrow": lambda: len(board.to_arrow()),
        "sql": lambda: board.sql("SELECT count(val_metric) AS n FROM leaderboard")["n"][0].as_py(),
    }
    assert answers[ask]() == 16
    [problem] = named
    assert problem.startswith(f"{bad}: expected a whole file, got a damaged one")


def test_files_of_an_older_version_lack_columns(run_dir):
    rewrite(
        parts(run_dir)[0], lambda t: t.drop_columns(["test_large_metric", "rung", "learning_rate"]), version=0
    )
    board = Leaderboard(run_dir)
    assert board.to_arrow()["rung"].null_count == 4
    assert len(board.top(100)) == 20
    query = "SELECT count(*) AS n, count(rung) AS rungs FROM leaderboard"
    assert board.sql(query).to_pylist() == [{"n": 20, "rungs": 16}]


def test_a_column_that_no_file_has(run_dir):
    for part in parts(run_dir):
        rewrite(part, lambda t: t.drop_columns(["test_large_metric", "parents", "finished_at"]), version=0)
    board = Leaderboard(run_dir)
    query = "SELECT count(test_large_metric) AS n, any_value(parents) AS p FROM leaderboard"
    assert board.sql(query).to_pylist() == [{"n": 0, "p": None}]
    assert board.top(1)["test_large_mean"].to_pylist() == [None]


def test_a_newer_column_is_ignored(run_dir):
    rewrite(parts(run_dir)[0], lambda t: t.append_column("mood", [["good"] * len(t)]))
    board = Leaderboard(run_dir)
    assert "mood" not in board.to_arrow().column_names
    with pytest.raises(UserError, match="unknown column 'mood'"):
        board.sql("SELECT mood FROM leaderboard")


def test_a_genome_that_cannot_be_read_is_said_so(tmp_path, make_result, write):
    write(tmp_path, make_result(1))
    rewrite(
        parts(tmp_path)[0],
        lambda t: t.set_column(t.column_names.index("genome"), "genome", [["{}"] * len(t)]),
    )
    assert Leaderboard(tmp_path).top()["label"].to_pylist() == ["(not a genome)"]


def test_odd_directory_names(tmp_path, run_dir):
    odd = tmp_path / "run=1 [a]*?'%"
    shutil.copytree(run_dir, odd)
    board = Leaderboard(odd)
    assert len(board.top(100)) == 20
    assert board.sql("SELECT DISTINCT run FROM leaderboard").to_pylist() == [{"run": "run"}]


def test_reading_while_a_run_is_written_and_compacted(tmp_path, make_result, write):
    def work():
        for i in range(30):
            write(tmp_path, make_result(i, pack=str(i)))
        for _ in range(5):
            compact(tmp_path)

    write(tmp_path, make_result(100, pack="first"))
    sizes = []
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(work)
        while not future.done():
            sizes.append(len(Leaderboard(tmp_path)))
        future.result()
    assert sizes == sorted(sizes)
    assert len(Leaderboard(tmp_path)) == 31


def test_a_large_board_agrees_with_pandas(tmp_path, make_result, write):
    rng = np.random.default_rng(1)
    write(tmp_path, *(make_result(i, candidate=i // 3, seed=i % 3, val=rng.random()) for i in range(600)))
    board = Leaderboard(tmp_path)
    means = board.to_pandas().groupby("candidate")["val_metric"].mean().nlargest(25)
    top = board.top(25).to_pandas()
    assert top["candidate"].tolist() == means.index.tolist()
    np.testing.assert_allclose(top["val_mean"], means)


def test_constant_columns_are_read_off_the_footer_alike(tmp_path, make_result, write, monkeypatch):
    results = [
        make_result(
            i, candidate=i % 7, seed=i, val=i / 40, phase="confirm" if i > 30 else "search", arm=arm, pack=arm
        )
        for arm in ("a", "a long name that the footer may cut short")
        for i in range(40)
    ]
    write(tmp_path, *results)
    for part in parts(tmp_path):
        pq.write_table(pq.read_table(part), part, row_group_size=9)
    plain = Leaderboard(tmp_path).top(14).to_pylist()
    monkeypatch.setattr("evoact.leaderboard.store.parts._MANY", 0)
    board = Leaderboard(tmp_path)
    assert board.top(14).to_pylist() == plain
    assert board.to_arrow().to_pylist() == [
        row for part in parts(tmp_path) for row in pq.read_table(part).to_pylist()
    ]
