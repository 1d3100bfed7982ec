"""Which networks cannot be converted, each with a sentence that says what to do instead."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.utils._pytree import tree_leaves

from evoact.errors import UserError, short
from evoact.nn.sites import Shared, Site
from evoact.registry import unknown

ON_REQUEST = ("sigmoid", "tanh")
_WRAPPERS = {"DataParallel": "module", "DistributedDataParallel": "module", "OptimizedModule": "_orig_mod"}


def check(model: Any, example: Any, sites: Sequence[str]) -> None:
    """Raise UserError for what cannot be converted."""
    if isinstance(model, type) and issubclass(model, nn.Module):
        raise UserError(f"expected a torch.nn.Module, got the class {model.__name__}; make one of it before")
    if not isinstance(model, nn.Module):
        raise UserError(f"expected a torch.nn.Module, got {short(model)}")
    for name in sites:
        if name not in ON_REQUEST:
            raise UserError(unknown("function that is a site on request", name, ON_REQUEST))
    for name, module in model.named_modules():
        kind, where = type(module).__name__, repr(name) if name else "the model itself"
        if kind in _WRAPPERS:
            raise UserError(f"expected the network itself, got {kind} around it; give its .{_WRAPPERS[kind]}")
        if isinstance(module, torch.jit.ScriptModule):
            raise UserError(
                f"expected modules in Python, got a scripted one, {where}; convert before scripting"
            )
        if isinstance(module, torch.fx.GraphModule) and "train" in vars(module):  # which refuses to be called
            raise UserError(
                f"expected modules in Python, got an exported program, {where}; convert before exporting"
            )
        if any(map(is_lazy, [*module._parameters.values(), *module._buffers.values()])):
            raise UserError(f"expected initialised layers, got {kind} {where}; run the network once before")
        if "quantized" in type(module).__module__:
            raise UserError(
                f"expected layers in floating point, got {kind} {where}; convert before quantising"
            )
        if isinstance(module, Site | Shared):
            raise UserError(f"expected a network without sites, got {where}; homogenize takes them out")
    _check_example(model, example)


def _check_example(model: nn.Module, example: Any) -> None:
    for leaf in tree_leaves(example):
        if not isinstance(leaf, Tensor) and hasattr(leaf, "__array__"):
            raise UserError(
                f"expected tensors as example, got {type(leaf).__name__}; torch.as_tensor makes them"
            )
        if isinstance(leaf, Tensor) and not leaf.numel():
            raise UserError(
                f"expected an example that holds something, got a tensor of shape {list(leaf.shape)}"
            )
    devices = {str(p.device) for p in model.parameters()}
    got = {str(t.device) for t in tree_leaves(example) if isinstance(t, Tensor)}
    if len(devices) == 1 and got and devices != got:
        raise UserError(
            f"expected an example on {devices.pop()}, where the network is, got {', '.join(sorted(got))}"
        )
