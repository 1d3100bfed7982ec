"""A trained network as plain PyTorch: the source that makes it, and its weights."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from evoact.activations.kinds import site_count
from evoact.exports import plain as plain_modules
from evoact.exports.activation_text import fixed_in, plugged_code, site_text, trained_in
from evoact.exports.gathered import NoSource
from evoact.exports.network_text import build_text, site_names, state_name
from evoact.exports.own_text import code_of, own_file
from evoact.exports.text import TAKEN, Definitions
from evoact.genomes.genome import Genome
from evoact.networks.network import Network
from evoact.networks.own.conversion import EXAMPLES
from evoact.networks.own.module_network import ModuleNetwork
from evoact.networks.own.source import build_function
from evoact.nn import activation_sites, heterogenize
from evoact.training.members import with_pieces_of

PLAIN = Definitions(sorted(Path(plain_modules.__path__[0]).glob("[!_]*.py")))
BUILD = '''def build() -> nn.Module:
    """Return the network with the weights that layers start with."""
    {text}'''


@dataclass(frozen=True)
class Source:
    """The source of a function `build` that makes a network with a genome's activations, and of all that it needs;
    `own` is people's own file before it, empty for a built-in network, and `plain` what the texts are made of."""

    own: str
    text: str
    plain: Definitions = PLAIN


def source(network: Network, genome: Genome) -> Source:
    """Return what makes a network."""
    network = with_pieces_of(network, genome)
    build = BUILD.format(text=build_text(network, genome).replace("\n", "\n    "))
    own = code_of(network).files.values() if isinstance(network, ModuleNetwork) else ()
    plain = _definitions(genome, own)
    parts = [*plain.needed_by(build), build]
    if not isinstance(network, ModuleNetwork):
        return Source("", "\n\n\n".join(parts), plain)
    text = own_file(network)
    if code_of(network).files:
        return Source(text, "\n\n\n".join(parts), plain)
    return Source("", "\n\n\n".join([text, *parts]), plain)


def _definitions(genome: Genome, own: Collection[str] = ()) -> Definitions:
    """Return what a genome's activations are made of, but for what is in people's own texts."""
    definitions = PLAIN
    for text, name in plugged_code(genome):
        definitions = definitions if text in own else definitions.with_part(text, name)
    return definitions


def plain(network: Network, genome: Genome) -> tuple[nn.Module, Source | NoSource]:
    """Return a network in plain PyTorch, and its source, or why it has none."""
    try:
        made = source(network, genome)
    except NoSource as error:
        assert isinstance(network, ModuleNetwork)
        return assembled(network, genome), error
    return built(made), made


def built(made: Source) -> nn.Module:
    """Return the network that a source makes."""
    text = made.plain.file(made.text, made.own)
    name = f"build{TAKEN}" if f"\ndef build{TAKEN}(" in text else "build"
    network: nn.Module = build_function("model.py", text, name)()
    return network


def assembled(network: ModuleNetwork, genome: Genome) -> nn.Module:
    """Return people's own network with a genome's activations, as the process has it: without a source."""
    recipe, inputs = network.recipe, torch.zeros(EXAMPLES, *network.input_shape)
    made, _ = heterogenize(recipe(0).train(), inputs, network.also, symmetry=False)
    sites = activation_sites(made)
    texts = [f'    "{site.site}": {site_text(site, sites[site.site].dim)},' for site in genome.sites]
    text = "\n".join(["def build() -> dict:", "    return {", *texts, "    }"])
    definitions = _definitions(genome)
    whole = definitions.file("\n\n\n".join([*definitions.needed_by(text), text]))
    activations = build_function("activations.py", whole, "build")
    for name, activation in activations().items():
        sites[name].mixture = activation
    return made


def _site_names(module: nn.Module, network: Network) -> dict[str, str]:
    """Return the name of each site's module in what `source` or `assembled` made."""
    mixed = activation_sites(module)
    return {name: f"{name}.mixture" for name in mixed} if mixed else site_names(network)


def fill(module: nn.Module, network: Network, genome: Genome, tensors: Mapping[str, np.ndarray]) -> None:
    """Give a module that `source` or `assembled` makes its weights: the tensors of an artifact."""
    network = with_pieces_of(network, genome)
    with torch.no_grad():
        for own, name, places in _trained(module, network, genome):
            values = tensors[name] if places is None else tensors[name][places]
            own.copy_(torch.as_tensor(values).reshape(own.shape))
        if isinstance(network, ModuleNetwork):
            buffers = dict(network.converted.module.named_buffers())
            averages = tuple(f"{norm}.running_" for norm in network.batch_norms)
            for name, own in module.named_buffers():
                if name in buffers and not name.startswith(averages):
                    own.copy_(buffers[name])
        modules = _site_names(module, network)
        for site in genome.sites:
            for own, numbers in fixed_in(module.get_submodule(modules[site.site]), site):
                own.copy_(torch.tensor(numbers))


def tensors_in(state: Mapping[str, np.ndarray], network: Network, genome: Genome) -> dict[str, np.ndarray]:
    """Return the tensors of an artifact that are in the state of such a module.

    Raises:
        ValueError: if it is the state of another.
    """
    network = with_pieces_of(network, genome)
    module, _ = plain(network, genome)
    try:
        module.load_state_dict({name: torch.tensor(values) for name, values in state.items()})
    except RuntimeError as error:
        raise ValueError(str(error).splitlines()[-1].strip()) from None
    found = {f"{site.site}.activation": np.zeros(site_count(site), np.float32) for site in genome.sites}
    shapes = {p.name: p.shape for p in network.parameters}
    for own, name, places in _trained(module, network, genome):
        values = own.detach().numpy()
        if places is None:
            found[name] = values.reshape(shapes.get(name, values.shape))
        else:
            found[name][places] = values
    return {name: values for name, values in found.items() if values.size}


def _trained(
    module: nn.Module, network: Network, genome: Genome
) -> Iterator[tuple[Tensor, str, np.ndarray | None]]:
    """Yield the tensors of a module that training makes, each with its name in the artifact and, of a site, the places
    of its numbers there.
    """
    state = dict(module.named_parameters()) | dict(module.named_buffers())
    averages = [f"{norm}.{what}" for norm in network.batch_norms for what in ("mean", "variance")]
    for name in (*(p.name for p in network.parameters), *averages):
        yield state[state_name(network, name)], name, None
    modules = _site_names(module, network)
    for site in genome.sites:
        for own, places in trained_in(module.get_submodule(modules[site.site]), site):
            yield own, f"{site.site}.activation", places
