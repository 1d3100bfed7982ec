"""Searches as commands of their own: killed, stopped by the keyboard or by a signal, and two on one run directory."""

import os
import signal

import pytest
import yaml

from evoact.config import experiment
from evoact.execution.run import search
from tests.conftest import DIVISION, started, wait_for_rows


@pytest.mark.slow
def test_the_command_is_killed_resumed_and_alone(command, evoact, config_file, tmp_path, rows_of):
    # So that it is not done before it is stopped.
    slowly = {"name": "faulty", "hangs": 1.0, "hang_seconds": 0.005}
    config = config_file(budget__networks=60, task=slowly)
    search(experiment(yaml.safe_load(config.read_text())), tmp_path / "undisturbed")
    first = started([*command, "search", config, "-o", "run"], tmp_path)
    try:
        wait_for_rows(tmp_path / "run")
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
        wait_for_rows(tmp_path / "run")
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
def test_two_drivers_on_one_run_directory(command, evoact, config_file, tmp_path):
    """The second is refused in a sentence, whether it would begin or go on, and disturbs nothing."""
    config = config_file(budget__networks=5000, training__steps=2000)
    first = started([*command, "search", config, "-o", "run"], tmp_path)
    try:
        wait_for_rows(tmp_path / "run")
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
        first.communicate()
    assert first.returncode == 130


@pytest.mark.slow
def test_stopped_by_the_keyboard(command, config_file, tmp_path, rows_of):
    config = config_file(budget__networks=5000, training__steps=2000)
    first = started([*command, "search", config, "-o", "run"], tmp_path)
    wait_for_rows(tmp_path / "run")
    first.send_signal(signal.SIGINT)
    out, err = first.communicate(timeout=180)
    assert first.returncode == 130
    assert "Stopped after" in out
    assert "evoact resume run" in out
    assert "Traceback" not in err
    # A generation less would have been in the same rows: what is there is a prefix of the run.
    assert [r["proposal"] for r in rows_of(tmp_path / "run")] == list(range(len(rows_of(tmp_path / "run"))))
