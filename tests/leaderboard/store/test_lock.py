"""One process at a time, whatever the file system."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest
from pyarrow import fs

from evoact.errors import UserError
from evoact.leaderboard.location import Location
from evoact.leaderboard.store import lock as module
from evoact.leaderboard.store.lock import LOCK, holder_of, lock

HOLDER = """
import sys, time
from evoact.leaderboard.store.lock import lock
with lock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path):
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        who = holder_of(tmp_path)
        assert who.pid == holder.pid
        assert time.time() - 60 < who.since < time.time()
        with pytest.raises(UserError) as error, lock(Location.of(tmp_path)):
            pass
        assert str(error.value) == (
            f"{tmp_path}: expected a run directory that no other process uses, got one in use by {who}; wait for it "
            "to end, end it to take the run over, or choose another directory with -o"
        )
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
    assert holder_of(tmp_path) is None
    with lock(tmp_path):
        assert holder_of(tmp_path).pid == os.getpid()
    assert holder_of(tmp_path) is None


TRAINING = """
import os, sys
from evoact.leaderboard.store.lock import lock
with lock(sys.argv[1]) as held:
    for pack in sys.argv[2:]:
        held.trains(pack)
    os._exit(1)
"""


@pytest.mark.parametrize(
    ("packs", "last"),
    [((), ""), (("a long name", "b"), "b"), (("a", ""), "")],
    ids=["none", "one", "between"],
)
def test_the_next_holder_knows_what_the_last_died_of(packs, last, tmp_path):
    assert subprocess.run([sys.executable, "-c", TRAINING, tmp_path, *packs]).returncode == 1
    with lock(tmp_path) as held:
        assert held.before.training == last
        assert holder_of(tmp_path).training == ""
        held.trains("c")
        assert holder_of(tmp_path).training == "c"
    with lock(tmp_path) as held:
        assert held.before is None  # it has ended well


def test_the_next_holder_knows_it_where_there_are_no_locks(store, monkeypatch):
    with lock(store) as held:
        held.trains("a")
        held.trains("")
        held.trains("b")  # not written: a request each would be too many
        gone = replace(holder_of(store), pid=2**22 + 1)  # as no process is called
    store.child(LOCK).write(module._text(gone).encode())
    with lock(store) as held:
        assert held.before.training == "a"


@pytest.mark.parametrize("answer", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL])
def test_a_file_system_without_locks_is_warned_of(answer, tmp_path, monkeypatch):
    def flock(file, how):
        raise OSError(answer, os.strerror(answer))

    monkeypatch.setattr(fcntl, "flock", flock)
    said = []
    with lock(tmp_path, said.append):
        assert holder_of(tmp_path).pid == os.getpid()
        in_use = pytest.raises(UserError, match=r"got one in use by process .* last seen 0 s ago")
        with in_use, lock(tmp_path, said.append):
            pass
    assert holder_of(tmp_path) is None
    [sentence] = set(said)
    assert f"expected a file system with locks, got one without ({os.strerror(answer)})" in sentence


@pytest.fixture
def store():
    """A file system without locks."""
    return Location(fs.SubTreeFileSystem("runs", fs._MockFileSystem()), "a", "memory")


def test_signs_of_life_where_there_are_no_locks(store, monkeypatch):
    monkeypatch.setattr(module, "BEAT_SECONDS", 0.01)
    with lock(store) as held:
        first = holder_of(store).seen
        while holder_of(store).seen == first:
            time.sleep(0.005)
        with (
            pytest.raises(UserError, match=r"in use by process .*wait 120 s to take the run over"),
            lock(store),
        ):
            pass
        held.check()
    assert not store.child(LOCK).exists()


def test_one_that_gave_no_sign_for_long_is_taken_over_and_hears_of_it(store, monkeypatch):
    monkeypatch.setattr(module, "BEAT_SECONDS", 0.01)
    with lock(store) as mine:
        theirs = replace(mine.holder, host="elsewhere", pid=7, seen=time.time() - 200)
        while mine.other is None:  # a beat may be just about to write
            store.child(LOCK).write(module._text(theirs).encode())
            time.sleep(0.02)
        with pytest.raises(UserError, match=r"got it taken over by process 7 of .* on elsewhere"):
            mine.check()
        assert holder_of(store) is None  # it gave no sign for 200 seconds
        with lock(store):
            assert holder_of(store).pid == os.getpid()


@pytest.mark.parametrize("ahead", [-3600.0, 3600.0])
def test_clocks_that_differ_by_an_hour(ahead, store, monkeypatch):
    """One that gives signs of life is not taken over, one that gives none is, whatever its clock says."""
    monkeypatch.setattr(module, "BEAT_SECONDS", 0.2)
    theirs, over = module.Holder("elsewhere", 7, "somebody", 0.0, 0.0), threading.Event()

    def beat():
        while not over.wait(0.05):
            store.child(LOCK).write(module._text(replace(theirs, seen=time.time() + ahead)).encode())

    beating = threading.Thread(target=beat)
    beating.start()
    while not store.child(LOCK).exists():
        time.sleep(0.01)
    with pytest.raises(UserError, match="in use by process 7 of somebody on elsewhere"), lock(store):
        pass
    over.set()
    beating.join()
    with lock(store):
        assert holder_of(store).pid == os.getpid()


@pytest.mark.parametrize("content", [b"", b"{}", b"nonsense", b"[1]", b"\xff"])
def test_a_lock_of_an_older_version(content, tmp_path):
    (tmp_path / LOCK).write_bytes(content)
    assert holder_of(tmp_path) is None
    with lock(tmp_path):
        pass
