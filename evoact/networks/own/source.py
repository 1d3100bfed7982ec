"""The code that makes a network: a function in a file of Python, known by the file's text."""

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from evoact.code_text import executed, said
from evoact.errors import UserError, short
from evoact.registry import unknown


def build_function(file: str, text: str, name: str) -> Callable[..., Any]:
    """Return the function of this name in a file's text, which this executes.

    Raises:
        UserError: if the code raises, or has no such function.
    """
    module = executed(file, text)
    known = [n for n, value in vars(module).items() if callable(value) and not n.startswith("_")]
    found = getattr(module, name, None) if isinstance(name, str) else None
    if not callable(found):
        own = [n for n in known if getattr(vars(module)[n], "__module__", "") == module.__name__]
        raise UserError(f"network.build: {unknown(f'function of {Path(file).name}', name, own)}")
    return found


def source_text(code: Any) -> str:
    """Return the text of a function or class; empty if nobody knows it, as of what was typed at a prompt."""
    try:
        return inspect.getsource(code)
    except (OSError, TypeError):
        return ""


def arguments_of(
    build: Callable[..., Any], input_shape: tuple[int, ...], n_outputs: int, arguments: str
) -> dict[str, Any]:
    """Return what a function that builds a module is called with: `arguments`, a JSON object, and the task's shapes, if
    it takes them.

    >>> arguments_of(lambda n_outputs, width: None, (3,), 2, '{"width": 8}')
    {'n_outputs': 2, 'width': 8}
    """
    takes = inspect.signature(build).parameters
    shapes = {"input_shape": input_shape, "n_outputs": n_outputs}
    return {name: value for name, value in shapes.items() if name in takes} | json.loads(arguments)


def built_module(
    build: Callable[..., Any],
    seed: int,
    input_shape: tuple[int, ...],
    n_outputs: int,
    arguments: str,
    file: str = "",
) -> nn.Module:
    """Return the module that a function builds when all global generators start from a seed, and are then as before.

    Args:
        build: called with its `arguments_of`
        seed: of Python's, NumPy's and PyTorch's generators
        input_shape: of one example
        n_outputs: per example
        arguments: a JSON object
        file: whose lines an error names

    Raises:
        UserError: if it raises, or returns something else.
    """
    import random

    import numpy as np

    given = arguments_of(build, input_shape, n_outputs, arguments)
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
