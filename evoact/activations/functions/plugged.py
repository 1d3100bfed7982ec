"""Base functions of plugins: a function of a tensor in PyTorch, element by element, as a `BaseFunction`.

Kernels do not know it, so PyTorch does the work of the sites that have it. It is given elements in a row, a multiple
of as many as any processor computes at once: PyTorch rounds what is left over differently, and a network's result must
not depend on its neighbours. Who only reads a run has stand-ins drawn through values, because reading executes nothing.
"""

import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from evoact.activations.functions.base_functions import (
    PLUGGED,
    REFUSED,
    BaseFunction,
    core_function,
    forget_expressions,
)
from evoact.code_text import digest, said
from evoact.errors import UserError, shortened
from evoact.plugins import Plugin, found, known, names_in, offering

LANES = 64  # elements: more than any processor computes at once
BLOCK = 32_768  # elements: what PyTorch gives to one thread
REACH, POINTS = 12.0, 481  # of the values that a stand-in is drawn through
Code = Callable[[Tensor], Tensor]

_ORIGINS: dict[str, str] = {}  # of the functions that are known; a stand-in's is empty
_TRIED = torch.linspace(-8, 8, 257, dtype=torch.float64)


def plug_in(name: str, plugins: Mapping[str, Plugin]) -> None:
    """Let this process know a plugin's function, which executes the plugin; one that cannot be used is refused, with
    the reason, when it is used.

    Args:
        name: with a colon
        plugins: by name, that of this function among them

    Raises:
        UserError: if this process knows another function of this name, which networks may have.
    """
    plugin = known(plugins, name)
    # Two functions of a name are the same if they are of one text, or of one version of a package.
    origin = f"{plugin.package} {plugin.version}" if plugin.package else digest(plugin.text)
    if _ORIGINS.get(name) == origin:
        return
    if _ORIGINS.get(name):
        raise UserError(
            f"expected the function {name} with which this process began, got another text or version; change the "
            "plugin's name, or start a new process"
        )
    REFUSED.pop(name, None)
    try:
        code = found(plugins, "function", name)
        source = _source(code) if plugin.package else (plugin.text, name.partition(":")[2])
        made = of_code(name, code, source)
    except UserError as error:
        REFUSED[name] = str(error)
        return
    _know(name, made, origin)


def plug_in_offered(data: Any) -> None:
    """Let this process know the functions that installed packages offer and the texts of plain data name, which imports
    these.
    """
    for prefix, name in sorted(set(names_in(data))):
        if plugin := offering(prefix):
            plug_in(f"{prefix}:{name}", {prefix: plugin})


def stand_in(name: str, formula: str, values: list[float]) -> None:
    """Let this process know a function by its values at `grid()`, unless it knows the function itself: what reports
    need.
    """
    if name in PLUGGED:
        return
    heights = torch.tensor(values, dtype=torch.float64)
    if heights.shape != (POINTS,):
        REFUSED[name] = f"expected {POINTS} values of the function {name}, got {len(heights)}"
        return
    _know(name, of_code(name, lambda x: _drawn(x, heights)), "")
    PLUGGED[name] = replace(PLUGGED[name], formula=formula)


def grid() -> Tensor:
    """Return the places of a stand-in's values."""
    return torch.linspace(-REACH, REACH, POINTS, dtype=torch.float64)


def drawn(name: str) -> tuple[str, list[float]]:
    """Return a function's formula and what `stand_in` needs, to 9 digits: other machines round the last ones their way.

    Raises:
        UserError: if there is no such function.
    """
    f = core_function(name)
    return f.formula, [float(f"{y:.9g}") for y in f.value(grid()).tolist()]


def _know(name: str, made: BaseFunction, origin: str) -> None:
    if name in PLUGGED:  # a stand-in, of which something may have been made already
        for module in [m for key, m in sys.modules.items() if key.partition(".")[0] == "evoact"]:
            for thing in vars(module).values():
                if callable(forget := getattr(thing, "cache_clear", None)):
                    forget()
        forget_expressions()
    PLUGGED[name], _ORIGINS[name] = made, origin
    REFUSED.pop(name, None)


def _drawn(x: Tensor, heights: Tensor) -> Tensor:
    """The straight lines through the values, and on in their directions."""
    heights = heights.to(x)
    at = (x + REACH) * ((POINTS - 1) / (2 * REACH))
    # NaN would be no index; it stays NaN in `at`.
    below = at.detach().nan_to_num().floor().clamp(0, POINTS - 2)
    left = below.long()
    return heights[left] + (at - below) * (heights[left + 1] - heights[left])


# --- from code to a function --------------------------------------------------------------------------


def _source(code: Any) -> tuple[str, str]:
    """The text of the file that a function is in, and its name there; empty if nobody knows them."""
    module, name = inspect.getmodule(code), getattr(code, "__name__", "")
    try:
        return (
            (inspect.getsource(module), name) if module and getattr(module, name, None) is code else ("", "")
        )
    except (OSError, TypeError):
        return "", ""


def of_code(name: str, code: Any, source: tuple[str, str] = ("", "")) -> BaseFunction:
    """Return the base function that a function of a tensor is.

    Args:
        name: with a colon
        code: maps a tensor to one of its shape and type, element by element, differentiably; the first line of its
            docstring is the formula
        source: the text of its file, and its name there

    Raises:
        UserError: if it is no such function.

    >>> f = of_code("my_functions:bump", lambda x: x * torch.exp(-x * x))
    >>> x = torch.tensor([0.0, 1.0])
    >>> f.value(x).tolist(), f.derivative(x, x).tolist()
    ([0.0, 0.3678794503211975], [1.0, -0.3678794503211975])
    """
    formula = (inspect.getdoc(code) or "").partition("\n")[0].rstrip(".") if inspect.isfunction(code) else ""

    def value(x: Tensor, /, *, out: Tensor | None = None) -> Tensor:
        y = _by_rows(code, x)
        return y if out is None else out.copy_(y)

    def derivative(x: Tensor, y: Tensor) -> Tensor:
        return _by_rows(torch.func.grad(lambda z: code(z).sum()), x)

    _check(name, code)
    return BaseFunction(
        name,
        shortened(formula, 80) or f"{name}(x)",
        name.partition(":")[0],
        value,
        derivative,
        code=source,
        core=name,
    )


def _by_rows(code: Code, x: Tensor) -> Tensor:
    flat = x.reshape(-1)
    n = flat.shape[0]
    if n == 0:
        return flat.reshape(x.shape)
    if over := -n % LANES:
        flat = torch.cat([flat, flat[:1].expand(over)])
    flat = flat.contiguous()
    if n <= BLOCK or flat.device.type != "cpu":
        return code(flat)[:n].reshape(x.shape)
    return torch.cat([code(part) for part in flat.split(BLOCK)])[:n].reshape(x.shape)


def _check(name: str, code: Code) -> None:
    """Check that code is a function of each element alone."""
    y, x = _tried(name, code, _TRIED)
    expected = f"expected {name} to return a tensor of the shape and type of its input"
    if not isinstance(y, Tensor):
        raise UserError(f"{expected}, got {type(y).__name__}")
    single, _ = _tried(name, code, _TRIED.float())
    if y.shape != x.shape or y.dtype != x.dtype or single.dtype != torch.float32:
        raise UserError(f"{expected}, got {list(y.shape)} {y.dtype} of {list(x.shape)} {x.dtype}")
    if not torch.equal(x, _TRIED):
        raise UserError(f"expected {name} to leave its input as it is, got another; write into a copy")
    parts = torch.cat([_tried(name, code, part)[0] for part in (x[:100], x[100:])])
    again, _ = _tried(name, code, x)
    if not torch.allclose(y, again, equal_nan=True) or not torch.allclose(y, parts, equal_nan=True):
        raise UserError(
            f"expected {name} to compute each element by itself, always the same, got a result that depends on others "
            "or on chance"
        )
    slopes, _ = _tried(name, torch.func.grad(lambda z: code(z).sum()), x)
    if not (y.isfinite().all() and slopes.isfinite().all()):
        raise UserError(
            f"expected {name} to be finite with finite slope from -8 to 8, got others; see torch.where"
        )


def _tried(name: str, code: Code, x: Tensor) -> tuple[Any, Tensor]:
    """What code makes of a copy of x, and that copy afterwards."""
    x = x.clone()
    try:
        return code(x), x
    except Exception as error:  # whatever anybody's code raises
        raise UserError(
            f"expected {name} to take a tensor in PyTorch and to be differentiable, got {said(error)}"
        ) from None
