"""The built-in networks as text in plain PyTorch, and the names of their tensors there."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from evoact.exports.activation_text import site_text
from evoact.exports.own_text import own_build, places
from evoact.exports.text import call
from evoact.genomes.genome import Genome
from evoact.networks.alexnet import CONVOLUTIONS, NORMALISED, POOLED, AlexNet
from evoact.networks.hamiltonian import Hamiltonian
from evoact.networks.kerasnet import KerasNet
from evoact.networks.lenet5 import LeNet5
from evoact.networks.mlp import MLP
from evoact.networks.network import Network
from evoact.networks.own.module_network import ModuleNetwork
from evoact.networks.resnet56 import Block, ResNet

Layers = Iterator[tuple[str, str]]  # names and texts


@dataclass(frozen=True)
class Parts:
    """The texts of one network's parts by the names of its tensors and sites."""

    network: Network
    genome: Genome

    def shape(self, name: str) -> tuple[int, ...]:
        return next(p.shape for p in self.network.parameters if p.name == name)

    def has(self, name: str) -> bool:
        return any(p.name == name for p in self.network.parameters)

    def site(self, name: str) -> str:
        return site_text(next(site for site in self.genome.sites if site.site == name))

    def convolution(self, name: str, groups: int = 1, **more: int) -> str:
        rows, inputs, size, _ = self.shape(f"{name}.weight")
        given = {**more, "groups": groups}
        usual = {"stride": 1, "padding": 0, "groups": 1}
        named = [f"{key}={value}" for key, value in given.items() if value != usual[key]]
        return call("nn.Conv2d", str(inputs * groups), str(rows), str(size), *named)

    def linear(self, name: str, separator: str = ".") -> str:
        rows, inputs = self.shape(f"{name}{separator}weight")
        return call("nn.Linear", str(inputs), str(rows))

    def dropout(self, rate: float) -> Iterator[str]:
        chosen = self.genome.settings.get("dropout", rate)
        if chosen:
            yield f"nn.Dropout({chosen!r})"


def build_text(network: Network, genome: Genome) -> str:
    """Return the body of a function that makes a network, without its weights."""
    if isinstance(network, ModuleNetwork):
        return own_build(network, genome)
    return f"return {network_text(network, genome)}"


def network_text(network: Network, genome: Genome) -> str:
    """Return the text that makes a built-in network, without its weights."""
    texts: Mapping[type[Any], Callable[[Any, Parts], str]] = {
        MLP: lambda n, parts: sequential(mlp(n, parts)),
        LeNet5: lambda n, parts: sequential(lenet5(parts)),
        KerasNet: lambda n, parts: sequential(kerasnet(n, parts)),
        AlexNet: lambda n, parts: sequential(alexnet(n, parts)),
        ResNet: lambda n, parts: sequential(resnet(n, parts)),
        Hamiltonian: lambda n, parts: call("Hamiltonian", sequential(mlp(n.energy, parts))),
    }
    return texts[type(network)](network, Parts(network, genome))


def sequential(layers: Layers) -> str:
    return call("nn.Sequential", call("OrderedDict", *(f"{name}={text}" for name, text in layers)))


def mlp(network: MLP, parts: Parts) -> Layers:
    yield "flatten", "nn.Flatten()"
    for i, (site, _) in enumerate(zip(network.layers, pairwise(network.widths), strict=True)):
        rows, inputs = parts.shape(f"weight{i}")
        bias = [] if parts.has(f"bias{i}") else ["bias=False"]
        yield f"linear{i}", call("nn.Linear", str(inputs), str(rows), *bias)
        if parts.has(f"norm{i}.scale"):
            yield f"norm{i}", call("nn.BatchNorm1d" if network.norm == "batch" else "nn.LayerNorm", str(rows))
        if site:
            yield site, parts.site(site)
        if site.startswith("hidden"):
            yield from ((f"dropout{i}", text) for text in parts.dropout(network.dropout))


def lenet5(parts: Parts) -> Layers:
    for name in ("conv1", "conv2"):
        yield name, parts.convolution(name)
        yield f"{name}_activation", parts.site(name)
        yield f"{name}_pool", "nn.MaxPool2d(2)"
    yield "flatten", "nn.Flatten()"
    yield "fc3", parts.linear("fc3")
    yield "fc3_activation", parts.site("fc3")
    yield "fc4", parts.linear("fc4")


def kerasnet(network: KerasNet, parts: Parts) -> Layers:
    for same, valid in (("conv1", "conv2"), ("conv3", "conv4")):
        for name, padding in ((same, 1), (valid, 0)):
            yield name, parts.convolution(name, padding=padding)
            yield f"{name}_activation", parts.site(name)
        yield f"{valid}_pool", "nn.MaxPool2d(2)"
        yield from ((f"{valid}_dropout", text) for text in parts.dropout(network.dropouts[0]))
    yield "flatten", "nn.Flatten()"
    yield "fc5", parts.linear("fc5")
    yield "fc5_activation", parts.site("fc5")
    yield from (("fc5_dropout", text) for text in parts.dropout(network.dropouts[1]))
    yield "fc6", parts.linear("fc6")


def alexnet(network: AlexNet, parts: Parts) -> Layers:
    for c in CONVOLUTIONS:
        yield c.name, parts.convolution(c.name, c.groups, stride=c.stride, padding=c.padding)
        yield f"{c.name}_activation", parts.site(c.name)
        if c.name in NORMALISED:
            yield f"{c.name}_norm", "nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)"
        if c.name in POOLED:
            yield f"{c.name}_pool", "nn.MaxPool2d(3, stride=2)"
    yield "flatten", "nn.Flatten()"
    for name in ("fc6", "fc7"):
        yield name, parts.linear(name)
        yield f"{name}_activation", parts.site(name)
        yield from ((f"{name}_dropout", text) for text in parts.dropout(network.dropout))
    yield "fc8", parts.linear("fc8")


def resnet(network: ResNet, parts: Parts) -> Layers:
    yield "conv0", parts.convolution("conv0", padding=1)
    yield "norm0", _norm(network, "norm0")
    yield "conv0_activation", parts.site("conv0")
    stages: dict[str, list[tuple[str, str]]] = {}
    for block in network.plan():
        stage, name = block.name.split(".")
        stages.setdefault(stage, []).append((name, _block(network, block, parts)))
    yield from ((stage, sequential(iter(blocks))) for stage, blocks in stages.items())
    yield "pool", "nn.AdaptiveAvgPool2d(1)"
    yield "flatten", "nn.Flatten()"
    yield "output", parts.linear("output")


def _block(network: ResNet, block: Block, parts: Parts) -> str:
    stride = 2 if block.widens else 1
    shortcut = []
    if block.widens:
        shortcut = [f"shortcut={parts.convolution(f'{block.name}.shortcut', stride=stride)}"]
    return call(
        "Block",
        f"conv1={parts.convolution(f'{block.name}.conv1', stride=stride, padding=1)}",
        f"norm1={_norm(network, f'{block.name}.norm1')}",
        f"inner={parts.site(block.inner)}",
        f"conv2={parts.convolution(f'{block.name}.conv2', padding=1)}",
        f"norm2={_norm(network, f'{block.name}.norm2')}",
        f"stream={parts.site(block.stream)}",
        *shortcut,
    )


def _norm(network: ResNet, name: str) -> str:
    rows = next(p.shape[0] for p in network.parameters if p.name == f"{name}.scale")
    named = {"eps": (network.norm_epsilon, 1e-5), "momentum": (network.norm_momentum, 0.1)}
    given = [f"{key}={value!r}" for key, (value, usual) in named.items() if value != usual]
    return call("nn.BatchNorm2d", str(rows), *given)


# --- names ------------------------------------------------------------------------------------------

_NORM = {"scale": "weight", "shift": "bias", "mean": "running_mean", "variance": "running_var"}
_AVERAGES = ("mean", "variance")


def state_name(network: Network, name: str) -> str:
    """Return the name in the module's state of a tensor that is no site's."""
    if isinstance(network, ModuleNetwork):
        layer, _, last = name.rpartition(".")
        return f"{layer}.{_NORM[last]}" if layer in network.batch_norms and last in _AVERAGES else name
    prefix = "energy." if isinstance(network, Hamiltonian) else ""
    if of_mlp := re.fullmatch(r"(weight|bias)(\d+)", name):
        return f"{prefix}linear{of_mlp[2]}.{of_mlp[1]}"
    layer, _, last = name.rpartition(".")
    return f"{layer}.{_NORM.get(last, last)}"


def site_names(network: Network) -> dict[str, str]:
    """Return the name of each site's module."""
    if isinstance(network, ModuleNetwork):
        return {site: place.name for site, place in places(network).items()}
    prefix = "energy." if isinstance(network, Hamiltonian) else ""
    layers = {p.name.rpartition(".")[0] for p in network.parameters}
    return {
        site.name: f"{prefix}{site.name}" + ("_activation" if site.name in layers else "")
        for site in network.sites
    }
