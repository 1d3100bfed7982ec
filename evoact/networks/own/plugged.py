"""`network: {name: "my_models:gru"}`: a module that a plugin builds."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from evoact.networks.own.conversion import Recipe
from evoact.networks.own.module_network import ModuleNetwork
from evoact.networks.own.named import FileRecipe, as_known
from evoact.networks.own.source import built_module
from evoact.plugins import Plugin, known, loaded


@dataclass(frozen=True)
class PackageRecipe:
    """A function of an installed package, and its arguments as JSON."""

    plugin: Plugin
    build: str
    arguments: str
    input_shape: tuple[int, ...]
    n_outputs: int

    @property
    def name(self) -> str:
        return f"{self.plugin.name}:{self.build}"

    def function(self) -> Any:
        """Return the function, which imports the package."""
        return loaded(self.plugin, "network", self.build)

    def __call__(self, seed: int) -> nn.Module:
        return built_module(self.function(), seed, self.input_shape, self.n_outputs, self.arguments)


def plugged_network(
    plugins: Mapping[str, Plugin],
    name: str,
    input_shape: tuple[int, ...],
    n_outputs: int,
    found: Mapping[str, int] | None = None,
    symmetries: Mapping[str, str] | None = None,
    **arguments: Any,
) -> ModuleNetwork:
    """Return the network of a plugin's function that builds a `torch.nn.Module`.

    Args:
        plugins: by name
        name: with a colon
        found: the neurons of each site, as a run keeps them; the code is not executed then until it has to be
        symmetries: of these sites, as a run keeps them
        arguments: of the function, which is also given input_shape and n_outputs if it takes them

    Raises:
        UserError: if there is no such function, or what it builds cannot be used.
    """
    plugin, shape, given = known(plugins, name), tuple(input_shape), json.dumps(arguments)
    build = name.partition(":")[2]
    recipe: Recipe = PackageRecipe(plugin, build, given, shape, n_outputs)
    if not plugin.package:
        recipe = FileRecipe(plugin.file, plugin.text, build, given, shape, n_outputs)
    return ModuleNetwork(recipe, shape, n_outputs, (), *as_known(found, symmetries))
