"""Calls within a module's forward, told apart by where in its code they stand.

An activation may be called by name (`F.relu`), or one module may be called at several places. Which call it is follows
from the lines on the way from the module's forward to it, and from how often this forward has passed there: so loops
and branches work, which the order of calls alone would confuse. A forward is wrapped as an attribute of its module, so
that keys of its state, `copy.deepcopy` and pickling stay what they are, and a part of a network does the same on its
own.
"""

import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch._compile import _disable_dynamo
from torch.overrides import TorchFunctionMode

from evoact.nn.found import FUNCTIONS

# Lines from a forward to a call in it: of each code on the way its name and the place in it.
Where = tuple[tuple[str, int], ...]
_TORCH, _HERE = str(Path(torch.__file__).parent), str(Path(__file__).parent)
_LAYERS = str(Path(nn.modules.__file__).parent)


class _Active(threading.local):
    """The forwards that are being computed in this thread; None within an activation."""

    def __init__(self) -> None:
        self.stack: list[Passing | None] = []


_active = _Active()


class Passing:
    """One pass through a module's forward, which counts how often it was at each place."""

    def __init__(self, wrapped: "Wrapped"):
        self.wrapped = wrapped
        self.passed: Counter[Where] = Counter()

    def here(self) -> tuple[Where, int]:
        """Return where the caller is, and how often this pass has been there before."""
        where = _where()
        self.passed[where] += 1
        return where, self.passed[where] - 1


def passing() -> Passing | None:
    """Return the innermost pass of a wrapped forward; None outside of all, and within an activation."""
    return _active.stack[-1] if _active.stack else None


@contextmanager
def within(what: Passing | None) -> Iterator[None]:
    """Set what `passing` says in this block."""
    _active.stack.append(what)
    try:
        yield
    finally:
        _active.stack.pop()


class Wrapped:
    """A forward that knows that it is being computed; takes the place of the module's own.

    Args:
        owner: the module
        name: in the network
        sites: of the calls by name that are sites, by place and number: the attribute of the module that is the site
    """

    def __init__(self, owner: nn.Module, name: str, sites: Mapping[tuple[Where, int], str]):
        self.owner, self.name, self.sites = owner, name, dict(sites)
        self.before = owner.__dict__.get("forward")  # others wrap forwards, too

    def compute(self, *args: Any, **kwargs: Any) -> Any:
        if self.before is not None:
            return self.before(*args, **kwargs)
        return type(self.owner).forward(self.owner, *args, **kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if torch.compiler.is_compiling():
            return _eagerly(self, args, kwargs)
        return self.computed(args, kwargs)

    def computed(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Return what the forward gives, its calls told apart."""
        pass_ = Passing(self)
        with within(pass_):
            if not self.sites:
                return self.compute(*args, **kwargs)
            with _ByName(pass_):
                return self.compute(*args, **kwargs)


_BOUNDARY = Wrapped.computed.__code__


# Not torch.compiler.disable, which imports the whole compiler (over a second) whenever evoact is imported.
@_disable_dynamo
def _eagerly(wrapped: Wrapped, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Compute in Python: compilers cannot see where a call stands."""
    return wrapped.computed(args, kwargs)


def unwrap(module: nn.Module) -> None:
    """Give a module its own forward back."""
    wrapped = module.__dict__.get("forward")
    if isinstance(wrapped, Wrapped):
        del module.__dict__["forward"]
        if wrapped.before is not None:
            module.__dict__["forward"] = wrapped.before


class _ByName(TorchFunctionMode):
    """Hands calls by name over to their sites."""

    def __init__(self, pass_: Passing):
        super().__init__()
        self.pass_ = pass_

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in FUNCTIONS and passing() is self.pass_:
            wrapped = self.pass_.wrapped
            attribute = wrapped.sites.get(self.pass_.here())
            if attribute is not None:
                x, rest, named = arguments(args, kwargs)
                with within(None):
                    return getattr(wrapped.owner, attribute)(x, partial(_call, func, rest, named))
        return func(*args, **kwargs)


def _call(func: Callable[..., Any], rest: tuple[Any, ...], named: Mapping[str, Any], x: Tensor) -> Any:
    return func(x, *rest, **named)


def arguments(
    args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[Any, tuple[Any, ...], Mapping[str, Any]]:
    """Return the pre-activations of a call, and its other arguments."""
    if args:
        return args[0], args[1:], kwargs
    return kwargs.get("input"), (), {k: v for k, v in kwargs.items() if k != "input"}


def _where() -> Where:
    found: list[tuple[str, int]] = []
    frame = sys._getframe(1)
    while frame is not None and frame.f_code is not _BOUNDARY:
        if _counts(frame.f_code.co_filename):
            found.append((frame.f_code.co_name, frame.f_lasti))
        frame = frame.f_back  # type: ignore[assignment]
    return tuple(found)


def line() -> str:
    """Return the innermost line of the network's that is neither PyTorch's nor in this folder, as `FILE:LINE`; empty if
    there is none, as in an `nn.Sequential`."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith((_TORCH, _HERE)):
        if frame.f_code.co_name == "record":
            return ""
        frame = frame.f_back  # type: ignore[assignment]
    return "" if frame is None else f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"


@lru_cache(maxsize=4096)
def _counts(file: str) -> bool:
    """Return whether lines of a file say where a call stands: not those through which every call goes."""
    if file.startswith(_HERE):
        return False
    return not file.startswith(_TORCH) or (file.startswith(_LAYERS) and not file.endswith("module.py"))
