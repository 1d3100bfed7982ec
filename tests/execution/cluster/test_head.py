"""A cluster whose head dies or does not answer for a while."""

import os
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

from evoact.execution.running.log import events
from evoact.leaderboard.location import Location
from tests.conftest import COMMAND, DIVISION, started, wait_for
from tests.execution.cluster.nodes import (
    ENVIRONMENT,
    SEARCH_ALONE,
    cluster,
    packs_of,
    processes_of,
)

pytestmark = [pytest.mark.ray, pytest.mark.slow]

# The command, with less patience than a user has.
IMPATIENT = (
    "import evoact.execution.cluster.head as head; head.LOST_SECONDS = 10.0; head.SILENT_SECONDS = 20.0;"
    "from evoact.cli.main import main; main()"
)


def begun(config, place, address):
    """A search in a process of its own that is at work."""
    process = started(
        [sys.executable, "-c", IMPATIENT, "search", config, "-o", "a run", "--address", address],
        place,
        env=os.environ | ENVIRONMENT,
        start_new_session=True,
    )
    wait_for(lambda: len(packs_of(place / "a run")) >= 2 or process.poll() is not None)
    assert process.poll() is None, process.communicate()
    return process


def test_a_killed_head_ends_the_run_with_one_sentence_and_another_cluster_goes_on(
    config_file, tmp_path, rows_of, alone
):
    changes = {**SEARCH_ALONE, "budget__networks": 48, "execution": {"backend": "ray_tune", "workers": 1}}
    config = config_file(**changes)
    with cluster() as here:
        address = here.address
        process = begun(config, tmp_path, address)
        here.head.kill()
        _, err = process.communicate(timeout=240)
    assert process.returncode == 1, err
    *progress, sentence = err.splitlines()
    assert all(line.startswith(("Searching ", "faulty: ", "  search ")) for line in progress), err
    assert sentence.startswith(
        f"expected the head of the Ray cluster at '{address}' to answer, got no connection for"
    )
    assert sentence.endswith("; continue with `evoact resume 'a run'`")
    assert not processes_of(process.pid)
    assert [*events(Location.of(tmp_path / "a run"))][-1]["event"] == "end"
    before = len(rows_of(tmp_path / "a run"))
    assert 8 <= before < 48
    with cluster() as here:
        command = [*COMMAND, "resume", "a run", "--address", here.address]
        again = subprocess.run(
            command, env=os.environ | ENVIRONMENT, cwd=tmp_path, capture_output=True, text=True, timeout=240
        )
    assert again.returncode == 0, again.stderr
    assert rows_of(tmp_path / "a run", DIVISION) == alone(**changes)


@pytest.mark.parametrize(("seconds", "ends"), [(5, False), (240, True)])
def test_a_head_that_does_not_answer(seconds, ends, config_file, tmp_path, rows_of):
    """For a moment, and the run goes on; for long, and it ends, though Ray would wait for ever."""
    changes = {**SEARCH_ALONE, "budget__networks": 32, "execution": {"backend": "ray_tune", "workers": 1}}
    with cluster() as here:
        address = here.address
        process = begun(config_file(**changes), tmp_path, address)
        here.head.signal(signal.SIGSTOP)
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=seconds)
        here.head.signal(signal.SIGCONT)
        _, err = process.communicate(timeout=240)
    if ends:
        assert process.returncode == 1
        assert f"expected the head of the Ray cluster at '{address}' to answer, got no answer for" in err
        assert "evoact resume" in err
    else:
        assert process.returncode == 0, err
        assert [r["proposal"] for r in rows_of(tmp_path / "a run")] == [*range(32)]
