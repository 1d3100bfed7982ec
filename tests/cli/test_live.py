"""The ranking of a running search, on a terminal."""

import json
import os
import pty
import select
import subprocess
import time

import pytest

from evoact.cli.main import main
from evoact.config import experiment
from evoact.execution.run import search


@pytest.fixture
def running(tiny, tmp_path):
    """A run directory that looks as if its search went on."""
    search(experiment(tiny(training__steps=2, confirm__candidates=0)), tmp_path / "run")
    record = tmp_path / "run" / "run.json"
    finished = json.loads(record.read_text())
    record.write_text(json.dumps(finished | {"finished_at": None}))
    return tmp_path / "run", lambda: record.write_text(json.dumps(finished))


def test_it_is_shown_again_until_the_run_ends(running, command):
    run_dir, finish = running
    ours, theirs = pty.openpty()
    shown = subprocess.Popen(
        [*command, "leaderboard", run_dir, "--live", "--top", "3"], stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    text, end = b"", time.monotonic() + 120
    try:
        while time.monotonic() < end:
            if select.select([ours], [], [], 0.2)[0]:
                try:
                    text += os.read(ours, 1 << 16)
                except OSError:  # the other side has closed
                    break
            if text.count(b"22 networks, ") == 2:
                finish()
        assert shown.wait(timeout=60) == 0
    finally:
        shown.kill()
        shown.wait()
        os.close(ours)
    assert text.count(b"22 networks, ") >= 3
    last = text.rsplit(b"\x1b[?1049l", 1)[1].decode()  # what stands there when the screen of its own is gone
    assert "rank" in last
    assert len([line for line in last.splitlines() if line.strip()[:1].isdigit()]) >= 3


@pytest.mark.parametrize("more", [[], ["--sql", "SELECT 1"], ["--format", "csv"]])
def test_only_on_a_terminal_and_alone(running, more, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["leaderboard", str(running[0]), "--live", *more])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("expected --live alone and on a terminal")
