"""A log that is damaged anywhere: it tells less, and costs neither status, nor report, nor resume."""

import random
import re
import shutil
import threading
from pathlib import Path

import pytest

from evoact.config import experiment
from evoact.execution.run import resume, search
from evoact.execution.running import log as module
from evoact.execution.running.log import Log, events
from evoact.execution.running.status import status_of
from evoact.leaderboard.location import Location
from evoact.report.markdown import markdown
from evoact.report.run import read_run
from tests.conftest import DIVISION


@pytest.fixture(scope="module")
def stopped(tiny, tmp_path_factory, rows_of):
    """A run that stopped in its search, the rows that it will have, and its log, which is some kilobytes long."""
    made, place = experiment(tiny(budget__networks=40, packs__size=2)), tmp_path_factory.mktemp("log")

    def observe(progress):
        if progress.done >= 30:
            raise KeyboardInterrupt

    search(made, place / "run", observe=observe)
    search(made, place / "whole")
    return place / "run", rows_of(place / "whole", DIVISION), (place / "run" / "log.jsonl").read_bytes()


def test_a_log_cut_anywhere_or_with_other_bits_tells_less(stopped):
    run, _, log = stopped
    draw, phases = random.Random(0), status_of(run).phases
    assert len(log) > 4096
    damaged = [log[:n] for n in range(0, len(log), 1024)]
    for _ in range(300):
        content = bytearray(log)
        for _ in range(draw.randint(1, 20)):
            content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        damaged.append(bytes(content))
    try:
        for content in damaged:
            (run / "log.jsonl").write_bytes(content)
            found = status_of(run)
            assert found.state == "stopped"
            if not content:
                assert found.phases["search"]["done"] == phases["search"]["done"]
    finally:
        (run / "log.jsonl").write_bytes(log)


@pytest.fixture
def store(monkeypatch):
    """A log where nothing can be appended to, the sentences about it, and an event without which nothing is written."""
    home, answers, write = Location.of("mock:///runs/a"), threading.Event(), Location.write

    def written(place, content):
        answers.wait()
        write(place, content)

    for name in ("FLUSH_SECONDS", "SILENT_SECONDS", "CLOSE_SECONDS"):
        monkeypatch.setattr(module, name, -1.0 if name != "CLOSE_SECONDS" else 0.01)
    monkeypatch.setattr(Location, "write", written)
    log, said = Log(home), []
    log.say = said.append
    yield log, said, answers
    answers.set()


def test_a_silent_store_stops_nothing_and_loses_nothing(store, monkeypatch):
    log, said, answers = store
    for number in range(5):
        log.note("pack", number=number)
    assert len(said) == 1
    assert said[0].startswith("the log waits for mock:///runs/a: no answer for 0 s")
    answers.set()
    monkeypatch.setattr(module, "CLOSE_SECONDS", 240.0)
    log.close()
    found = [*events(log._home)]
    assert [event["number"] for event in found if event["event"] == "pack"] == [*range(5)]
    assert [event["what"] for event in found if event["event"] == "fault"] == ["store out of reach"]
    assert len(said) == 1


@pytest.mark.parametrize("how", ["silent", "refuses"])
def test_lines_that_are_lost_are_said(how, store, monkeypatch):
    log, said, _ = store
    if how == "refuses":
        monkeypatch.setattr(Location, "write", lambda place, content: Path("/dev/full/nothing").touch())
        monkeypatch.setattr(module, "CLOSE_SECONDS", 240.0)
    log.note("pack")
    log.close()
    problem = "no answer" if how == "silent" else ".*Not a directory.*"
    assert re.fullmatch(
        f"expected mock:///runs/a to take the last lines of the log, got {problem}; they are lost", said[-1]
    )


DAMAGE = {
    "half": lambda log: log[: len(log) // 2],
    "torn": lambda log: log[:-2],
    "first": lambda log: b"\xff" + log[1:],
}


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_run_with_a_damaged_log_is_shown_and_resumed(damage, stopped, tmp_path, rows_of):
    source, whole, log = stopped
    run = tmp_path / "run"
    shutil.copytree(source, run)
    content = damage(log)
    (run / "log.jsonl").write_bytes(content)
    assert "## " in markdown(read_run(run))
    assert resume(run).complete
    assert rows_of(run, DIVISION) == whole
    assert status_of(run).state == "finished"
    # What was torn costs itself alone.
    assert [e["event"] for e in events(Location.of(run))].count("begin") == 1 + content.startswith(b"{")
