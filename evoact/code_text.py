"""Somebody's code, known by its text: read, executed as a module of its own, and what it raises in a few words.

The text is all that runs: it travels in the config, so that a run goes on with the code with which it began, on any
machine.
"""

import hashlib
import linecache
import sys
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from evoact.errors import UserError, shortened

MOST_BYTES = 2**20


def digest(text: str) -> str:
    """Return the SHA-256 of a file's text.

    >>> digest("")[:8]
    'e3b0c442'
    """
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def beside_or_here(name: str, beside: Path) -> Path | None:
    """Return the file of this path relative to `beside`, else relative to here; None if there is neither."""
    for place in (beside / name, Path(name)):
        with suppress(OSError, ValueError):  # what no file can be called
            if place.is_file():
                return place
    return None


def read(file: str, beside: Path = Path()) -> str:
    """Return the text of a file, relative to `beside`, or to here if it is only here, as files of `--set` are.

    Raises:
        UserError: if it cannot be read, or is no text.
    """
    place = beside_or_here(file, beside) or beside / file
    try:
        if place.stat().st_size > MOST_BYTES:
            raise UserError(f"expected a Python file of at most {MOST_BYTES} bytes, got {str(place)!r}")
        return place.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise UserError(f"expected a Python file, got {str(place)!r}: {reason}") from None


@lru_cache(maxsize=64)
def executed(file: str, text: str) -> ModuleType:
    """Return the module that a text is, under a name of its own: classes in it are found by pickle, and its lines by
    tracebacks.

    Raises:
        UserError: for what it raises.
    """
    name = f"evoact_model_{digest(text)[:16]}"
    module = ModuleType(name)
    module.__file__ = file
    sys.modules[name] = module
    linecache.cache[file] = len(text), None, text.splitlines(keepends=True), file
    try:
        exec(compile(text, file, "exec"), module.__dict__)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, KeyboardInterrupt):
            raise
        raise UserError(
            f"expected {Path(file).name} to be importable, got {said(error, file)}; it may import installed packages, "
            "not files beside it"
        ) from None
    return module


def said(error: BaseException, file: str = "") -> str:
    """Return an error of somebody's code in a few words, and the last line of the file that is to blame."""
    lines = str(error).strip().splitlines()
    text = f"{type(error).__name__}: {shortened(lines[0], 200)}" if lines else type(error).__name__
    at, frame = 0, error.__traceback__
    while file and frame is not None:
        at = frame.tb_lineno if frame.tb_frame.f_code.co_filename == file else at
        frame = frame.tb_next
    if isinstance(error, SyntaxError):
        at = error.lineno or 0
    return f"{text} (line {at})" if at else text
