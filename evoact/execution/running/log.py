"""The log of a run: JSON lines in its directory, one for each pack and one for each fault.

Every line has `at` (UTC), `event` and `sum`, a checksum: one that is damaged is left out. The driver alone writes it.
On a local disk lines are appended to `log.jsonl`. Where nothing can be appended to, the newest file, of a few megabytes
at most, is written anew now and then, and the lines since are lost with the driver: the leaderboard is what lasts.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO
from zlib import crc32

from evoact.leaderboard.location import Location

# What lines are of: the start and end of a process that carries out the run, a pack that is back, what went wrong.
BEGIN, END, PACK, FAULT = "begin", "end", "pack", "fault"
FIRST = "log.jsonl"
_SUM, _END = ', "sum": "', '"}'  # around the CRC-32 of a line as it is without it
FLUSH_SECONDS = 30.0
SILENT_SECONDS = 30.0  # in which an object store answers, or is said to be waited for
CLOSE_SECONDS = 10.0  # that its answer to the last lines is waited for
MOST_BYTES = 4_000_000  # of a file that is written anew, before the next one begins
TAIL_BYTES = 400_000  # read of a long log to say where a run stands


class Log:
    """Writes the log of one run; it costs a run nothing but a moment if it cannot.

    On other file systems than this machine's a thread writes, because a request to an object store has no time limit on
    Linux: while one is not answered packs go on and lines are kept.
    """

    def __init__(self, home: Location):
        # Called with a sentence about a store that is silent.
        self.say: Callable[[str], None] = lambda text: None
        self._home = home
        self._file: TextIO | None = None
        self._lines: list[str] = []
        self._number, self._flushed, self._begun = 0, time.monotonic(), False
        self._writing: threading.Thread | None = None
        self._since = 0.0  # when that began
        self._silent, self._problem = "", ""

    def note(self, event: str, **fields: Any) -> None:
        """Write one line."""
        self._lines.append(_line(event, **fields))
        if self._home.local is not None:
            self._append(self._home.local / FIRST)
        elif self._is_free() and time.monotonic() - self._flushed > FLUSH_SECONDS:
            self._write()

    def close(self) -> None:
        """Write what has not been; a store that does not answer is waited for a few seconds."""
        if self._home.local is not None:
            with suppress(OSError):
                if self._file is not None:
                    self._file.close()
            return
        if self._writing is not None:
            self._writing.join(CLOSE_SECONDS)
        self._is_free()
        writing = self._write()  # by another connection than one that hangs
        writing.join(CLOSE_SECONDS)
        if problem := "no answer" if writing.is_alive() else self._problem:
            self.say(
                f"expected {self._home.text} to take the last lines of the log, got {problem}; they are lost"
            )

    def _append(self, file: Path) -> None:
        with suppress(OSError):  # tried again with the next line
            if self._file is None:
                self._file = file.open("a", encoding="utf-8")
                if _torn(file):
                    self._file.write("\n")
            lines, self._lines = self._lines, []
            self._file.writelines(lines)
            self._file.flush()

    def _is_free(self) -> bool:
        """Whether nothing is being written; what takes long is said once, and noted when it is over."""
        if self._writing is not None and self._writing.is_alive():
            seconds = time.monotonic() - self._since
            if seconds > SILENT_SECONDS:
                if not self._silent:
                    self.say(
                        f"the log waits for {self._home.text}: no answer for {seconds:.0f} s; packs go on"
                    )
                self._silent = f"the log: no answer for {seconds:.0f} s"
            return False
        reason, self._silent = self._silent, ""
        if reason:
            self._lines.append(_line(FAULT, what="store out of reach", reason=reason))
        return True

    def _write(self) -> threading.Thread:
        self._since = time.monotonic()
        self._writing = threading.Thread(target=self._save, name="writing the log", daemon=True)
        self._writing.start()
        return self._writing

    def _save(self) -> None:
        """Write the newest file, which is tried again with the next line if it cannot be."""
        try:
            if not self._begun:
                self._continue()
            lines, file = [*self._lines], self._home.child(_name(self._number))
            file.write("".join(lines).encode())
        except OSError as error:
            self._problem = str(error).splitlines()[0][:200]
            return
        if threading.current_thread() is self._writing:  # not one that was waited for in vain
            self._flushed, self._problem = time.monotonic(), ""
            if _full(lines):
                self._number += 1
                del self._lines[: len(lines)]

    def _continue(self) -> None:
        """Go on with the newest file, if it is small enough."""
        names, earlier = _names(self._home), list[str]()
        if names:
            earlier = self._home.child(names[-1]).read().decode(errors="replace").splitlines(keepends=True)
        if self._begun:  # by a thread that was not waited for in vain, as this one was
            return
        self._begun, self._number = True, max(0, len(names) - 1)
        if _full(earlier):
            self._number += 1
        else:
            self._lines[:0] = earlier  # at once: lines are added meanwhile


def _line(event: str, **fields: Any) -> str:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    text = json.dumps({"at": now, "event": event, **fields}, ensure_ascii=False, default=str)
    return f"{text[:-1]}{_SUM}{crc32(text.encode()):08x}{_END}\n"


def _full(lines: Sequence[str]) -> bool:
    return sum(map(len, lines)) > MOST_BYTES


def events(home: Location, most: int | None = None, only: str = "") -> Iterator[dict[str, Any]]:
    """Yield the lines of a run's log in order, without torn and damaged ones.

    Args:
        home: the run directory
        most: take the last so many bytes of each file alone
        only: the event whose lines are wanted, if not all are: the others are not even parsed
    """
    mark = json.dumps({"event": only})[1:-1].encode() if only else b""
    for name in _names(home):
        file, start = home.child(name), 0
        size = file.filesystem.get_file_info(file.path).size
        if most is not None:
            start = max(0, size - most)
        with file.filesystem.open_input_file(file.path) as stream:
            stream.seek(start)
            content: bytes = stream.read()
        summed = _SUM.encode() in content
        for line in content.split(b"\n")[1 if start else 0 :]:
            if mark not in line:
                continue
            with suppress(ValueError):
                event = json.loads(_checked(line) if summed else line)
                if isinstance(event, dict) and isinstance(event.get("event"), str):
                    yield event


def _checked(line: bytes) -> bytes:
    """Return what was noted, without its checksum.

    Raises:
        ValueError: if something else is there now.
    """
    text, _, end = line.rpartition(_SUM.encode())
    text += b"}"
    if end != f"{crc32(text):08x}{_END}".encode():
        raise ValueError("another checksum")
    return text


def _torn(file: Path) -> bool:
    """Return whether the last line of a file has no end, because its process was killed meanwhile."""
    with file.open("rb") as content:
        size = content.seek(0, os.SEEK_END)
        content.seek(max(0, size - 1))
        return size > 0 and content.read() != b"\n"


def _name(number: int) -> str:
    return FIRST if number == 0 else f"log-{number:05}.jsonl"


def is_log(name: str) -> bool:
    """Return whether a file of this name in a run directory is one of its log.

    >>> is_log("log.jsonl"), is_log("log-00001.jsonl"), is_log("notes.jsonl")
    (True, True, False)
    """
    return name == FIRST or (name.startswith("log-") and name.endswith(".jsonl"))


def _names(home: Location) -> list[str]:
    """The files of a log, the oldest first."""
    return sorted(
        filter(is_log, home.names(".jsonl")),
        key=lambda name: (name != FIRST, name),
    )
