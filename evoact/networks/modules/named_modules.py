"""From a class of modules to the network of a search."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from evoact.networks.own.module_network import ModuleNetwork
from evoact.networks.own.source import built_module


@dataclass(frozen=True)
class ClassRecipe:
    """A class, or a function, that makes modules, and its arguments as JSON."""

    build: Callable[..., nn.Module]
    name: str
    arguments: str
    input_shape: tuple[int, ...]
    n_outputs: int

    def __call__(self, seed: int) -> nn.Module:
        return built_module(self.build, seed, self.input_shape, self.n_outputs, self.arguments)


def module_network(
    build: Callable[..., nn.Module],
    name: str,
    input_shape: tuple[int, ...],
    n_outputs: int,
    also: tuple[str, ...] = (),
    symmetries: tuple[tuple[str, str], ...] = (),
    **arguments: Any,
) -> ModuleNetwork:
    """Return the network of modules that `build(input_shape, n_outputs, **arguments)` makes; `also` are functions that
    are sites on request alone, `symmetries` those of sites by a pattern of their names.
    """
    recipe = ClassRecipe(build, name, json.dumps(arguments), input_shape, n_outputs)
    return ModuleNetwork(recipe, input_shape, n_outputs, also, symmetries=symmetries)
