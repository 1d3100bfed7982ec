"""Plain PyTorch computes what packs do: every network with every kind of activation."""

import pytest
import torch

from evoact.exports.plain_network import built, fill, source, tensors_in
from evoact.genomes.activation import pieces
from evoact.genomes.kinds import Base
from evoact.training.forward_pass import initial_statistics
from evoact.training.members import initial_member, with_pieces_of
from tests.activations.examples import EXAMPLES
from tests.networks.examples import SMALL, TYPES, inputs, random_member, run, small


def both(name, types, seed=0):
    """Outputs of the pack and of the plain module, the module, and what made it."""
    network = small(name)
    member = random_member(network, seed, types)
    genome, whole = member.genome, with_pieces_of(network, member.genome)
    drawn = {key: value[None] for key, value in initial_member(member, network, 0).items()}
    statistics = initial_statistics(whole, 1, next(iter(drawn.values())))
    for value in statistics.values():
        value.uniform_(0.5, 1.5)
    x = inputs(name, 1)
    expected = run(whole, [member], drawn, statistics, x)[0]
    module = built(source(network, genome)).double().eval()
    tensors = {key: value[0].numpy() for key, value in (drawn | statistics).items()}
    fill(module, network, genome, tensors)
    return expected, module(x[0]), module, (network, genome, tensors)


@pytest.mark.parametrize("name", [name for name in SMALL if name != "recurrent"])
def test_every_network(name):
    expected, got, _, _ = both(name, TYPES)
    assert torch.allclose(got, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("activation", EXAMPLES, ids=lambda a: a.label)
def test_every_kind(activation, bend):
    # `bend` puts its curve into the current folder; the second type makes sites of mixed ones, in any order.
    name = "lenet5" if pieces(activation) > 1 else "mlp"
    for types in ((activation,), (Base("relu"), activation)):
        expected, got, _, _ = both(name, types)
        assert torch.allclose(got, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["mlp", "resnet56"])
def test_the_tensors_of_an_artifact_come_back(name):
    expected, _, module, (network, genome, tensors) = both(name, (Base("relu"), *EXAMPLES[2:5]))
    state = {key: value.float().numpy() for key, value in module.state_dict().items()}
    found = tensors_in(state, network, genome)
    assert {key: value.shape for key, value in found.items()} == {
        key: value.shape for key, value in tensors.items() if value.size
    }
    again = built(source(network, genome)).double().eval()
    fill(again, network, genome, found)
    x = inputs(name, 1)[0]
    assert torch.allclose(again(x), expected, atol=1e-4)
    del state[next(iter(state))]
    with pytest.raises(ValueError, match="Missing key"):
        tensors_in(state, network, genome)


def test_what_is_written_reads_naturally():
    network = small("mlp")
    genome = random_member(network, 0, (Base("relu"), Base("sin(3*x)"))).genome
    text = source(network, genome).text
    assert "linear0=nn.Linear(7, 6)" in text
    assert "(Rescaled(Sin(), b=3.0), " in text
    assert "evoact" not in text
    assert "class Gaussian" not in text  # what is not used is left out
