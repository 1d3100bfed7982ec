"""`kill -9` at any moment, then resume: the rows are those of a run that nobody disturbed."""

import errno
import gc
import json
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from evoact.config import experiment
from evoact.errors import SearchFailed, UserError
from evoact.execution.run import resume, search
from evoact.leaderboard.ask.query import Leaderboard
from tests.conftest import DIVISION, started

KILLED = Path(__file__).with_name("killed.py")


def run_killed(config, directory, moments):
    """Runs by name, each disturbed at its moments; what `killed.py` says about them."""
    texts = [f"{name}={','.join(map(str, chosen))}" for name, chosen in moments.items()]
    out = subprocess.run(
        [sys.executable, KILLED, config, directory, *texts], capture_output=True, text=True, timeout=1200
    )
    assert out.returncode == 0, out.stderr
    return json.loads(out.stdout.splitlines()[-1])


def check_same(directory, names, rows_of):
    expected = rows_of(directory / "undisturbed")
    keys = [(r["candidate"], r["seed"], r["phase"], r["rung"]) for r in expected]
    assert len(set(keys)) == len(keys) > 10
    for name in names:
        assert rows_of(directory / name) == expected, name
        for row in expected:
            assert not row["artifact"] or (directory / name / row["artifact"]).stat().st_size > 0


def at_random(seed, n):
    chance = random.Random(seed)
    return [f"{chance.uniform(0.02, 0.7):.3f}" for _ in range(n)]


@pytest.mark.slow
def test_killed_at_any_operation(config_file, tmp_path, rows_of):
    config = config_file(budget__networks=8, training__steps=3)
    operations = run_killed(config, tmp_path, {"undisturbed": []})["undisturbed"]["operations"]
    assert operations > 60
    moments = {
        "early": ["#1", "#2", "#4", "#7"],  # before there is a config, a row, a strategy
        "often": ["#9"] * 5 + ["#14"] * 3,
        "seldom": ["#31", "#27"],
        "clock": at_random(0, 3),
    }
    # The last operations are those of the compaction.
    moments |= {f"end{i}": [f"#{operations - i}"] for i in range(0, 15, 3)}
    found = run_killed(config, tmp_path, moments)
    assert sum(run["killed"] for run in found.values()) >= 18
    check_same(tmp_path, moments, rows_of)


# While the first parts of the confirmation are written, and before each step of the compaction.
LATE = ["#1@part-confirm", "#4@part-confirm", "#2@part-confirm"]
COMPACTING = [r"#1@\.compact", r"#2@\.compact", r"#1@\.run\.json", r"#2@\.run\.json"]


@pytest.mark.slow
def test_killed_in_confirmation_and_compaction(config_file, tmp_path, rows_of):
    config = config_file(training__steps=3)
    moments = {"undisturbed": [], "confirming": LATE, "compacting": COMPACTING}
    found = run_killed(config, tmp_path, moments)
    assert [run["killed"] for run in found.values()] == [0, 3, 4]
    check_same(tmp_path, moments, rows_of)


@pytest.mark.ray
def test_killed_in_confirmation_and_compaction_on_ray(config_file, tiny, tmp_path, rows_of):
    """Its workers' results come in any order, and those that are back at once are one file: the confirmation leaves
    one file or more, and so does its judge."""
    search(experiment(tiny(training__steps=3)), tmp_path / "local")
    execution = {"backend": "ray_tune", "workers": 2, "cpus_per_pack": 0.5, "gpus_per_pack": 0}
    config = config_file(training__steps=3, execution=execution)
    moments = {"run": ["#2@part-confirm", "#3@part-(confirm|judge)", r"#2@\.compact"]}
    assert run_killed(config, tmp_path, moments)["run"]["killed"] == 3
    assert rows_of(tmp_path / "run", DIVISION) == rows_of(tmp_path / "local", DIVISION)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["hybrid", "random", "optuna"])
def test_killed_with_every_strategy(strategy, config_file, tmp_path, rows_of):
    settings = {
        "hybrid": {"batch": 8, "elites": 2},
        "random": {"batch": 6},
        "optuna": {},
    }[strategy]
    config = config_file(
        strategy={"name": strategy, **settings}, budget__networks=22, training__steps=3, confirm__candidates=1
    )
    moments = {"undisturbed": [], "operations": ["#35", "#33", "#31"], "clock": at_random(strategy, 3)}
    found = run_killed(config, tmp_path, moments)
    assert found["operations"]["killed"] == 3
    check_same(tmp_path, moments, rows_of)


@pytest.mark.slow
def test_the_command_is_killed_resumed_and_alone(command, evoact, config_file, tmp_path, rows_of):
    slowly = {
        "name": "faulty",
        "hangs": 1.0,
        "hang_seconds": 0.005,
    }  # so that it is not done before it is stopped
    config = config_file(budget__networks=60, task=slowly)
    search(experiment(_read(config)), tmp_path / "undisturbed")
    first = subprocess.Popen(
        [*command, "search", config, "-o", "run"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        wait_for(lambda: list((tmp_path / "run" / "leaderboard").glob("part*.parquet")))
        os.kill(first.pid, signal.SIGSTOP)
        for arguments in (("resume", "run"), ("search", config, "-o", "run")):
            second = evoact(*arguments)
            assert second.returncode == 2
            assert "no other process uses" in second.stderr
            assert len(second.stderr.splitlines()) == 1
    finally:
        first.kill()
        first.communicate()
    before = {row["proposal"] for row in rows_of(tmp_path / "run")}
    assert 0 < len(before) < 74
    third = evoact("resume", "run")
    assert third.returncode == 0, third.stderr
    assert "Confirmed on 2 fresh seeds" in third.stdout
    assert rows_of(tmp_path / "run") == rows_of(tmp_path / "undisturbed")
    again = evoact("resume", "run")
    assert (again.returncode, again.stderr) == (0, "")
    assert "run has finished already" in again.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "execution",
    [{"backend": "local"}, pytest.param({"backend": "ray_tune", "workers": 1}, marks=pytest.mark.ray)],
    ids=["local", "ray"],
)
def test_a_stopped_driver_goes_on(execution, command, evoact, config_file, tiny, tmp_path, rows_of):
    """As by Ctrl-Z: nobody takes its run over meanwhile without a word, and it ends with the same rows."""
    slowly = {"name": "faulty", "hangs": 1.0, "hang_seconds": 0.01}
    config = config_file(task=slowly, execution=execution, budget__networks=40)
    process = started([*command, "search", config, "-o", "run"], tmp_path)
    try:
        wait_for(lambda: list((tmp_path / "run" / "leaderboard").glob("part*.parquet")))
        process.send_signal(signal.SIGSTOP)
        second = evoact("resume", "run")
        assert second.returncode == 2
        assert f"got one in use by process {process.pid} of" in second.stderr
        process.send_signal(signal.SIGCONT)
        _, err = process.communicate(timeout=240)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, err
    assert "Traceback" not in err
    search(experiment(tiny(budget__networks=40)), tmp_path / "local")
    assert rows_of(tmp_path / "run", DIVISION) == rows_of(tmp_path / "local", DIVISION)


@pytest.mark.slow
def test_stopped_by_the_keyboard(command, config_file, tmp_path, rows_of):
    config = config_file(budget__networks=5000, training__steps=2000)
    first = started([*command, "search", config, "-o", "run"], tmp_path)
    wait_for(lambda: list((tmp_path / "run" / "leaderboard").glob("part*.parquet")))
    first.send_signal(signal.SIGINT)
    out, err = first.communicate(timeout=180)
    assert first.returncode == 130
    assert "Stopped after" in out
    assert "evoact resume run" in out
    assert "Traceback" not in err
    # A generation less would have been in the same rows: what is there is a prefix of the run.
    assert [r["proposal"] for r in rows_of(tmp_path / "run")] == list(range(len(rows_of(tmp_path / "run"))))


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


def wait_for(condition, seconds=240.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def _read(path):
    return yaml.safe_load(path.read_text())


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


@pytest.mark.slow
def test_two_drivers_on_one_run_directory(command, evoact, config_file, tmp_path):
    """The second is refused in a sentence, whether it would begin or go on, and disturbs nothing."""
    config = config_file(budget__networks=5000, training__steps=2000)
    first = subprocess.Popen(
        [*command, "search", config, "-o", "run"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: list((tmp_path / "run" / "leaderboard").glob("part*.parquet")))
        before = {*os.listdir(tmp_path / "run")}
        for second in (("search", config, "-o", "run"), ("resume", "run")):
            done = evoact(*second)
            assert done.returncode == 2
            (sentence,) = [line for line in done.stderr.splitlines() if line.startswith("run: expected")]
            assert f"got one in use by process {first.pid} of" in sentence
        assert before <= {*os.listdir(tmp_path / "run")}
        assert first.poll() is None
    finally:
        first.send_signal(signal.SIGINT)
        first.wait()
    assert first.returncode == 130
