"""Which calls in a network are activations: functions by name, modules by what they compute."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evoact.activations.functions.base_functions import BASE_FUNCTIONS

GRID = torch.linspace(-8, 8, 81, dtype=torch.float64)  # past every kink of a base function
NOT_ELEMENTWISE = "normalises over a dimension, so it is not a function of single neurons"
SIGMOID = "is a gate or a probability more often than an activation; sites=('sigmoid',) makes it a site"
GATE = "is a gate beside the sigmoid of {owner}; sites=('tanh',) makes it a site"
FUSED = "is computed within one fused operation; a network written out cell by cell has sites"

# Names that a function has in `torch`, `torch.nn.functional` and of tensors, in-place ones with `_` after them.
_ELEMENTWISE = (
    *("relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish", "softplus", "softsign"),
    *("tanh", "sigmoid", "hardtanh", "hardsigmoid", "hardswish", "logsigmoid", "tanhshrink", "hardshrink"),
    *("softshrink", "threshold"),
)
_NEVER = {
    "softmax": NOT_ELEMENTWISE,
    "log_softmax": NOT_ELEMENTWISE,
    "softmin": NOT_ELEMENTWISE,
    "gumbel_softmax": NOT_ELEMENTWISE,
    "scaled_dot_product_attention": f"contains a softmax, which {NOT_ELEMENTWISE}",
    "glu": "halves its neurons, a sigmoid gate within one operation",
    "prelu": "has a trained slope of its own, in the network's state",
    "rrelu": "is random while training",
    "multi_head_attention_forward": f"contains a softmax, which {NOT_ELEMENTWISE}",
    "gru": FUSED,
    "lstm": FUSED,
    "rnn_tanh": FUSED,
    "rnn_relu": FUSED,
}
NO_UNITS = (nn.Identity, nn.modules.dropout._DropoutNd)
PLACES = (torch, F, Tensor, torch._C._nn)


@dataclass(frozen=True)
class Function:
    """A function that networks call: its name, and why it is never a site (empty if it may be)."""

    name: str
    never: str = ""


def _functions() -> dict[Any, Function]:
    table: dict[Any, Function] = {}
    for place in PLACES:
        for name in _ELEMENTWISE:
            for suffix in ("", "_"):
                if (found := getattr(place, name + suffix, None)) is not None:
                    table[found] = Function(name)
        for name, reason in _NEVER.items():
            if callable(found := getattr(place, name, None)) and not isinstance(found, type):
                table[found] = Function(name, never=reason)
    return table


FUNCTIONS: Mapping[Any, Function] = _functions()


def base_name(call: Callable[[Tensor], Tensor]) -> str:
    """Return the base function that a call computes on a grid, to 1e-9 of it; empty if none does.

    >>> base_name(F.gelu), base_name(lambda x: F.gelu(x, approximate="tanh")), base_name(F.silu)
    ('gelu', '', 'swish')
    """
    with torch.no_grad():
        y = call(GRID.clone())
        for name, function in BASE_FUNCTIONS.items():
            if torch.allclose(y, function.value(GRID), rtol=1e-9, atol=1e-9):
                return name
    return ""


def is_unit(module: nn.Module) -> bool:
    """Return whether a module without numbers of its own computes one function of each element, not the identity.

    >>> is_unit(nn.ReLU()), is_unit(nn.Softmax(-1)), is_unit(nn.Dropout()), is_unit(nn.Flatten())
    (True, False, False, False)
    """
    parts = module.parameters(), module.buffers(), module.children()
    if any(next(part, None) is not None for part in parts) or isinstance(module, NO_UNITS):
        return False
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            y = module(GRID.clone()[None])
            again = module(GRID.flip(0)[None, :17].clone())
            flipped = module(GRID.flip(0).clone()[None])
    except Exception:  # whatever a module raises that takes no such input
        return False
    if not isinstance(y, Tensor) or y.shape != (1, len(GRID)) or not y.is_floating_point():
        return False
    same = torch.equal(again, flipped[:, :17]) and torch.allclose(flipped, y.flip(1), rtol=1e-12, atol=1e-12)
    return same and not torch.equal(y, GRID[None]) and bool(y.std() > 0)
