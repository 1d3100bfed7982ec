from contextlib import suppress

import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from evoact.leaderboard.ask.query import Leaderboard
from evoact.leaderboard.location import Location
from evoact.leaderboard.store import compact as module
from evoact.leaderboard.store.compact import Rolling, compact, sweep


def proposals(run_dir):
    return Leaderboard(run_dir).to_arrow()["proposal"].to_pylist()


def test_parts_become_one_sorted_file_with_the_same_rows(tmp_path, make_result, write):
    write(
        tmp_path, *(make_result(i, pack=str(i % 3), parents=(i,), context="{}") for i in reversed(range(9)))
    )
    before = sorted(Leaderboard(tmp_path).to_arrow().to_pylist(), key=lambda row: row["proposal"])
    assert compact(tmp_path)
    assert len(list((tmp_path / "leaderboard").iterdir())) == 1
    assert Leaderboard(tmp_path).to_arrow().to_pylist() == before
    assert not compact(tmp_path)


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


@pytest.mark.parametrize("how", [compact, Rolling])
@pytest.mark.parametrize("step", range(8))
def test_interrupted_anywhere(step, how, run_dir, monkeypatch, make_result, write):
    """Before each file is written or deleted: a reader sees every row once, and the next one to write clears up."""
    monkeypatch.setattr(module, "MOST_FILES", 4)
    monkeypatch.setattr(module, "AT_ONCE", 4)
    with monkeypatch.context() as patch:
        done = []
        for name, real in (("write", Location.write), ("delete", Location.delete)):

            def crashing(self, *content, real=real):
                if len(done) == step:
                    raise Crash
                done.append(self.path)
                return real(self, *content)

            patch.setattr(Location, name, crashing)
        with suppress(Crash):
            how(run_dir)
    assert sorted(proposals(run_dir)) == list(range(20))
    assert Leaderboard(run_dir).problems == []
    write(run_dir, make_result(20, pack="late"))
    sweep(run_dir)
    assert sorted(proposals(run_dir)) == list(range(21))
    compact(run_dir)
    assert proposals(run_dir) == list(range(21))
    assert len(list((run_dir / "leaderboard").iterdir())) == 1


def test_a_damaged_file_replaces_nothing(run_dir, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Location, "delete", lambda self: None)
        compact(run_dir)
    [merged] = (run_dir / "leaderboard").glob("compact-*")
    assert len(list((run_dir / "leaderboard").iterdir())) == 6
    merged.write_bytes(merged.read_bytes()[:-1])
    sweep(run_dir)
    with pytest.warns(UserWarning, match="compact-"):
        assert sorted(proposals(run_dir)) == list(range(20))


@pytest.mark.parametrize("kind", ["local", "store"])
def test_a_run_that_goes_on_has_few_files(kind, tmp_path, monkeypatch, make_result, write):
    monkeypatch.setattr(module, "MOST_FILES", 12)
    monkeypatch.setattr(module, "AT_ONCE", 6)
    place = Location.of(tmp_path)
    if kind == "store":
        place = Location(fs.SubTreeFileSystem("runs", fs._MockFileSystem()), "a", "memory")
    rolling, most = Rolling(place), 0
    for i in range(60):
        write(place, make_result(i, pack=str(i)), rolling=rolling)
        most = max(most, len(place.child("leaderboard").names()))
    assert most <= 12 + 12
    assert sorted(proposals(place)) == list(range(60))
    compact(place)
    assert len(place.child("leaderboard").names()) == 1
    assert proposals(place) == list(range(60))


def test_rows_are_written_anew_a_few_times_only(tmp_path, monkeypatch, make_result, write):
    """Files double in size: 960 parts of a row each, merged 8 at a time, are not written anew 60 times."""
    monkeypatch.setattr(module, "MOST_FILES", 16)
    monkeypatch.setattr(module, "AT_ONCE", 8)
    monkeypatch.setattr(module, "FOOTER_BYTES", 0)
    monkeypatch.setattr(module, "_smallest", lambda sizes, real=module._smallest: real(rows_in(sizes)))
    folder, written = tmp_path / "leaderboard", []

    def rows_in(sizes):
        return {name: pq.read_metadata(folder / name).num_rows for name in sizes}

    real = module._write
    monkeypatch.setattr(
        module, "_write", lambda home, rows, *a: written.append(len(rows)) or real(home, rows, *a)
    )
    rolling = Rolling(tmp_path)
    for i in range(960):
        write(tmp_path, make_result(i, pack=str(i)), rolling=rolling)
    assert sum(written) < 960 * 8
    assert sorted(proposals(tmp_path)) == list(range(960))


def test_files_of_packs_are_not_read_again(tmp_path, monkeypatch, make_result, write):
    monkeypatch.setattr(module, "MOST_FILES", 6)
    monkeypatch.setattr(module, "AT_ONCE", 6)
    rolling, read = Rolling(tmp_path), []
    real = module.inspect_all
    monkeypatch.setattr(module, "inspect_all", lambda files, table: read.extend(files) or real(files, table))
    for i in range(6):
        write(tmp_path, make_result(i, pack=str(i)), rolling=rolling)
    assert not read
    assert len([name for name in rolling._home.names() if name.startswith("compact-")]) == 1
    assert sorted(proposals(tmp_path)) == list(range(6))
