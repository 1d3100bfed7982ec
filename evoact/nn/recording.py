"""One run of a network on an example, and the activation calls that were seen in it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from evoact.nn.calls import Passing, Where, Wrapped, arguments, line, passing, within
from evoact.nn.found import FUNCTIONS, base_name, is_unit

_FROM_WEIGHTS = {"linear", "addmm", "mm", "bilinear", "embedding", "layer_norm"}
_PRODUCTS = {"mul", "mul_", "__mul__", "__rmul__", "__imul__"}
_REORDER = {
    "view",
    "reshape",
    "flatten",
    "unflatten",
    "permute",
    "transpose",
    "movedim",
    "squeeze",
    "unsqueeze",
}


@dataclass
class Seen:
    """A call as it was seen.

    `name` is the function's or the module's in the network, `owner` that of the module in whose forward it stands;
    `unit` the module that was called, None for a call by name; `gates` whether the result multiplied another tensor.
    `in_place` is whether the call wrote into its input and this was then used under another name than the result.
    """

    owner: str
    where: Where
    number: int
    line: str
    function: str
    found: str
    never: str
    base: str
    shape: tuple[int, ...]
    dim: int
    in_place: bool
    unit: nn.Module | None = None
    gates: bool = False


def record(model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, list[Seen]]:
    """Return what the network gives, and its activation calls in their order; the network is as before."""
    seen: list[Seen] = []
    own: dict[nn.Module, Any] = {}
    try:
        for name, module in model.named_modules():
            own[module] = module.__dict__.get("forward")
            wrapped = _Unit(module, name, seen) if is_unit(module) else Wrapped(module, name, {})
            module.__dict__["forward"] = wrapped
        with _Recording(seen):
            outputs = model(*args, **kwargs)
        _use(tree_leaves(outputs))
        return outputs, seen
    finally:
        for module, forward in own.items():
            module.__dict__.pop("forward", None)
            if forward is not None:
                module.__dict__["forward"] = forward


class _Unit(Wrapped):
    """The forward of a module that is an activation as a whole."""

    def __init__(self, owner: nn.Module, name: str, seen: list[Seen]):
        super().__init__(owner, name, {})
        self.seen = seen

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        caller = passing()
        if caller is None:
            return self.compute(*args, **kwargs)
        where, number = caller.here()
        x, _, _ = arguments(args, kwargs)
        with within(None):
            before = _before(x)
            y = self.compute(*args, **kwargs)
            call = _seen(caller, where, number, x, y, before, self.owner)
        call.function, call.found = (
            type(self.owner).__name__,
            f"{_public(type(self.owner))}({_details(self.owner)})",
        )
        self.seen.append(call)
        return _result(call, x, y)


class _Recording(TorchFunctionMode):
    """Sees the calls by name, and which dimension of each tensor came from a layer's weights as its neurons."""

    def __init__(self, seen: list[Seen]):
        super().__init__()
        self.seen = seen

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        _use(tree_leaves((args, kwargs)))
        function, caller = FUNCTIONS.get(func), passing()
        if function is None or caller is None:
            y = func(*args, **kwargs)
            _follow(getattr(func, "__name__", ""), args, y)
            return y
        where, number = caller.here()
        x, rest, named = arguments(args, kwargs)
        before = _before(x)
        y = func(*args, **kwargs)
        _follow(function.name, (x,), y)
        if isinstance(x, Tensor):
            call = _seen(caller, where, number, x, y, before, None)
            call.function, call.never = function.name, function.never
            shown = [repr(value) for value in rest if not isinstance(value, Tensor)]
            shown += [f"{k}={v!r}" for k, v in named.items() if v is not False and not isinstance(v, Tensor)]
            call.found = function.name if function.never else f"{function.name}({', '.join(shown)})"
            call.base = "" if function.never else base_name(lambda grid: func(grid, *rest, **named))
            self.seen.append(call)
            y = _result(call, x, y)
        return y


def _seen(
    caller: Passing, where: Where, number: int, x: Tensor, y: Any, before: int, unit: nn.Module | None
) -> Seen:
    return Seen(
        owner=caller.wrapped.name,
        where=where,
        number=number,
        line=line(),
        function="",
        found="",
        never="",
        base="" if unit is None else base_name(unit),
        shape=tuple(x.shape),
        dim=_dimension(x),
        in_place=isinstance(y, Tensor) and y.data_ptr() == before,
        unit=unit,
    )


def _result(call: Seen, x: Tensor, y: Any) -> Any:
    """Give what the caller gets; written in place, under a new name, so that whoever uses the old one is seen."""
    if isinstance(y, Tensor):
        if call.in_place:
            call.in_place, y = x._is_view(), y.view_as(y)
            if (dim := getattr(x, "_evoact_dim", None)) is not None:
                y._evoact_dim = dim
            x._evoact_written = call  # type: ignore[attr-defined]
        y._evoact_seen = call
    return y


def _use(values: list[Any]) -> None:
    """Mark the calls that wrote into one of these tensors in place."""
    for value in values:
        if isinstance(value, Tensor) and (call := getattr(value, "_evoact_written", None)) is not None:
            call.in_place = True


def _before(x: Any) -> int:
    return x.data_ptr() if isinstance(x, Tensor) and x.numel() else -1


def _dimension(x: Tensor) -> int:
    """Return which dimension, from the last, holds neurons: as the layer said from which x came, else the channels of
    images, else the last."""
    return int(getattr(x, "_evoact_dim", 1 - x.dim() if x.dim() > 3 else -1))


def _follow(name: str, args: tuple[Any, ...], y: Any) -> None:
    """Mark the dimension of y that holds neurons, if it is known, and activations that multiply another tensor."""
    if not isinstance(y, Tensor):
        return
    inputs = [a for a in args if isinstance(a, Tensor)]
    if name in _PRODUCTS and len(inputs) == 2:
        for a in inputs:
            if (call := getattr(a, "_evoact_seen", None)) is not None:
                call.gates = True
    if name in _FROM_WEIGHTS:
        y._evoact_dim = -1  # type: ignore[attr-defined]
    elif name.startswith("conv") and name[-2:] in ("1d", "2d", "3d"):
        y._evoact_dim = -1 - int(name[-2])  # type: ignore[attr-defined]
    elif name not in _REORDER and not name.startswith("__get__"):
        for a in inputs:
            dim = getattr(a, "_evoact_dim", None)
            if dim is not None and a.dim() == y.dim() and a.shape[dim] == y.shape[dim]:
                y._evoact_dim = dim  # type: ignore[attr-defined]
                break


def _public(cls: type) -> str:
    """Return a class as people import it."""
    return f"nn.{cls.__name__}" if cls.__module__.startswith("torch.nn") else cls.__name__


def _details(module: nn.Module) -> str:
    try:
        return module.extra_repr()
    except Exception:  # whatever anybody's module does there
        return ""
