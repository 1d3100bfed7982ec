"""A run whose process died while it trained goes on beside a process that trains."""

import os
import signal
import subprocess
import sys
from functools import partial

import pytest

from evoact.config import Plan, experiment
from evoact.errors import SearchFailed
from evoact.execution.run import search
from evoact.execution.running import apart as module
from evoact.execution.running.apart import Apart
from evoact.execution.running.log import events
from evoact.execution.stages import Stages
from evoact.leaderboard.location import Location
from tests.conftest import COMMAND, DIVISION, started, wait_for
from tests.execution.poisoned import deadly_to_measure, most_likely_to_fail

pytestmark = pytest.mark.slow

ALONE = {"baselines__replicates": 0, "strategy": {"name": "random"}, "confirm__candidates": 0}
# Packs of some tenths of a second, so that a signal finds one in training.
SLOWLY = {"task": {"name": "faulty", "hangs": 1.0, "hang_seconds": 0.02}}


def begun(tmp_path, *arguments):
    """The command in a session of its own, once a pack is back."""
    before = packs(tmp_path)
    process = started([*COMMAND, *arguments], tmp_path, start_new_session=True)
    wait_for(lambda: packs(tmp_path) > before or process.poll() is not None, 240)
    assert process.poll() is None, process.communicate()
    return process


def told(tmp_path, event):
    return [e for e in events(Location.of(tmp_path / "run")) if e["event"] == event]


def packs(tmp_path):
    return len(told(tmp_path, "pack")) if (tmp_path / "run").exists() else 0


def processes(session):
    listed = subprocess.run(["ps", "-o", "pid=,stat=", "-s", str(session)], capture_output=True, text=True)
    return [line for line in listed.stdout.splitlines() if " Z" not in line]


def ended(session):
    return not processes(session)


def test_a_poisoned_candidate_fails_alone(evoact, config_file, tiny, tmp_path, rows_of):
    """It takes the search down; resumed, that goes on to its end, with the rows of one that it is not in."""
    changes = ALONE | {"budget__networks": 8}
    guilty, rate = most_likely_to_fail(experiment(tiny(**changes)))
    config = config_file(**changes, task={"name": "faulty", "kills": rate}, execution__max_failures=1)
    assert evoact("search", config, "-o", "run").returncode == 1
    assert len(rows_of(tmp_path / "run") if packs(tmp_path) else []) < 8
    resumed = evoact("resume", "run")
    assert resumed.returncode == 0, resumed.stderr
    search(experiment(tiny(**changes)), tmp_path / "well")
    rows, well = rows_of(tmp_path / "run", DIVISION), rows_of(tmp_path / "well", DIVISION)
    assert [row["proposal"] for row in rows] == [*range(8)]
    for row, same in zip(rows, well, strict=True):
        if f"{row['fingerprint']}-{row['seed']}" == guilty:
            assert (row["state"], row["error"]) == (
                "failed",
                "its process ended with code 1, in 2 of 2 attempts",
            )
        else:
            assert row == same
    assert {fault["what"] for fault in told(tmp_path, "fault")} == {"process lost"}
    assert len(told(tmp_path, "apart")) == 1


def test_one_that_is_poisoned_when_pack_sizes_are_measured(evoact, config_file, tiny, tmp_path, rows_of):
    """The search has a config before that, by which it goes on, without a measurement."""
    changes = ALONE | {"budget__networks": 8, "packs": {"size": "auto"}}
    config = config_file(
        **changes, task={"name": "faulty", "kills": deadly_to_measure(experiment(tiny(**changes)))}
    )
    assert evoact("search", config, "-o", "run").returncode == 1
    assert not packs(tmp_path)
    resumed = evoact("resume", "run")
    assert resumed.returncode == 0, resumed.stderr
    assert (
        "expected a measurement of packs to end, got its process lost; they are of 8 networks"
        in resumed.stderr
    )
    search(experiment(tiny(**changes | {"packs": {"size": 8}})), tmp_path / "well")
    assert rows_of(tmp_path / "run", DIVISION) == rows_of(tmp_path / "well", DIVISION)


def kill_in_training(process, tmp_path):
    """Kill a process while its lock says that it trains a pack, as it does not between two."""
    while True:
        os.kill(process.pid, signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)
        if b'"training": "s' in (tmp_path / "run" / ".lock").read_bytes():
            process.kill()
            process.communicate()
            return
        os.kill(process.pid, signal.SIGCONT)


def test_a_killed_run_has_the_same_rows(config_file, tiny, tmp_path, rows_of):
    """Nobody is at fault: packs are trained apart all the same, to the same bits. It is killed and stopped again, and
    neither leaves a process."""
    config = config_file(**SLOWLY, budget__networks=200)
    process = begun(tmp_path, "search", config, "-o", "run")
    kill_in_training(process, tmp_path)
    process = begun(tmp_path, "resume", "run")
    assert len(processes(process.pid)) == 2
    kill_in_training(process, tmp_path)
    wait_for(partial(ended, process.pid))
    process = begun(tmp_path, "resume", "run")
    assert len(processes(process.pid)) == 2
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=240)
    assert process.returncode == 130, err
    assert ended(process.pid)
    assert len(told(tmp_path, "apart")) == 2
    assert not told(tmp_path, "fault")
    rows = rows_of(tmp_path / "run", DIVISION)
    well = tiny(budget__networks=200, confirm__candidates=0)
    search(experiment(well), tmp_path / "well")
    assert rows == rows_of(tmp_path / "well", DIVISION)[: len(rows)]


@pytest.fixture
def pack(tiny, tmp_path):
    """What trains apart, and two proposals."""
    made = experiment(tiny(packs={"size": 2, "timeout_seconds": 60.0}, **ALONE))
    train = Apart(Plan.of(made), False, Location.of(tmp_path), lambda event, **fields: None)
    yield train, Stages(made).ask(2)
    train.end()


def test_a_process_that_hangs_is_killed(pack, monkeypatch):
    """In code that no time limit in it interrupts: here it is stopped."""
    train, proposals = pack
    before = train("a", proposals)
    monkeypatch.setattr(module, "LATE_SECONDS", -235.0)  # 5 s for both
    os.kill(train.process.pid, signal.SIGSTOP)
    answer = train._answer("b", proposals)
    assert answer is None
    assert train.late == 5.0
    monkeypatch.undo()
    train.end()
    assert [r.state for r in before] == [r.state for r in train("b", proposals)] == ["completed"] * 2
    assert [r.val_metric for r in train("c", proposals)] == [r.val_metric for r in before]


def test_a_process_that_does_not_start(pack, monkeypatch):
    train, proposals = pack
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(
        SearchFailed, match="expected a process that trains packs to start, got one that ended"
    ):
        train("a", proposals)
