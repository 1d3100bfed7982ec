import shutil

import pyarrow.parquet as pq
import pytest

from evoact.leaderboard.ask.query import Leaderboard
from evoact.leaderboard.store import compact as module
from evoact.leaderboard.store.compact import compact, finish_swap, parts_directory


def proposals(run_dir):
    return Leaderboard(run_dir).to_arrow()["proposal"].to_pylist()


def hidden(run_dir):
    return [file.name for file in run_dir.iterdir() if file.name.startswith(".leaderboard")]


def test_parts_become_one_sorted_file_with_the_same_rows(tmp_path, make_result, write):
    write(
        tmp_path, *(make_result(i, pack=str(i % 3), parents=(i,), context="{}") for i in reversed(range(9)))
    )
    before = sorted(Leaderboard(tmp_path).to_arrow().to_pylist(), key=lambda row: row["proposal"])
    assert compact(tmp_path)
    assert [file.name for file in (tmp_path / "leaderboard").iterdir()] == ["compact-00000.parquet"]
    assert Leaderboard(tmp_path).to_arrow().to_pylist() == before
    assert hidden(tmp_path) == []


def test_compaction_again_after_more_parts(run_dir, make_result, write):
    compact(run_dir)
    write(run_dir, make_result(20, pack="late"))
    assert compact(run_dir)
    assert proposals(run_dir) == list(range(21))


def test_a_key_in_two_parts_is_kept_once(tmp_path, make_result, write):
    write(tmp_path, make_result(1, pack="a"), make_result(2, pack="a"))
    write(tmp_path, make_result(2, pack="b"), make_result(3, pack="b"))
    # Another arm, repeat, seed, phase or rung is another key.
    others = [{"arm": "x"}, {"repeat": 1}, {"seed": 1}, {"phase": "confirm"}, {"rung": 1}]
    write(tmp_path, *(make_result(4 + i, candidate=2, pack="c", **k) for i, k in enumerate(others)))
    compact(tmp_path)
    assert sorted(proposals(tmp_path)) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_many_rows_become_several_files(run_dir, monkeypatch):
    monkeypatch.setattr(module, "SHARD", 9)
    compact(run_dir)
    files = sorted((run_dir / "leaderboard").iterdir())
    assert [pq.read_metadata(file).num_rows for file in files] == [8, 8, 4]
    assert proposals(run_dir) == list(range(20))


def test_what_cannot_be_read_is_kept_as_it_is(run_dir):
    torn = run_dir / "leaderboard" / "part-torn.parquet"
    torn.write_bytes(b"PAR1 and then nothing")
    note = run_dir / "leaderboard" / "note.txt"
    note.write_text("mine")
    compact(run_dir)
    assert torn.read_bytes() == b"PAR1 and then nothing"
    assert note.read_text() == "mine"
    with pytest.warns(UserWarning, match="part-torn"):
        assert proposals(run_dir) == list(range(20))


def test_a_damaged_compacted_file_is_not_overwritten(run_dir, make_result, write):
    compact(run_dir)
    [damaged] = (run_dir / "leaderboard").iterdir()
    damaged.write_bytes(b"half of it")
    write(run_dir, make_result(20, pack="late"))
    compact(run_dir)
    assert damaged.read_bytes() == b"half of it"
    with pytest.warns(UserWarning, match="damaged"):
        assert proposals(run_dir) == [20]


def test_files_of_an_older_version_are_compacted(run_dir):
    for part in sorted((run_dir / "leaderboard").iterdir())[:2]:
        table = pq.read_table(part).drop_columns(["rung", "arm", "test_large_metric"])
        pq.write_table(table, part)
    compact(run_dir)
    assert sorted(proposals(run_dir)) == list(range(20))


def test_nothing_to_compact(tmp_path):
    assert not compact(tmp_path)
    (tmp_path / "leaderboard").mkdir()
    assert not compact(tmp_path)
    assert not compact("mock:///run")


class Crash(BaseException):
    pass


# What compaction does to the disk, in order; it crashes before or after each.
STEPS = ["_build", "_rename 0", "_rename 1", "_rename 2", "_delete"]


def crash_at(monkeypatch, step, after):
    name, _, number = step.partition(" ")
    real, calls = getattr(module, name), []

    def crashing(*arguments):
        calls.append(arguments)
        here = len(calls) - 1 == int(number or 0) if name != "_delete" else arguments[0].is_dir()
        if here and not after:
            raise Crash
        result = real(*arguments)
        if here:
            raise Crash
        return result

    monkeypatch.setattr(module, name, crashing)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_an_interrupted_swap(step, after, run_dir, monkeypatch, make_result, write):
    with monkeypatch.context() as patch:
        crash_at(patch, step, after)
        with pytest.raises(Crash):
            compact(run_dir)
    # A reader in between, which changes nothing, sees every row once.
    assert sorted(proposals(run_dir)) == list(range(20))
    finish_swap(run_dir)
    assert hidden(run_dir) == []
    assert sorted(proposals(run_dir)) == list(range(20))
    write(run_dir, make_result(20, pack="late"))
    compact(run_dir)
    assert proposals(run_dir) == list(range(21))


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_parts_written_before_the_swap_was_finished(step, after, run_dir, monkeypatch, make_result, write):
    with monkeypatch.context() as patch:
        crash_at(patch, step, after)
        with pytest.raises(Crash):
            compact(run_dir)
    write(run_dir, make_result(20, pack="late"))
    finish_swap(run_dir)
    assert sorted(proposals(run_dir)) == list(range(21))


def test_deletion_of_the_old_directory_half_done(run_dir):
    shutil.copytree(run_dir / "leaderboard", run_dir / module.OLD)
    next((run_dir / module.OLD).iterdir()).unlink()
    finish_swap(run_dir)
    assert proposals(run_dir) == list(range(20))
    assert hidden(run_dir) == []


def test_parts_directory(run_dir, tmp_path):
    assert parts_directory(run_dir).path == str(run_dir / "leaderboard")
    assert parts_directory(tmp_path / "nothing") is None
