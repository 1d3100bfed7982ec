"""Requests to stop, also if code of others swallows the exception that they are."""

import signal
from contextlib import suppress

import pytest

from evoact.cli.terminal import stop_as_from_the_keyboard
from evoact.config import experiment
from evoact.execution.run import resume, search
from evoact.execution.running.stopping import check


@pytest.fixture
def as_a_command():
    before = signal.getsignal(signal.SIGTERM)
    stop_as_from_the_keyboard()
    yield
    signal.signal(signal.SIGTERM, before)


def swallows(*signals):
    """What a run tells of itself, which gets signals then, and swallows what they raise."""

    def observe(progress):
        if progress.done:
            with suppress(KeyboardInterrupt):
                for number in signals:
                    signal.raise_signal(number)
                pytest.fail("nothing was raised")

    return observe


@pytest.mark.parametrize("signals", [(signal.SIGINT, signal.SIGINT), (signal.SIGTERM,)])
def test_a_run_stops_whoever_swallows_the_exception(signals, as_a_command, tiny, tmp_path):
    finished = search(experiment(tiny()), tmp_path / "run", observe=swallows(*signals))
    assert (finished.complete, finished.networks) == (False, 4)  # a pack
    check()  # it is over
    assert resume(tmp_path / "run").complete


def test_one_that_is_stopped_before_it_begins_does_not(as_a_command, tiny, tmp_path):
    with suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
    finished = search(experiment(tiny()), tmp_path / "run")
    assert (finished.complete, finished.networks) == (False, 0)
    assert resume(tmp_path / "run").complete
