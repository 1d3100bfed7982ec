"""The activation families whose types have a program of their own: one table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from evoact.activations import hulls, subnetwork


@dataclass(frozen=True)
class Family:
    parameter_count: Callable[[Any, int], int]
    initial_parameters: Callable[[Any, int, torch.Generator], Tensor]
    evaluate: Callable[..., Tensor] | None


FAMILIES: Mapping[str, Family] = {
    "hull": Family(hulls.parameter_count, hulls.initial_parameters, None),
    "subnetwork": Family(subnetwork.parameter_count, subnetwork.initial_parameters, subnetwork.evaluate),
}
