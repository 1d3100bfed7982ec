"""Who uses a run: one process at a time, on file systems with locks and on those without.

The file `.lock` says who it is and since when. On a file system with locks the system holds it, and releases it when
the process dies. On others, object stores among them, its holder writes it anew every few seconds: one that has not
for long is taken for dead, and a holder that finds another's name in it has been taken over and ends. It says, too,
which pack its holder trains: what is left of one that died tells the next whether it died of that.
"""

import errno
import fcntl
import getpass
import json
import os
import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from evoact.errors import UserError
from evoact.leaderboard.location import Location

LOCK = ".lock"
MEASURING = "a measurement"  # instead of a pack: what is measured before the first
BEAT_SECONDS = 15.0  # between two signs of life, on a file system without locks
STALE_SECONDS = 120.0  # without a sign, after which a holder there is taken for dead
# A look at who holds a lock takes it for a moment.
_TRIES, _PAUSE_SECONDS = 5, 0.1
_LENGTH = 1024  # of what a lock says, which is padded to it
_TAKEN = (errno.EWOULDBLOCK, errno.EACCES)


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that uses a run; `since` and `seen`, its last sign of life, in seconds since 1970; `training`, a pack
    that it trains itself, or `MEASURING`, if it does."""

    host: str
    pid: int
    user: str
    since: float
    seen: float
    training: str = ""

    def __str__(self) -> str:
        since = datetime.fromtimestamp(self.since, UTC).isoformat(" ", "seconds").removesuffix("+00:00")
        return f"process {self.pid} of {self.user} on {self.host}, since {since} UTC"


class Held:
    """A lock that this process holds, unless another has taken it over since: then `check` raises."""

    def __init__(self, place: Location, holder: Holder):
        self.place, self.holder = place, holder
        self.other: Holder | None = None  # who has taken it over
        self.before: Holder | None = None  # who held it last, and died
        self.file: TextIO | None = None  # on a file system with locks

    def trains(self, pack: str) -> None:
        """Say which pack this process trains from now on, or that it is `MEASURING`; neither if it is empty."""
        if self.file is not None:
            self.holder = replace(self.holder, training=pack)
            _say(self.file, self.holder)
        elif pack and self.holder.training in ("", MEASURING):  # once: each writing is a request
            self.holder = replace(self.holder, training=pack)
            with suppress(OSError):  # the next sign of life says it
                self.place.child(LOCK).write(_text(self.holder).encode())

    def check(self) -> None:
        """Raise if another process has taken the run over.

        Raises:
            UserError: naming that process.
        """
        if self.other is not None:
            raise UserError(
                f"{self.place.text}: expected to be the only process that uses this run, got it taken over by "
                f"{self.other}; leave it to that"
            )

    def beat(self, over: threading.Event) -> None:
        """Show that this process lives until `over` is set, or another name is found."""
        file = self.place.child(LOCK)
        while not over.wait(BEAT_SECONDS):
            with suppress(OSError):  # a store out of reach for a while
                found = _read(file)
                if found is not None and _key(found) != _key(self.holder):
                    self.other = found
                    return
                self.holder = replace(self.holder, seen=time.time())
                file.write(_text(self.holder).encode())


@contextmanager
def lock(run_dir: str | Path | Location, report: Callable[[str], None] = warnings.warn) -> Iterator[Held]:
    """Hold a run directory against other processes.

    Args:
        run_dir: the directory, or a URI of one
        report: called with a sentence about a disk without locks

    Raises:
        UserError: if another process, or this one, already uses the run.
    """
    place = Location.of(run_dir)
    now = time.time()
    held = Held(place, Holder(socket.gethostname(), os.getpid(), _user(), now, now))
    if place.local is None:
        with _by_signs_of_life(held):
            yield held
        return
    with _taken(place, place.local / LOCK) as (file, problem):
        if problem is not None:
            report(
                f"{place.text}: expected a file system with locks, got one without ({problem}), so {LOCK} alone says "
                "that this process uses the run; do not start another one there at the same moment"
            )
            with _by_signs_of_life(held):
                yield held
            return
        held.before, held.file = _read(place.child(LOCK)), file
        file.truncate(0)
        _say(file, held.holder)
        try:
            yield held
        finally:
            with suppress(OSError):  # of a disk that is broken: the system releases the lock all the same
                file.truncate(0)
                if os.listdir(place.local) == [LOCK]:  # nothing came of it
                    os.unlink(place.local / LOCK)


def _opened(place: Location, path: Path) -> TextIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+")
    except OSError as error:
        raise UserError(
            f"{place.text}: expected a run directory that can be written to, got one where {LOCK} cannot be opened "
            f"({error.strerror}); make it writable, or choose another with -o"
        ) from None


def holder_of(run_dir: str | Path | Location) -> Holder | None:
    """Return the process that uses a run now, as far as can be told; None if none does."""
    place = Location.of(run_dir)
    found = _read(place.child(LOCK))
    if place.local is not None:
        with suppress(OSError), (place.local / LOCK).open("r") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in _TAKEN:
                    return found or Holder("an unknown host", 0, "an unknown user", 0.0, 0.0)
            else:
                return None
    return found if found is not None and _alive(found) else None


@contextmanager
def _taken(place: Location, path: Path) -> Iterator[tuple[TextIO, str | None]]:
    """Hold the system's lock on a file, again if its last holder deletes that meanwhile; with why there is none if the
    file system has none."""
    while True:
        with _opened(place, path) as file:
            problem = _flock(place, file)
            if problem is None and not _is_at(file, path):
                continue
            yield file, problem
            return


def _is_at(file: TextIO, path: Path) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    return False


def _flock(place: Location, file: TextIO) -> str | None:
    """Take the system's lock; return why there is none if the file system has none.

    Raises:
        UserError: if another process holds it.
    """
    for attempt in range(_TRIES):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return None
        except OSError as error:
            if error.errno not in _TAKEN:
                return str(error.strerror)
        if attempt < _TRIES - 1:
            time.sleep(_PAUSE_SECONDS)
    who = _read(place.child(LOCK))
    raise UserError(
        f"{place.text}: expected a run directory that no other process uses, got one in use by "
        f"{who or 'a process of an older version'}; wait for it to end, end it to take the run over, or "
        "choose another directory with -o"
    )


@contextmanager
def _by_signs_of_life(held: Held) -> Iterator[None]:
    file, over = held.place.child(LOCK), threading.Event()
    found = _read(file)
    if found is not None and (_alive(found) or _beats(file, found)):
        raise UserError(
            f"{held.place.text}: expected a run directory that no other process uses, got one in use by {found}, last "
            f"seen {max(0, time.time() - found.seen):.0f} s ago; wait for it to end, or end it and wait "
            f"{STALE_SECONDS:.0f} s to take the run over"
        )
    held.before = found
    file.write(_text(held.holder).encode())
    beating = threading.Thread(target=held.beat, args=(over,), name="signs of life", daemon=True)
    beating.start()
    try:
        yield
    finally:
        over.set()
        beating.join()
        if held.other is None:
            with suppress(OSError):
                file.delete()


def _beats(file: Location, found: Holder) -> bool:
    """Whether a holder shows that it lives while this process looks: by the clocks of two machines alone, one of which
    was set, it might be taken for dead, or for living long after its end."""
    if _gone(found):
        return False
    end = time.monotonic() + 2 * BEAT_SECONDS + _PAUSE_SECONDS
    while time.monotonic() < end:
        time.sleep(min(1.0, BEAT_SECONDS / 4))
        if (now := _read(file)) != found:
            return now is not None
    return False


def _alive(holder: Holder) -> bool:
    """Whether a holder lives, as its last sign tells, and on this machine the system."""
    return not _gone(holder) and abs(time.time() - holder.seen) < STALE_SECONDS


def _gone(holder: Holder) -> bool:
    """Whether a holder was a process of this machine that is no more."""
    if holder.host == socket.gethostname():
        try:
            os.kill(holder.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass
    return False


def _key(holder: Holder) -> tuple[str, int, float]:
    return holder.host, holder.pid, holder.since


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return f"user {os.getuid()}"


def _text(holder: Holder) -> str:
    return json.dumps(asdict(holder))


def _say(file: TextIO, holder: Holder) -> None:
    """Write who holds a lock over what is there, at once, so that whoever looks meanwhile reads either."""
    os.pwrite(file.fileno(), _text(holder).ljust(_LENGTH).encode(), 0)


def _read(file: Location) -> Holder | None:
    """What a lock says; None if there is none, or it is of an older version."""
    try:
        told = json.loads(file.read(4096))
        return Holder(
            str(told["host"]),
            int(told["pid"]),
            str(told["user"]),
            float(told["since"]),
            float(told["seen"]),
            str(told.get("training", "")),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
