"""The log of a run survives a store that is out of reach for a while."""

import pytest

from evoact.execution.running.log import FLUSH_SECONDS, Log, events
from evoact.leaderboard.location import Location


@pytest.fixture
def home(tmp_path):
    return Location.of(tmp_path)


def noted(home):
    return [event["number"] for event in events(home)]


def test_lines_are_appended_by_the_next_process(home):
    for number in (1, 2):
        log = Log(home)
        log.note("pack", number=number)
        log.close()
    assert noted(home) == [1, 2]


def test_a_file_that_cannot_be_opened_at_first_is_not_written_anew(home, monkeypatch):
    before = Log(home)
    before.note("pack", number=1)
    before.close()
    log, begin = Log(home), Log._begin

    def out_of_reach(log):
        raise OSError("out of reach")

    monkeypatch.setattr(Log, "_begin", out_of_reach)
    log.note("pack", number=2)
    monkeypatch.setattr(Log, "_begin", begin)
    log.note("pack", number=3)
    log.close()
    assert noted(home) == [1, 2, 3]


def test_a_store_without_appending_keeps_earlier_lines(home, monkeypatch):
    """Where nothing can be appended to, the newest file is read first; a failure of that loses nothing."""
    monkeypatch.setattr(Location, "local", None)
    before = Log(home)
    before.note("pack", number=1)
    before.close()
    log, read = Log(home), Location.read
    log._flushed -= 2 * FLUSH_SECONDS  # due at once

    def out_of_reach(place, *arguments):
        raise OSError("out of reach")

    monkeypatch.setattr(Location, "read", out_of_reach)
    log.note("pack", number=2)
    monkeypatch.setattr(Location, "read", read)
    log.note("pack", number=3)
    log.close()
    assert noted(home) == [1, 2, 3]
