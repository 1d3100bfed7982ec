"""People's own networks in plain PyTorch: their file, its activation calls handed over to modules."""

import ast
from pathlib import Path

import pytest
import torch

from evoact.errors import UserError
from evoact.exports.gathered import NoSource
from evoact.exports.own_text import handed_over
from evoact.exports.plain_network import PLAIN, built, fill, plain, source, tensors_in
from evoact.genomes.kinds import Base, Hull
from evoact.networks import NETWORKS
from evoact.networks.own.named import given_network, own
from evoact.training.forward_pass import initial_statistics
from evoact.training.members import initial_member
from tests.exports import own_models
from tests.networks.examples import random_member, run
from tests.networks.own import models

SHAPE, TYPES = (3, 4, 4), (Base("relu"), Base("sin"), Hull("convex", ("relu", "tanh"), "neuron"))
OWN = Path(__file__).with_name("own_models.py")


def both(network, make=source):
    member = random_member(network, 0, TYPES)
    drawn = {key: value[None] for key, value in initial_member(member, network, 0).items()}
    statistics = initial_statistics(network, 1, next(iter(drawn.values())))
    for value in statistics.values():
        value.uniform_(0.5, 1.5)
    x = (
        torch.randn(5, *network.input_shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        .abs()
        .clamp(max=1)
    )
    expected = run(network, [member], drawn, statistics, x[None])[0]
    if make is source:
        made = source(network, member.genome)
        module = built(made).double().eval()
    else:
        module, made = plain(network, member.genome)
        module.double().eval()
    fill(
        module, network, member.genome, {key: value[0].numpy() for key, value in (drawn | statistics).items()}
    )
    return expected, module(x), made


@pytest.mark.parametrize(
    ("file", "build", "arguments"),
    [
        (models.__file__, "sequential", {"width": 5}),
        (models.__file__, "Convolutional", {}),
        (models.__file__, "Tokens", {"dropout": 0.0}),
        (models.__file__, "Half", {}),
        (OWN, "load", {}),
    ],
)
def test_own_networks(file, build, arguments):
    expected, got, made = both(own(SHAPE, 3, str(file), build, arguments))
    assert torch.allclose(got, expected, rtol=1e-12, atol=1e-12)
    assert "evoact" not in made.text


@pytest.mark.parametrize(
    ("name", "shape", "arguments"),
    [
        ("resnet", (3, 8, 8), {"blocks": [1, 1], "width": 4}),
        ("transformer", (3, 8, 8), {"dim": 8, "depth": 1, "heads": 2, "gated": True}),
        ("gru", (5, 2), {"hidden": 4, "layers": 2}),
    ],
)
def test_networks_by_name_that_are_modules(name, shape, arguments):
    expected, got, made = both(NETWORKS[name](shape, 3, **arguments))
    assert torch.allclose(got, expected, rtol=1e-12, atol=1e-12)
    assert not made.own
    assert "evoact" not in PLAIN.file(made.text)


def as_object(model, **arguments):
    return own(SHAPE, 3, given=given_network(model)["given"], arguments=arguments)


@pytest.mark.parametrize(
    ("model", "arguments", "lines"),
    [
        (models.sequential, {"width": 5}, ["def sequential(width=6):", "from torch import nn"]),
        (models.Convolutional, {}, ["class Convolutional(nn.Module):", "import torch.nn.functional as F"]),
        (models.Tokens, {"dropout": 0.0}, ["class Tokens(nn.Module):"]),
        (own_models.ByName, {}, ["class ByName(nn.Module):", "self.tanh_site0(h)"]),
    ],
)
def test_objects_of_a_program(model, arguments, lines):
    """Of their file what they need is taken; calls by name are handed over in it."""
    expected, got, made = both(as_object(model, **arguments))
    assert torch.allclose(got, expected, rtol=1e-12, atol=1e-12)
    assert all(line in made.own for line in lines)
    assert "class Noisy" not in made.own
    assert "class Looped" not in made.own


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (models.Convolutional(3), "a function that builds Convolutional to write its source, got the module"),
        (lambda: models.sequential(5), "a function or a class of somebody's file, got a lambda"),
        (own_models.Looped, "to export Looped, got relu_site1 in a loop, a function or a library"),
    ],
)
def test_without_a_source(model, words):
    """The network as the process has it computes the same, and its state comes back."""
    network = as_object(model)
    expected, got, made = both(network, plain)
    assert isinstance(made, NoSource)
    assert words in str(made)
    assert torch.allclose(got, expected, rtol=1e-12, atol=1e-12)
    genome = random_member(network, 0, TYPES).genome
    module, _ = plain(network, genome)
    state = {key: value.numpy() for key, value in module.state_dict().items()}
    assert tensors_in(state, network, genome).keys() >= {p.name for p in network.parameters}


def test_a_file_whose_names_an_export_has_too():
    _, _, made = both(own(SHAPE, 3, str(OWN), "load"))
    text = PLAIN.file("def load() -> nn.Module:\n    return build()\n\n\n" + made.text, made.own)
    assert "def load_of_export() -> nn.Module:" in text
    assert "made = load()" in text
    ast.parse(text)


def test_calls_are_handed_over_in_place():
    text = "a = f(x, y)\nb = g(\n    h(z).relu(),\n    3,\n)\n"
    calls = {(1, 4, 1, 11): "first", (2, 4, 5, 1): "last", (3, 4, 3, 15): "inner"}
    assert handed_over(text, calls) == "a = self.first(x)\nb = self.last(self.inner(h(z)))\n"


@pytest.mark.parametrize(
    ("file", "build", "match"),
    [
        (OWN, "Looped", "expected activation calls that stand once, in the forward of their own module"),
        (
            Path(models.__file__).with_name("shadowing.py"),
            "make",
            "expected the name Tensor in the network's file to be",
        ),
    ],
)
def test_what_cannot_be_written(file, build, match, tmp_path):
    if not file.exists():
        file = tmp_path / "shadowing.py"
        file.write_text(
            "from torch import nn\nTensor = int\n"
            "def make():\n    return nn.Sequential(nn.Flatten(), nn.Linear(48, 3), nn.ReLU(), nn.Linear(3, 3))\n"
        )
    with pytest.raises(UserError, match=match):
        both(own(SHAPE, 3, str(file), build))
