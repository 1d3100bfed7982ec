"""A tracker in a thread: told everything in order, and no matter of the run whatever it does."""

import time

import pytest

from evoact.trackers import follower
from evoact.trackers.follower import Follower
from tests.trackers.examples import ENDED, points


class Recorder:
    """Keeps what it is told, and does worse if it is asked to."""

    run = "mine"

    def __init__(self, fails_at: int = 0, seconds: float = 0.0):
        self.fails_at, self.seconds = fails_at, seconds
        self.steps: list[int] = []
        self.ended = None

    def observe(self, points):
        time.sleep(self.seconds)
        if self.fails_at in {p.step for p in points}:
            raise RuntimeError("the server said no\nat line 3")
        self.steps += [p.step for p in points]

    def end(self, ended):
        self.ended = ended


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(follower, "PAUSE_SECONDS", 0.001)


def test_all_is_told_in_order_and_counted(monkeypatch):
    monkeypatch.setattr(follower, "TOGETHER", 2)
    tracker = Recorder()
    thread = Follower(lambda: tracker, told=3)
    for start in range(4, 100, 5):
        thread.tell(points(start, start + 5))
    thread.end(ENDED)
    assert tracker.steps == list(range(4, 104))
    assert (thread.told, thread.run, thread.problem) == (103, "mine", "")
    assert tracker.ended is ENDED


def test_what_it_raises_is_a_sentence_and_it_is_told_no_more():
    tracker = Recorder(fails_at=3)
    thread = Follower(lambda: tracker)
    thread.tell(points(1, 3))
    while thread.told < 2:
        time.sleep(0.001)
    thread.tell(points(3, 5))
    thread.end(ENDED)
    assert thread.problem == "RuntimeError: the server said no"
    assert (thread.told, tracker.ended) == (2, None)


def test_one_that_cannot_be_opened_is_lost():
    def refuse():
        raise ConnectionError("connection refused")

    thread = Follower(refuse)
    thread.end(ENDED)
    assert (thread.run, thread.problem) == ("", "ConnectionError: connection refused")


def test_one_that_does_not_answer_is_left_alone(monkeypatch):
    monkeypatch.setattr(follower, "LAST_SECONDS", 0.2)
    tracker = Recorder(seconds=30.0)
    thread = Follower(lambda: tracker)
    thread.tell(points(1, 3))
    thread.end(ENDED)
    assert not tracker.steps
    assert thread.problem == "no answer in 0.2 seconds"


def test_one_that_is_slow_but_moves_is_waited_for(monkeypatch):
    monkeypatch.setattr(follower, "LAST_SECONDS", 0.5)
    monkeypatch.setattr(follower, "TOGETHER", 1)
    thread = Follower(lambda: Recorder(seconds=0.1))
    thread.tell(points(1, 11))
    thread.end(ENDED)
    assert (thread.told, thread.problem) == (10, "")
