"""`network: {name: own}`: a module that a function in somebody's file builds."""

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from evoact.code_text import read
from evoact.errors import UserError, short
from evoact.networks.own.conversion import Recipe
from evoact.networks.own.module_network import ModuleNetwork
from evoact.networks.own.source import build_function, built_module, source_text
from evoact.nn.checks import check
from evoact.registry import given, remember_by_content

OWN = "own"  # in the table of networks
TEXT, FOUND, SYMMETRIES = "text", "found", "symmetries"
OF_RUNS = (TEXT, FOUND, SYMMETRIES, "given", "free")  # arguments that nobody writes


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
        return built_module(build, seed, self.input_shape, self.n_outputs, self.arguments, self.file)


@dataclass(frozen=True)
class GivenRecipe:
    """An object of the program's own: a function that builds modules, or a module whose weights are kept."""

    given: str
    arguments: str
    input_shape: tuple[int, ...]
    n_outputs: int

    @property
    def name(self) -> str:
        return self.given.rpartition("@")[0]

    def __call__(self, seed: int) -> nn.Module:
        model = given("network", self.given)
        if isinstance(model, nn.Module):
            return copy.deepcopy(model)
        return built_module(model, seed, self.input_shape, self.n_outputs, self.arguments)


def given_network(model: Any) -> dict[str, Any]:
    """Return the section `network` of a config for an object of the program's own, which this process remembers.

    Raises:
        UserError: if it is neither a module nor a function.

    >>> section = given_network(nn.Linear(2, 3))
    >>> section["name"], section["given"].partition("@")[0]
    ('own', 'Linear')
    """
    if not callable(model):
        raise UserError(
            f"expected model as a torch.nn.Module, or a function that builds one, got {short(model)}"
        )
    if isinstance(model, nn.Module):
        check(model, None, ())
        if any(tensor.is_meta for tensor in model.state_dict().values()):
            raise UserError(
                "expected model with weights, got tensors without numbers on meta; build it on the CPU"
            )
    text = source_text(type(model) if isinstance(model, nn.Module) else model)
    content: list[bytes | memoryview] = [text.encode("utf-8", "surrogatepass")]
    if isinstance(model, nn.Module):
        for key, tensor in model.state_dict().items():
            values = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)
            content += [key.encode(), values.numpy().data]
    name = remember_by_content(model, *content)
    return {"name": OWN, "given": name, TEXT: text}


def own(
    input_shape: tuple[int, ...],
    n_outputs: int,
    file: str = "",
    build: str = "",
    arguments: Mapping[str, Any] | None = None,
    sites: Sequence[str] = (),
    text: str | None = None,
    found: Mapping[str, int] | None = None,
    symmetries: Mapping[str, str] | None = None,
    given: str = "",
    free: bool = False,
) -> ModuleNetwork:
    """Return the network of a function in a file of Python, which builds a `torch.nn.Module`.

    Args:
        file: its path
        build: the function's name; it is called with `arguments`, and with input_shape and n_outputs if it takes them
        sites: functions that are sites on request alone, of sigmoid and tanh
        text: of the file, as a run keeps it; by default what is in the file now
        found: the neurons of each site, as a run keeps them; the code is not executed then until it has to be
        symmetries: of the sites in `found` that are not `none`, as a run keeps them
        given: the name of an object that the program gave, instead of a file
        free: whether outputs may be whatever a loss of the program's own takes

    Raises:
        UserError: if the file, the function or what it builds cannot be used.
    """
    if not isinstance(arguments, Mapping | None):
        raise UserError(f"expected network.arguments as a mapping, got {short(arguments)}")
    if not given and not (file and build):
        raise UserError("expected network.file and network.build, the function in it that builds the module")
    with_arguments, shape = json.dumps(arguments or {}), tuple(input_shape)
    recipe: Recipe = GivenRecipe(given, with_arguments, shape, n_outputs)
    if not given:
        text = read(file) if text is None else text
        recipe = FileRecipe(file, text, build, with_arguments, shape, n_outputs)
    known = as_known(found, symmetries)
    return ModuleNetwork(recipe, shape, None if free else n_outputs, tuple(sites), *known)


def as_known(
    found: Any, symmetries: Any
) -> tuple[Mapping[str, int] | None, tuple[tuple[str, str], ...] | None]:
    """Return the neurons of each site and the symmetries, as a run keeps them, for `ModuleNetwork`; None of a network
    that is not examined yet.

    Raises:
        UserError: if they are something else.
    """
    if found is not None and not _are_sites(found):
        raise UserError(f"expected network.found as the neurons of each site, got {short(found)}")
    if symmetries is not None and not _are_symmetries(symmetries):
        raise UserError(f"expected network.symmetries as free or stream:ID by site, got {short(symmetries)}")
    return found, None if found is None else tuple((symmetries or {}).items())


def _are_sites(found: Any) -> bool:
    return isinstance(found, Mapping) and all(
        isinstance(name, str) and type(neurons) is int and neurons > 0 for name, neurons in found.items()
    )


def _are_symmetries(symmetries: Any) -> bool:
    return isinstance(symmetries, Mapping) and all(
        isinstance(site, str) and isinstance(s, str) and (s == "free" or s.startswith("stream:"))
        for site, s in symmetries.items()
    )
