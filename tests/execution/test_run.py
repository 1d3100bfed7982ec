"""Runs begun, ended early, damaged and resumed: the rows are those of a run that nobody disturbed."""

import errno
import gc
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from evoact.config import experiment
from evoact.errors import SearchFailed, UserError
from evoact.execution.run import resume, search
from evoact.leaderboard.ask.query import Leaderboard


def test_resume_of_a_finished_run_leaves_it(tiny, tmp_path, rows_of):
    search(experiment(tiny(training__steps=3)), tmp_path / "run")
    before = {f: f.stat().st_mtime_ns for f in (tmp_path / "run").rglob("*")}
    finished = resume(tmp_path / "run")
    assert finished.complete
    assert finished.summary.networks == len(rows_of(tmp_path / "run"))
    assert {f: f.stat().st_mtime_ns for f in (tmp_path / "run").rglob("*")} == before


def test_the_garbage_collector_is_as_before_afterwards(tiny, tmp_path):
    left_alone = []

    def observe(progress):
        left_alone.append(gc.get_freeze_count())

    search(experiment(tiny(training__steps=1, confirm__candidates=0)), tmp_path / "run", observe=observe)
    assert left_alone[-1] > 0
    assert gc.get_freeze_count() == 0


def test_search_into_a_run_is_refused(tiny, tmp_path):
    search(experiment(tiny(training__steps=1, confirm__candidates=0)), tmp_path / "run")
    with pytest.raises(UserError, match="which holds a run; continue it with `evoact resume"):
        search(experiment(tiny()), tmp_path / "run")


@pytest.mark.parametrize("place", ["", "nothing"])
def test_resume_of_no_run_is_refused(place, tmp_path):
    with pytest.raises(UserError, match="expected a run directory, got"):
        resume(tmp_path / place)
    assert not (tmp_path / "nothing").exists()


def test_a_run_directory_that_cannot_be_made(tiny, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="expected a run directory that can be made"):
        search(experiment(tiny()), tmp_path / "file")


@pytest.fixture(scope="module")
def undisturbed(tiny, tmp_path_factory, rows_of):
    """The rows of the tiny search of three steps that nobody disturbed."""
    place = tmp_path_factory.mktemp("undisturbed") / "run"
    search(experiment(tiny(training__steps=3)), place)
    return rows_of(place)


@pytest.fixture(scope="module")
def undisturbed_of_20(tiny, tmp_path_factory, rows_of):
    place = tmp_path_factory.mktemp("undisturbed") / "run"
    search(experiment(tiny(training__steps=3, budget__networks=20)), place)
    return rows_of(place)


class Stop(Exception):
    """Ends a run in the middle, as a crash of the process would."""


def interrupted(config, run_dir, after):
    """A run that ended when so many results were there."""

    def observe(progress):
        if progress.total_done >= after:
            raise Stop

    with pytest.raises(Stop):
        search(experiment(config), run_dir, observe=observe)


@pytest.mark.parametrize(
    ("torn", "damage"),
    [
        ("baseline-0000000", "cut"),
        ("baseline-0000004", "empty"),  # the search numbers its proposals after these
        ("baseline-0000004", "page"),
        ("search-0000010", "page"),
        ("search-0000018", "cut"),
    ],
)
def test_torn_part(torn, damage, tiny, tmp_path, rows_of, undisturbed_of_20):
    """Rows in a damaged part are named, trained again and stored in its place, whatever came after."""
    config = tiny(training__steps=3, budget__networks=20)
    interrupted(config, tmp_path / "run", after=26)
    (part,) = (tmp_path / "run" / "leaderboard").glob(f"part-{torn}*")
    content = bytearray(part.read_bytes())
    if damage == "page":
        content[60:90] = bytes(30)
    part.write_bytes({"empty": b"", "cut": content[: len(content) // 2], "page": content}[damage])
    problems = []
    finished = resume(tmp_path / "run", report=problems.append)
    assert finished.complete
    assert len(problems) == 1
    assert torn in problems[0]
    assert rows_of(tmp_path / "run") == undisturbed_of_20


def test_lost_confirmation_part(tiny, tmp_path, rows_of, undisturbed):
    config = tiny(training__steps=3)
    interrupted(config, tmp_path / "run", after=26)
    (part,) = (tmp_path / "run" / "leaderboard").glob("part-confirm*")
    part.unlink()
    resume(tmp_path / "run")
    assert rows_of(tmp_path / "run") == undisturbed


def test_lost_part_of_a_steady_state(tiny, tmp_path, rows_of):
    """It proposes otherwise than before, and must not take the places of what is confirmed already."""
    steady = {"name": "evolution", "population": 8, "elites": 2, "parents": 4, "steady_state": True}
    config = tiny(training__steps=3, strategy=steady)
    interrupted(config, tmp_path / "run", after=26)
    (part,) = (tmp_path / "run" / "leaderboard").glob("part-search-0000010*")
    part.unlink()
    before = rows_of(tmp_path / "run")
    assert resume(tmp_path / "run").complete
    after = rows_of(tmp_path / "run")
    assert after[: len(before)] == before
    assert len({r["proposal"] for r in after}) == len(after) > len(before)


@pytest.fixture
def full_disk(monkeypatch):
    """A disk with room for so many files more, or one that breaks then, as `number` says."""

    def leave(room, number=errno.ENOSPC):
        left = iter(range(room))

        def fsync(descriptor):
            if stat.S_ISREG(os.fstat(descriptor).st_mode) and next(left, None) is None:
                raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "fsync", fsync)

    yield leave
    monkeypatch.undo()


@pytest.mark.parametrize(
    ("room", "file"),
    [
        (2, "part-baseline-0000000"),
        (4, "artifacts/6-0"),
        (25, "part-confirm-0000022"),
        (31, "part-judge-0000028"),
        (32, ".leaderboard"),
    ],
)
def test_a_full_disk(room, file, full_disk, tiny, tmp_path, rows_of, undisturbed, monkeypatch):
    """Names the file and how to go on; nothing that was stored is lost."""
    monkeypatch.chdir(tmp_path)
    config = tiny(training__steps=3)
    full_disk(room)
    with pytest.raises(
        SearchFailed, match=f"^expected room for [^,]*{file}[^,]*, got a full disk .*resume 'a run'`$"
    ):
        search(experiment(config), "a run")
    monkeypatch.undo()
    assert resume(tmp_path / "a run").complete
    assert rows_of(tmp_path / "a run") == undisturbed


@pytest.mark.parametrize("number", [errno.EROFS, errno.EIO, errno.EACCES, errno.ESTALE])
def test_a_disk_that_breaks(number, full_disk, tiny, tmp_path, rows_of, undisturbed, monkeypatch):
    config = tiny(training__steps=3)
    full_disk(9, number)
    with pytest.raises(
        SearchFailed, match=f"^expected a disk .*{os.strerror(number)}.*; mend .*resume .*run`$"
    ):
        search(experiment(config), tmp_path / "run")
    monkeypatch.undo()
    assert resume(tmp_path / "run").complete
    assert rows_of(tmp_path / "run") == undisturbed


@pytest.fixture
def disk(tmp_path):
    """A disk of its own of 200 kB, and what mounts it otherwise."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(*arguments):
        return subprocess.run(
            ["mount", "-t", "tmpfs", "-o", *arguments, "none", place], capture_output=True, text=True
        )

    if os.geteuid() != 0:
        pytest.skip("only root may mount a disk")
    if (made := mount("size=200k")).returncode:
        pytest.skip(f"no disk can be mounted here: {made.stderr.strip()}")
    yield place, mount
    subprocess.run(["umount", place], check=True)


def test_a_real_disk_is_full_then_read_only_then_well(disk, tiny, rows_of, undisturbed):
    """What was stored is there in each state, and the rest when there is room."""
    place, mount = disk
    run = place / "run"
    with pytest.raises(SearchFailed, match=r"^expected room for .*, got a full disk .*evoact resume"):
        search(experiment(tiny(training__steps=3)), run)
    before = rows_of(run)
    assert 0 < len(before) < len(undisturbed)
    with pytest.raises(SearchFailed, match="got a full disk"):
        resume(run)
    mount("remount,ro")
    assert len(Leaderboard(run)) == len(before)
    with pytest.raises(
        UserError, match=r"expected a run directory that can be written to, .*Read-only file system"
    ):
        resume(run)
    mount("remount,rw,size=20m")
    assert resume(run).complete
    assert rows_of(run) == undisturbed


def test_killed_before_the_first_part(tiny, tmp_path, rows_of, undisturbed):
    config = tiny(training__steps=3)
    interrupted(config, tmp_path / "run", after=0)
    assert not (tmp_path / "run" / "leaderboard").exists()
    assert resume(tmp_path / "run").complete
    assert rows_of(tmp_path / "run") == undisturbed


def test_results_that_cannot_be_of_this_run_are_refused(tiny, tmp_path):
    config = tiny(training__steps=3)
    interrupted(config, tmp_path / "run", after=8)
    path = tmp_path / "run" / "config.yaml"
    path.write_text(path.read_text().replace("seed: 0", "seed: 1"))
    part = pq.read_table(tmp_path / "run" / "leaderboard")
    with pytest.raises(UserError, match="resume with the configuration of the run"):
        resume(tmp_path / "run")
    assert pq.read_table(tmp_path / "run" / "leaderboard") == part


def test_stopped_run_copied_elsewhere_resumes(tiny, tmp_path, rows_of, undisturbed):
    """Nothing in a run directory depends on where it is, or on the directory one works in."""
    config = tiny(training__steps=3)
    interrupted(config, tmp_path / "run", after=10)
    shutil.copytree(tmp_path / "run", tmp_path / "elsewhere" / "moved")
    resume(tmp_path / "elsewhere" / "moved")
    assert rows_of(tmp_path / "elsewhere" / "moved") == undisturbed


def test_a_run_directory_that_cannot_be_written_to_is_refused_before_anything_is_measured(
    tiny, tmp_path, monkeypatch
):
    monkeypatch.setattr("os.access", lambda path, mode: False)
    monkeypatch.setattr("evoact.execution.run.with_pack_size", lambda plan: pytest.fail("measured first"))
    with pytest.raises(UserError, match=r"run\.json', and .* cannot be written to"):
        search(experiment(tiny()), tmp_path / "run")


@pytest.mark.parametrize("answer", [errno.EPERM, errno.ENOSYS, errno.EXDEV])
def test_a_file_system_without_renames_is_refused_before_anything_is_trained(
    answer, tiny, tmp_path, monkeypatch
):
    def replace(path, target):
        raise OSError(answer, os.strerror(answer))

    monkeypatch.setattr(Path, "replace", replace)
    sentence = (
        rf"expected a file system on which files are renamed, for '.*run\.json', got .*{os.strerror(answer)}"
    )
    with pytest.raises(UserError, match=sentence):
        search(experiment(tiny()), tmp_path / "run")
    assert not (tmp_path / "run").exists()
