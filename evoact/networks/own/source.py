"""The code that makes a network: a function in a file of Python, known by the file's text.

The text is all that runs: it travels in the config, so that a run goes on with the code with which it began, on any
machine.
"""

import hashlib
import inspect
import linecache
import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from evoact.errors import UserError, short, shortened
from evoact.registry import unknown

MOST_BYTES = 2**20


def digest(text: str) -> str:
    """Return the SHA-256 of a file's text.

    >>> digest("")[:8]
    'e3b0c442'
    """
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def read(place: Path) -> str:
    """Return the text of a file.

    Raises:
        UserError: if it cannot be read, or is no text.
    """
    try:
        if place.stat().st_size > MOST_BYTES:
            raise UserError(f"expected a Python file of at most {MOST_BYTES} bytes, got {str(place)!r}")
        return place.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise UserError(f"expected a Python file, got {str(place)!r}: {reason}") from None


def build_function(file: str, text: str, name: str) -> Callable[..., Any]:
    """Return the function of this name in a file's text, which this executes.

    Raises:
        UserError: if the code raises, or has no such function.
    """
    module = _executed(file, text)
    known = [n for n, value in vars(module).items() if callable(value) and not n.startswith("_")]
    found = getattr(module, name, None) if isinstance(name, str) else None
    if not callable(found):
        own = [n for n in known if getattr(vars(module)[n], "__module__", "") == module.__name__]
        raise UserError(f"network.build: {unknown(f'function of {Path(file).name}', name, own)}")
    return found


@lru_cache(maxsize=16)
def _executed(file: str, text: str) -> ModuleType:
    """Return the module that a text is, under a name of its own: classes in it are found by pickle, and its lines by
    tracebacks."""
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


def source_text(code: Any) -> str:
    """Return the text of a function or class; empty if nobody knows it, as of what was typed at a prompt."""
    try:
        return inspect.getsource(code)
    except (OSError, TypeError):
        return ""


def built_module(
    build: Callable[..., Any],
    seed: int,
    shapes: Mapping[str, Any],
    arguments: Mapping[str, Any],
    file: str = "",
) -> nn.Module:
    """Return the module that a function builds when all global generators start from a seed, and are then as before.

    Args:
        build: called with `arguments`, and with those of `shapes` that it takes
        shapes: `input_shape` and `n_outputs` of the task
        file: whose lines an error names

    Raises:
        UserError: if it raises, or returns something else.
    """
    import random

    import numpy as np

    takes = inspect.signature(build).parameters
    given = {name: value for name, value in shapes.items() if name in takes} | dict(arguments)
    before = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            random.seed(seed)
            np.random.seed(seed % 2**32)
            made = build(**given)
    except Exception as error:  # whatever anybody's code raises
        shown = ", ".join(f"{name}={short(value)}" for name, value in given.items())
        name = getattr(build, "__name__", "build")
        raise UserError(f"expected {name}({shown}) to make a network, got {said(error, file)}") from None
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
    if not isinstance(made, nn.Module):
        raise UserError(
            f"expected {getattr(build, '__name__', 'build')} to return a torch.nn.Module, got {short(made)}"
        )
    return made
