import errno
import os
import signal
import subprocess
import sys
import time

import duckdb
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from evoact.errors import UserError
from evoact.leaderboard import schema
from evoact.leaderboard.ask.query import Leaderboard
from evoact.leaderboard.location import Location
from evoact.leaderboard.store.write import write_part

WHERE = {"run": "r", "task": "t", "network": "n"}


def parts(run_dir):
    return sorted((run_dir / "leaderboard").glob("*.parquet"))


def test_a_pack_is_one_part_and_comes_back(tmp_path, make_result):
    results = [make_result(i, pack="search-7", pack_size=3) for i in range(3)]
    assert write_part(tmp_path, results, **WHERE) == results
    [part] = parts(tmp_path)
    assert part.name.startswith("part-search-7-")
    assert [schema.result(row) for row in pq.read_table(part).to_pylist()] == results
    assert not [file for file in part.parent.iterdir() if file.name.startswith(".")]


def test_the_same_pack_twice_is_there_once(tmp_path, make_result):
    for _ in range(2):
        write_part(tmp_path, [make_result(1, pack="a"), make_result(2, pack="a")], **WHERE)
    assert len(Leaderboard(tmp_path)) == 2


def test_equally_named_packs_of_other_rows_do_not_replace_each_other(tmp_path, make_result):
    for arm, repeat in [("a", 0), ("a", 1), ("b", 0)]:
        write_part(tmp_path, [make_result(1, pack="1", arm=arm, repeat=repeat)], **WHERE)
    assert len(Leaderboard(tmp_path)) == 3


def test_artifacts_are_there_before_their_row(tmp_path, make_result):
    result = make_result(4, candidate=3, seed=2, phase="confirm", learned={"hidden0": b"weights"})
    [stored] = write_part(tmp_path, [result], **WHERE)
    assert stored.artifact == "artifacts/3-2-confirm-0.safetensors"
    assert (tmp_path / stored.artifact).read_bytes() == b"weights"
    assert not stored.learned
    [row] = pq.read_table(parts(tmp_path)[0]).to_pylist()
    assert row["artifact"] == stored.artifact


def test_artifacts_of_arms_do_not_collide(tmp_path, make_result):
    # Also on disks that take A for a, and whatever alphabet, length or place a name pretends.
    arms = ["a", "A", "b", "a b", "a_b", "a-b", "α", "β", "../a", "a/b", "a-1", "", "é", "e\u0301", "名" * 90]
    stored = [
        write_part(tmp_path, [make_result(1, arm=arm, repeat=1, learned={"x": arm.encode()})], **WHERE)[0]
        for arm in arms
    ]
    assert [(tmp_path / s.artifact).read_bytes() for s in stored] == [arm.encode() for arm in arms]
    assert len({s.artifact.lower() for s in stored}) == len(arms)
    assert {(tmp_path / s.artifact).parent for s in stored} == {tmp_path / "artifacts"}
    assert stored[0].artifact == "artifacts/a-1-1-0-search-0.safetensors"


def test_several_learned_files_are_refused(tmp_path, make_result):
    with pytest.raises(ValueError, match="at most one learned file"):
        write_part(tmp_path, [make_result(learned={"a": b"", "b": b""})], **WHERE)
    with pytest.raises(ValueError, match="at least one result"):
        write_part(tmp_path, [], **WHERE)


def test_other_programs_open_the_parts(run_dir):
    pattern = str(run_dir / "leaderboard" / "*.parquet")
    assert len(pd.read_parquet(run_dir / "leaderboard")) == 20
    assert pl.read_parquet(pattern)["val_metric"].max() == pytest.approx(0.19)
    with duckdb.connect() as connection:
        assert connection.execute(f"SELECT count(*), max(started_at) FROM '{pattern}'").fetchone() == (
            20,
            None,
        )


LOCATIONS = {
    "mock": lambda path: Location.of("mock:///runs/a"),
    "file URI": lambda path: Location.of(path.as_uri()),
    "subtree": lambda path: Location(fs.SubTreeFileSystem(str(path), fs.LocalFileSystem()), "a", "a"),
    "subtree of mock": lambda path: Location(
        fs.SubTreeFileSystem("runs", fs._MockFileSystem()), "a", "memory"
    ),
}


@pytest.mark.parametrize("kind", LOCATIONS)
def test_any_file_system(kind, tmp_path, make_result, write):
    place = LOCATIONS[kind](tmp_path)
    write(place, *(make_result(i, pack=str(i), learned={"x": b"1"}) for i in range(3)))
    board = Leaderboard(place)
    assert len(board) == 3
    assert board.top(2)["candidate"].to_pylist() == [0, 1]
    assert place.child("artifacts", "1-0-search-0.safetensors").read() == b"1"


def test_an_unknown_file_system_is_one_sentence():
    with pytest.raises(UserError, match="expected a path or a URI that pyarrow can open, got 'nope://x'"):
        Location.of("nope://x")


WRITER = """
import sys
from evoact.genomes.kinds import Base
from evoact.genomes.genome import Site, fingerprint, homogeneous, structure
from evoact.leaderboard.store.write import write_part
from evoact.records import TrainProposal, TrainResult

genome = homogeneous(Base("relu"), [Site("hidden0", 10)], learning_rate=0.1)
names = structure(genome), fingerprint(genome)
for pack in range(int(sys.argv[2]), 10**6):
    results = [
        TrainResult(
            TrainProposal(i, i, genome, *names, 0, 100), "completed", "accuracy", "maximize", 0.5,
            pack=str(pack), learned={"x": bytes(1000)},
        )
        for i in range(4 * pack, 4 * pack + 4)
    ]
    write_part(sys.argv[1], results, run="r", task="t", network="n")
    print(pack, flush=True)
"""


@pytest.mark.slow
def test_kill_leaves_only_whole_parts(tmp_path):
    told = -1
    for attempt in range(3):
        command = [sys.executable, "-c", WRITER, str(tmp_path), str(told + 1)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            writer.stdout.readline()
            time.sleep(0.05 + 0.013 * attempt)
            writer.send_signal(signal.SIGKILL)
            rest = writer.stdout.read().split()
            told = max([told + 1, *map(int, rest)])
        board = Leaderboard(tmp_path)
        rows = board.to_arrow()
        # What was told is there; the pack after it may be.
        assert len(rows) in (4 * (told + 1), 4 * (told + 2))
        assert rows["proposal"].to_pylist().count(0) == 1
        assert len(set(rows["proposal"].to_pylist())) == len(rows)
        assert all((tmp_path / name).stat().st_size == 1000 for name in rows["artifact"].to_pylist())
        assert not board.problems


def test_a_file_system_that_cannot_sync_a_directory(tmp_path, monkeypatch):
    def fsync(descriptor):
        raise OSError(failure, os.strerror(failure))

    monkeypatch.setattr(os, "fsync", fsync)
    failure = errno.EINVAL
    Location.of(tmp_path).child("a").write(b"x")
    assert (tmp_path / "a").read_bytes() == b"x"
    failure = errno.EIO  # a disk that fails is another matter
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        Location.of(tmp_path).child("a").write(b"y")
