"""Where a run stands, its log, and what its owner asks of it."""

import json
import os
import re

import pytest

from evoact.config import experiment
from evoact.errors import UserError
from evoact.execution.run import resume, search
from evoact.execution.running.log import FAULT, PACK, Log, events
from evoact.execution.running.status import status_of
from evoact.leaderboard.location import Location
from evoact.leaderboard.run_files import write_record


@pytest.fixture(scope="module")
def run(tiny, tmp_path_factory):
    """A finished run, and what was said of it in its search."""
    place = tmp_path_factory.mktemp("status") / "run"
    said = []

    def observe(progress):
        if progress.phase == "search" and progress.done:
            said.append(status_of(place))

    search(
        experiment(tiny(task={"name": "faulty", "raises": 0.2}, training__steps=3)), place, observe=observe
    )
    return place, said


def test_of_a_run_that_runs(run):
    s = run[1][0]
    assert (s.state, s.phase, s.workers) == ("running", "search", 1)
    assert s.phases["search"] == {"done": 4, "planned": 16}
    assert s.phases["baseline"]["done"] == s.phases["baseline"]["planned"] > 0
    assert s.held_by["pid"] == os.getpid()
    assert 0 < s.utilisation <= 1
    assert s.queue_wait_seconds == {"median": 0.0, "largest": 0.0}
    assert s.seconds_left > 0
    assert s.cost["cpu_hours"] > 0


def test_of_a_finished_run(run, rows_of):
    s, rows = status_of(run[0]), rows_of(run[0])
    failed = [row for row in rows if row["state"] == "failed"]
    assert (s.state, s.workers, s.seconds_left, s.held_by) == ("finished", None, None, None)
    assert sum(counts["done"] for counts in s.phases.values()) == len(rows)
    assert s.failures == {"failed": len(failed)} != {"failed": 0}
    causes = {row["error"] for row in failed}
    assert {cause["error"] for cause in s.causes} <= causes
    assert len(s.causes) == min(5, len(causes))
    assert s.cost["gradient_examples"] == sum(row["gradient_examples"] for row in rows)


def test_the_log_has_a_line_for_each_pack(run, rows_of):
    lines = [*events(Location.of(run[0]))]
    packs = {row["pack"]: row["pack_size"] for row in rows_of(run[0])}
    assert {e["pack"]: e["networks"] for e in lines if e["event"] == PACK} == packs
    assert [e["event"] for e in lines if e["event"] != PACK] == ["begin", "end"]
    assert lines[-1]["complete"] is True


def test_the_command(run, evoact):
    shown = evoact("status", run[0])
    assert shown.returncode == 0, shown.stderr
    assert re.search(r"^run +run, finished$", shown.stdout, re.M)
    assert re.search(r"^failures +\d+ failed$", shown.stdout, re.M)
    assert json.loads(evoact("status", run[0], "--format", "json").stdout)["state"] == "finished"
    nothing = evoact("status", run[0].parent)
    assert nothing.returncode == 2
    assert nothing.stderr.startswith("expected a run directory, got")


def test_where_nothing_can_be_appended_to(monkeypatch):
    monkeypatch.setattr("evoact.execution.running.log.MOST_BYTES", 500)
    home = Location.of("mock:///runs/a")
    for turn in range(3):
        log = Log(home)
        for i in range(5):
            log.note(FAULT, number=5 * turn + i)
        log.close()
    assert [event["number"] for event in events(home)] == list(range(15))
    assert 1 < len(home.names(".jsonl")) < 6


def test_a_torn_log(tmp_path):
    (tmp_path / "log.jsonl").write_bytes(
        b'{"event": "pack"}\n{"event": "pa\xff\n[1]\n{"event": "fault"}\n{"eve'
    )
    assert [event["event"] for event in events(Location.of(tmp_path))] == ["pack", "fault"]
    assert [event["event"] for event in events(Location.of(tmp_path), 30)] == ["fault"]
    assert [event["event"] for event in events(Location.of(tmp_path), only="pack")] == ["pack"]


@pytest.fixture
def stopped(tiny, tmp_path):
    """A run that stopped in its search, after eight networks."""

    def observe(progress):
        if progress.phase == "search" and progress.done == 8:
            raise KeyboardInterrupt

    search(experiment(tiny(training__steps=3)), tmp_path / "run", observe=observe)
    return tmp_path / "run"


def test_of_a_stopped_run(stopped, evoact):
    s = status_of(stopped)
    assert (s.state, s.phase, s.held_by) == ("stopped", "search", None)
    assert "`evoact resume" in evoact("status", stopped).stdout
    home = Location.of(stopped)
    (stopped / "log.jsonl").unlink()  # of an older version
    assert status_of(stopped).phases["search"]["done"] == 8
    write_record(home, {})
    with pytest.raises(UserError, match="expected the record that the search wrote"):
        status_of(stopped)


def test_resumed_runs_go_on_with_their_log(stopped):
    before = len([*events(Location.of(stopped))])
    resume(stopped)
    lines = [*events(Location.of(stopped))]
    assert lines[before]["event"] == "begin"
    assert lines[before]["stored"] == sum(e["networks"] for e in lines[:before] if e["event"] == PACK)
    spent = [e["spent"] for e in lines if e["event"] == PACK]
    assert spent == sorted(spent)
