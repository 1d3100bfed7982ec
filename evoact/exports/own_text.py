"""People's own networks as text: their file, with its activation calls handed over to modules, and what puts these in
their places."""

import ast
import inspect
import itertools
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from types import CodeType
from typing import Any

from torch import nn

from evoact.exports.activation_text import site_text
from evoact.exports.gathered import NoSource, gathered
from evoact.exports.text import Definitions, call
from evoact.genomes.genome import Genome
from evoact.networks.modules.named_modules import ClassRecipe
from evoact.networks.own.module_network import ModuleNetwork
from evoact.networks.own.named import FileRecipe, GivenRecipe
from evoact.networks.own.source import arguments_of, build_function
from evoact.nn.calls import Where, Wrapped
from evoact.nn.heterogeneous import activation_sites
from evoact.nn.sites import Shared
from evoact.registry import given

# What PyTorch computes in one operation in inference, unless it is told not to.
FUSED = (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)

BUILD = """made = {made}
activations = {activations}
for name, activation in activations.items():
    owner, _, attribute = name.rpartition(".")
    setattr(made.get_submodule(owner), attribute, activation)
{fused}return made"""


Span = tuple[int, int, int, int]


@dataclass(frozen=True)
class Place:
    """Where a site goes: the name of its module there, and, if a call of the file has to be handed over to it, where
    that call stands (from line, from column, to line, to column, as `ast` counts them) in which file."""

    name: str
    span: Span | None = None
    file: str = ""


@dataclass(frozen=True)
class Code:
    """The code whose function `build` makes a network from the arguments `given`.

    `files` are the texts of people's own files by name, none for evoact's own code; `text` makes of these texts,
    perhaps changed, what an export needs.
    """

    name: str
    build: str
    given: Mapping[str, Any]
    files: Mapping[str, str]
    text: Callable[[Mapping[str, str]], str]


def code_of(network: ModuleNetwork) -> Code:
    """Return the code that makes a network of modules.

    Raises:
        NoSource: if it is in no file.
    """
    recipe = network.recipe
    if not isinstance(recipe, ClassRecipe | FileRecipe | GivenRecipe):
        raise NoSource(
            f"expected a network of somebody's file to write its source, got {recipe.name} of a package"
        )
    build: Any
    files: Mapping[str, str]
    text_of: Callable[[Mapping[str, str]], str]
    if isinstance(recipe, ClassRecipe):
        build, name = recipe.build, recipe.build.__name__
        text = "\n\n\n".join(Definitions([Path(inspect.getfile(build))]).needed_by(name))
        files, text_of = {}, lambda _: text
    elif isinstance(recipe, FileRecipe):
        build, name = build_function(recipe.file, recipe.text, recipe.build), recipe.build
        files, text_of = {recipe.file: recipe.text}, itemgetter(recipe.file)
    else:
        build = given("network", recipe.given)
        if isinstance(build, nn.Module):
            raise NoSource(
                f"expected a function that builds {recipe.name} to write its source, got the module itself; what it "
                "was built from is not known"
            )
        found = gathered(build)
        name, files, text_of = found.name, found.files, found.text
    all_given = arguments_of(build, recipe.input_shape, recipe.n_outputs, recipe.arguments)
    return Code(recipe.name, name, all_given, files, text_of)


def places(network: ModuleNetwork) -> dict[str, Place]:
    """Return where each site goes.

    Raises:
        NoSource: for a call that is no line of its own module's forward.
    """
    code, module = code_of(network), network.converted.module
    spans = dict(_called(module, code))
    shared = {
        f"{name}.sites.{i}"
        for name, m in module.named_modules()
        if isinstance(m, Shared)
        for i in range(len(m.sites))
    }
    found = {}
    for name, site in activation_sites(module).items():
        if site.in_place and name in spans:
            raise NoSource(
                f"expected activations that write nothing into their inputs to export {code.name}, got {name}, whose "
                "input is used again; take one that is not in place"
            )
        if name in spans:
            found[name] = spans[name]
        elif name in shared or site.original is None:
            raise NoSource(
                f"expected activation calls that stand once, in the forward of their own module, to export "
                f"{code.name}, got {name} in a loop, a function or a library; make it a module of its own"
            )
        else:
            found[name] = Place(name)
    return found


def _called(module: nn.Module, code: Code) -> Iterator[tuple[str, Place]]:
    """Yield the sites that are calls by name, or of a shared module."""
    modules = dict(module.named_modules())
    for owner, m in modules.items():
        wrapped = m.__dict__.get("forward")
        if not isinstance(wrapped, Wrapped):
            continue
        here = f"{owner}." if owner else ""
        for (where, number), attribute in wrapped.sites.items():
            if isinstance(m, FUSED):
                yield here + attribute, Place(f"{here}activation")
            elif (span := _span(m, where, number, code)) is not None:
                yield here + attribute, Place(here + attribute, span, _file(m))
    for name, m in modules.items():
        if isinstance(m, Shared):
            found = [(owner, i, _span(modules[owner], at, n, code)) for (owner, at, n), i in m.places.items()]
            known = sorted({(owner, span) for owner, _, span in found if span is not None})
            for owner, index, span in found:
                if span is not None:
                    number = [at for one, at in known if one == owner].index(span)
                    here, last = f"{owner}." if owner else "", name.rpartition(".")[2]
                    yield (
                        f"{name}.sites.{index}",
                        Place(f"{here}{last}_site{number}", span, _file(modules[owner])),
                    )


def _span(owner: nn.Module, where: Where, number: int, of: Code) -> Span | None:
    """Return where in the file a call stands; None if it is not in the forward of its module, or passed by again."""
    code: CodeType = type(owner).forward.__code__
    if len(where) != 1 or number or code.co_filename not in of.files:
        return None
    line, last, column, end = list(code.co_positions())[where[0][1] // 2]
    return None if None in (line, last, column, end) else (line, column, last, end)  # type: ignore[return-value]


def _file(owner: nn.Module) -> str:
    return type(owner).forward.__code__.co_filename


def own_file(network: ModuleNetwork) -> str:
    """Return the text of people's own code, each call of an activation by name, or of a shared module, as one of a
    module of the owner's own.

    Raises:
        NoSource: as `places`, or if instances of a class would need different texts.
    """
    code = code_of(network)
    wanted: dict[str, dict[Span, str]] = {file: {} for file in code.files}
    for place in places(network).values():
        if place.span is not None:
            attribute = place.name.rpartition(".")[2]
            if wanted[place.file].setdefault(place.span, attribute) != attribute:
                raise NoSource(
                    f"expected all modules of a class to have the same activations to export {code.name}, got others "
                    f"in line {place.span[0]}"
                )
    return code.text({file: handed_over(text, wanted[file]) for file, text in code.files.items()})


def handed_over(text: str, calls: Mapping[Span, str]) -> str:
    """Return a source in which the calls at these places are calls of attributes of `self`, with their first input.

    >>> handed_over("y = F.gelu(x.relu(), approximate='tanh')", {(1, 4, 1, 40): "act", (1, 11, 1, 19): "first"})
    'y = self.act(self.first(x))'
    """
    lines = text.encode().splitlines(keepends=True)  # columns count bytes
    starts = [0, *itertools.accumulate(map(len, lines))]
    edits = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and (attribute := calls.get(_lies(node))):
            (first, last), (begin, end) = _range(node, starts), _range(_input(node), starts)
            edits += [(first, begin, last, f"self.{attribute}("), (end, last, last, ")")]
    source = text.encode()
    # From the end, so that places stay what they are; where two begin, what is within the other first.
    for start, stop, _, new in sorted(edits, key=lambda edit: (-edit[0], edit[2])):
        source = source[:start] + new.encode() + source[stop:]
    return source.decode()


def _lies(node: ast.expr) -> Span:
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    return node.lineno, node.col_offset, node.end_lineno, node.end_col_offset


def _range(node: ast.expr, starts: Sequence[int]) -> tuple[int, int]:
    """Return the bytes from which and up to which an expression reaches."""
    line, column, last, end = _lies(node)
    return starts[line - 1] + column, starts[last - 1] + end


def _input(node: ast.Call) -> ast.expr:
    """Return the input of a call: its first argument, that named `input`, or the tensor whose method it is."""
    named = [keyword.value for keyword in node.keywords if keyword.arg == "input"]
    if found := [*node.args, *named]:
        return found[0]
    assert isinstance(node.func, ast.Attribute)
    return node.func.value


def own_build(network: ModuleNetwork, genome: Genome) -> str:
    """Return the body of `build`."""
    code, where = code_of(network), places(network)
    dims = {name: site.dim for name, site in activation_sites(network.converted.module).items()}
    entries = [f'"{where[s.site].name}": {site_text(s, dims[s.site])}' for s in genome.sites]
    fused = [
        f'made.get_submodule("{name}").activation_relu_or_gelu = 0\n'
        for name, module in network.converted.module.named_modules()
        if isinstance(module, nn.TransformerEncoderLayer)
    ]
    return BUILD.format(
        made=call(code.build, *(f"{name}={value!r}" for name, value in code.given.items())),
        activations="{\n" + textwrap.indent(",\n".join(entries), "    ") + ",\n}",
        fused="".join(fused),
    )
