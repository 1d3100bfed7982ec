"""`network: {name: own}`: a module that a function in somebody's file builds."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from evoact.errors import UserError, short
from evoact.networks.own.module_network import ModuleNetwork
from evoact.networks.own.source import build_function, built_module, read

OWN = "own"  # in the table of networks
TEXT, FOUND = "text", "found"  # the arguments that a run adds


@dataclass(frozen=True)
class FileRecipe:
    """A function of a file's text, and its arguments as JSON."""

    file: str
    text: str
    build: str
    arguments: str
    input_shape: tuple[int, ...]
    n_outputs: int

    @property
    def name(self) -> str:
        return f"{self.build} of {Path(self.file).name}"

    def __call__(self, seed: int) -> nn.Module:
        build = build_function(self.file, self.text, self.build)
        shapes = {"input_shape": self.input_shape, "n_outputs": self.n_outputs}
        return built_module(build, seed, shapes, json.loads(self.arguments), self.file)


def own(
    input_shape: tuple[int, ...],
    n_outputs: int,
    file: str,
    build: str,
    arguments: Mapping[str, Any] | None = None,
    sites: Sequence[str] = (),
    text: str | None = None,
    found: Mapping[str, int] | None = None,
) -> ModuleNetwork:
    """Return the network of a function in a file of Python, which builds a `torch.nn.Module`.

    Args:
        file: its path
        build: the function's name; it is called with `arguments`, and with input_shape and n_outputs if it takes them
        sites: functions that are sites on request alone, of sigmoid and tanh
        text: of the file, as a run keeps it; by default what is in the file now
        found: the neurons of each site, as a run keeps them; the code is not executed then until it has to be

    Raises:
        UserError: if the file, the function or what it builds cannot be used.
    """
    if not isinstance(arguments, Mapping | None):
        raise UserError(f"expected network.arguments as a mapping, got {short(arguments)}")
    if found is not None and not _are_sites(found):
        raise UserError(f"expected network.found as the neurons of each site, got {short(found)}")
    text = read(Path(file)) if text is None else text
    recipe = FileRecipe(file, text, build, json.dumps(arguments or {}), tuple(input_shape), n_outputs)
    return ModuleNetwork(recipe, tuple(input_shape), n_outputs, tuple(sites), found)


def _are_sites(found: Any) -> bool:
    return isinstance(found, Mapping) and all(
        isinstance(name, str) and type(neurons) is int and neurons > 0 for name, neurons in found.items()
    )
