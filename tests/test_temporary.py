"""Temporary directories of processes that live, and of those that were killed."""

import subprocess
import sys
import tempfile

import pytest

from evoact.temporary import Temporary

HOLDER = """
import time
from evoact.temporary import Temporary
held = Temporary("test")
print(held.place, flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def own(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))


def test_what_a_killed_process_left_is_removed(tmp_path):
    other = tmp_path / "evoact-test-of-an-older-version"  # whose process nobody knows
    other.mkdir()
    with subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True) as holder:
        theirs = tmp_path / holder.stdout.readline().strip()
        mine = Temporary("test")
        assert {*tmp_path.iterdir()} == {theirs, mine.place, other}  # both live
        holder.kill()
    elsewhere = Temporary("another")
    assert theirs.exists()
    again = Temporary("test")
    assert {*tmp_path.iterdir()} == {mine.place, again.place, elsewhere.place, other}
    for one in (mine, again, elsewhere):
        one.remove()
    assert [*tmp_path.iterdir()] == [other]
