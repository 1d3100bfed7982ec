"""The command's surroundings: terminals that are not UTF-8, signals, users without a home directory."""

import io
import os
import pwd
import signal
import subprocess
import sys
import tempfile
import time

import pytest
import yaml

from evoact.cache_directory import cache_directory
from evoact.cli.main import main
from evoact.config import comparison, experiment
from evoact.errors import UserError
from evoact.execution import run as running
from evoact.execution.run import compare, resume, search
from tests.conftest import started


@pytest.fixture(scope="module")
def runs(tiny, tiny_comparison, tmp_path_factory):
    """A finished search and a finished comparison whose arms have names that are not ASCII."""
    home = tmp_path_factory.mktemp("runs")
    search(experiment(tiny(training__steps=1)), home / "søk")
    arms = tiny_comparison()["arms"]
    arms = {"homogeneous": arms["homogeneous"], "α": arms["random"], "β": arms["random"]}
    compare(comparison(tiny_comparison(training__steps=1, repeats=1, arms=arms)), home / "vergleich")
    (home / "tiny.yaml").write_text(yaml.safe_dump(tiny(training__steps=1, name="名前")), encoding="utf-8")
    return home


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["search", "tiny.yaml", "-o", "neu ü"],
        ["search", "tiny.yaml", "--dry-run"],
        ["search", "ünknown.yaml"],
        ["search", os.fsdecode(b"\xff.yaml")],
        ["validate", "tiny.yaml"],
        ["resume", "søk"],
        ["leaderboard", "søk"],
        ["leaderboard", "vergleich", "--sql", "SELECT DISTINCT arm, '≤ ☃' FROM leaderboard"],
        ["leaderboard", "vergleich", "--sql", "SELECT ☃ FROM leaderboard"],
        ["report", "søk"],
        ["report", "vergleich", "--format", "md", "-o", "bericht ü.md"],
        *(["list", kind] for kind in ("functions", "activations", "networks", "tasks", "strategies")),
        ["--help"],
        ["compare", "--help"],
    ],
    ids=" ".join,
)
def test_every_command_on_a_terminal_that_is_not_utf_8(arguments, encoding, runs, monkeypatch):
    monkeypatch.chdir(runs)
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2))
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    if arguments[-1] == "neu ü":
        arguments = [*arguments[:-1], f"neu ü {encoding}"]
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    said = [(stream.flush(), stream.buffer.getvalue().decode(encoding))[1] for stream in (out, err)]
    wrong = {"ünknown.yaml", "\udcff.yaml", "SELECT ☃ FROM leaderboard"} & set(arguments)
    assert (exit_.value.code or 0) == (2 if wrong else 0), said
    assert said[bool(wrong)].strip()


def test_names_that_differ_look_different(runs, monkeypatch):
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    with pytest.raises(SystemExit):
        main(
            [
                "leaderboard",
                str(runs / "vergleich"),
                "--sql",
                "SELECT DISTINCT arm, '±' FROM leaderboard ORDER BY arm",
            ]
        )
    out.flush()
    said = out.buffer.getvalue().decode("ascii")
    assert [line.split() for line in said.splitlines()[2:]] == [["\\u03b1", "+-"], ["\\u03b2", "+-"]]


# --- signals ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_sigterm_stops_a_search_as_ctrl_c_does(command, config_file, tmp_path):
    """It reaches the process alone, as from a scheduler, in the search and in the confirmation."""
    slow = {"name": "faulty", "hangs": 1.0, "hang_seconds": 0.05}
    config = config_file(task=slow, budget__networks=8, training__steps=2, baselines__replicates=0)
    for arguments, parts in ((["search", config, "-o", "a run"], 1), (["resume", "a run"], 3)):
        process = started([*command, *arguments], tmp_path)
        while len(list(tmp_path.glob("a run/leaderboard/part*"))) < parts and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
        assert "nothing is lost" in out
        assert "resume 'a run'" in out
        assert "Traceback" not in err
    assert resume(tmp_path / "a run").complete


def test_ctrl_c_while_the_rows_are_brought_together(tiny, tmp_path, monkeypatch, rows_of):
    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(running, "compact", interrupted)
        stopped = search(experiment(tiny(training__steps=1)), tmp_path / "run")
    assert not stopped.complete
    finished = resume(tmp_path / "run")
    assert finished.complete
    assert finished.summary == stopped.summary
    assert len(rows_of(tmp_path / "run")) == finished.summary.networks


# --- no home directory --------------------------------------------------------------------------


@pytest.fixture
def homeless(monkeypatch, tmp_path):
    """As in a container that runs as a number: HOME is unset, and no line of /etc/passwd names one."""

    def unknown(uid):
        raise KeyError(uid)

    for name in ("HOME", "EVOACT_CACHE", "EVOACT_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_a_user_without_a_home_directory_has_a_cache(homeless, tmp_path, capsys):
    place = cache_directory()
    assert place.parent == tmp_path
    assert place.stat().st_mode & 0o077 == 0
    with pytest.raises(SystemExit) as exit_:
        main(["list", "tasks"])
    assert not exit_.value.code
    assert "mnist1d" in capsys.readouterr().out


@pytest.mark.ray
def test_ray_is_given_a_home_directory(tmp_path):
    """Where there is none it cannot even be imported."""
    script = (
        "import os, pwd, tempfile\n"
        "def unknown(uid): raise KeyError(uid)\n"
        "pwd.getpwuid = unknown\n"
        "import evoact.execution.cluster.ray_cluster, evoact.execution.cluster.ray_tune\n"
        "print(os.environ['HOME'])\n"
    )
    environment = {name: value for name, value in os.environ.items() if name not in ("HOME", "EVOACT_CACHE")}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout == f"{tmp_path}/evoact-cache-{os.getuid()}\n", done.stderr


def test_a_cache_that_others_can_write_to_is_not_used(homeless):
    cache_directory().chmod(0o777)
    with pytest.raises(UserError, match=r"expected a cache directory of your own, got .*; set EVOACT_CACHE"):
        cache_directory()
