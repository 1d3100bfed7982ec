"""A log that is damaged anywhere: it tells less, and costs neither status, nor report, nor resume."""

import random
import shutil

import pytest

from evoact.config import experiment
from evoact.execution.run import resume, search
from evoact.execution.running.log import events
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
