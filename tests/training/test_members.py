"""Neurons with several pre-activations and neurons that are not there, alone and in packs."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from evoact.activations.kinds.maxout import evaluate as maxout_value
from evoact.errors import UserError
from evoact.genomes.genome import Genome, SiteGenome, canonical, homogeneous
from evoact.genomes.kinds import Base, LpPool, Maxout, NetworkInNetwork, PReLU, ProbabilisticMaxout, Scaled
from evoact.networks import NETWORKS
from evoact.training.loop import train_pack
from evoact.training.members import Member, by_layout, initial_member, parameter_count, with_pieces_of
from evoact.training.pack import TrainingSettings, start_pack, train_step
from tests.training.examples import image_task, network, task

ABSENT = Base("absent")
RATE = (("learning_rate", 0.01),)


pytestmark = pytest.mark.usefixtures("one_thread")


def genome(net, *sites):
    """Each site given as (types, counts)."""
    made = []
    for site, (types, counts) in zip(net.sites, sites, strict=True):
        assignment = tuple(i for i, n in enumerate(counts) for _ in range(n))
        made.append(SiteGenome(site.name, types, assignment))
    return canonical(Genome(tuple(made), RATE), net.sites)


def members_of(net):
    """12 and 10 neurons; every way in which members can differ in layout."""
    return [
        Member(g, f"m{i}", i % 2, 6 + i)
        for i, g in enumerate(
            [
                homogeneous(Base("relu"), net.sites, learning_rate=0.01),
                genome(net, ((Maxout(3), Base("tanh")), (7, 5)), ((Base("sin"),), (10,))),
                genome(net, ((Maxout(2),), (12,)), ((ProbabilisticMaxout(3), LpPool(2, "neuron")), (4, 6))),
                genome(net, ((Base("relu"), ABSENT), (4, 8)), ((Base("tanh"), ABSENT), (9, 1))),
                genome(net, ((NetworkInNetwork(2), ABSENT), (5, 7)), ((PReLU(), Scaled("sin")), (5, 5))),
                genome(net, ((ProbabilisticMaxout(2), Base("3*sin(2*x)")), (6, 6)), ((LpPool(3),), (10,))),
            ]
        )
    ]


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_member_is_bit_equal_whatever_its_neighbours(optimizer):
    net, made, settings = network(), task(), TrainingSettings(31, optimizer)
    members = members_of(net)
    together = train_pack(members, net, made, settings, keep="all")
    assert [o.state for o in together] == ["completed"] * len(members)
    for part in (*([m] for m in members), members[2:5], members[::-1]):
        for m, outcome in zip(part, train_pack(part, net, made, settings, keep="all"), strict=True):
            expected = together[members.index(m)]
            assert outcome.metrics == expected.metrics
            assert outcome.n_parameters == expected.n_parameters
            assert outcome.learned.keys() == expected.learned.keys()
            for name, value in outcome.learned.items():
                assert np.array_equal(value, expected.learned[name]), name


def test_members_with_equal_pieces_are_one_pack():
    assert by_layout(members_of(network())) == [[0, 3], [1], [2, 5], [4]]


@pytest.mark.parametrize(
    ("optimizer", "settings"),
    [
        ("adam", ({"weight_decay": 0.0}, {"weight_decay": 0.1, "beta1": 0.5})),
        ("sgd", ({"momentum": 0.9}, {"momentum": 0.0}, {"momentum": 0.9, "weight_decay": 0.1})),
        ("rmsprop", ({"momentum": 0.0}, {"momentum": 0.5})),
    ],
)
def test_members_have_settings_of_the_optimizer_of_their_own(optimizer, settings):
    """As if all had been trained with them; what their genomes do not say is the pack's."""
    net, made, shared = network(hidden=(5,)), task(), {"weight_decay": 0.01}
    own = [settings[i % len(settings)] for i in range(5)]
    members = [
        Member(homogeneous(Base("tanh"), net.sites, learning_rate=0.01, **each), f"m{i}", i, 7 + i)
        for i, each in enumerate(own)
    ]
    plain = [replace(m, genome=homogeneous(Base("tanh"), net.sites, learning_rate=0.01)) for m in members]
    together = train_pack(members, net, made, TrainingSettings(16, optimizer, shared), keep="all")
    for m, each, outcome in zip(plain, own, together, strict=True):
        (alone,) = train_pack([m], net, made, TrainingSettings(16, optimizer, shared | each), keep="all")
        assert all(np.array_equal(alone.learned[name], value) for name, value in outcome.learned.items())
    assert not np.array_equal(together[0].learned["weight0"], together[1].learned["weight0"])


def test_maxout_takes_the_largest_of_its_neurons_rows():
    net = network(hidden=(4,))
    m = Member(homogeneous(Maxout(3), net.sites, learning_rate=0.01), "m", 0, 1)
    pack = start_pack([m], net, task(), TrainingSettings(16), 0, torch.device("cpu"))
    x = torch.randn(1, 5, 6)
    p = {name: value.detach()[0] for name, value in pack.parameters.items()}
    assert p["weight0"].shape == (12, 6)
    z = (p["weight0"] @ x[0].t() + p["bias0"]).view(4, 3, 5)
    hidden = maxout_value(
        Maxout(3), z.transpose(0, 1).reshape(1, 3, -1).contiguous(), torch.zeros(1, 0)
    ).view(4, 5)
    assert torch.allclose(hidden, z.amax(dim=1))
    expected = (p["weight1"] @ hidden + p["bias1"]).t()
    assert torch.allclose(pack.outputs(x)[0], expected, atol=1e-6)


def test_chance_acts_in_training_alone():
    net = network(hidden=(8,))
    m = Member(homogeneous(ProbabilisticMaxout(2), net.sites, learning_rate=0.01), "m", 0, 1)
    pack = start_pack([m], net, task(), TrainingSettings(16), 0, torch.device("cpu"))
    x = torch.randn(1, 40, 6)
    with torch.no_grad():
        assert torch.equal(pack.outputs(x), pack.outputs(x))
        trained = pack.outputs(x, training=True)
        assert torch.equal(trained, pack.outputs(x, training=True))  # of this step
        assert not torch.equal(trained, pack.outputs(x))
        pack.step += 1
        assert not torch.equal(trained, pack.outputs(x, training=True))


def test_a_network_with_absent_neurons_is_the_smaller_network():
    """Same weights where both have them, same training."""
    wide, narrow = network(hidden=(12, 10)), network(hidden=(4, 9))
    pruned = Member(
        genome(wide, ((Base("relu"), ABSENT), (4, 8)), ((Base("tanh"), ABSENT), (9, 1))), "m", 0, 30
    )
    plain = Member(genome(narrow, ((Base("relu"),), (4,)), ((Base("tanh"),), (9,))), "m", 0, 30)
    settings = TrainingSettings(32, "adam", dtype="float64")
    packs = [
        start_pack([m], n, task(), settings, 0, torch.device("cpu"))
        for m, n in ((pruned, wide), (plain, narrow))
    ]
    with torch.no_grad():
        for name, p in packs[1].parameters.items():
            if p.numel():
                p.copy_(packs[0].parameters[name][tuple(slice(0, n) for n in p.shape)])
    x = torch.randn(1, 7, 6, dtype=torch.float64)
    for _ in range(30):
        losses = [train_step(pack) for pack in packs]
        assert torch.allclose(*losses, atol=1e-12)
    assert torch.allclose(packs[0].outputs(x), packs[1].outputs(x), atol=1e-10)


def test_what_no_neuron_uses_is_zero_and_stays_zero():
    net = network()
    m = members_of(net)[3]
    (outcome,) = train_pack([m], net, task(), TrainingSettings(32), keep="all")
    assert not outcome.learned["weight0"][4:].any()
    assert not outcome.learned["weight1"][:, 4:].any()
    assert not outcome.learned["weight1"][9:].any()
    assert not outcome.learned["weight2"][:, 9:].any()
    assert outcome.learned["weight1"][:9, :4].all()


def test_parameters_of_absent_neurons_do_not_count():
    net = network(features=6, classes=3, hidden=(12, 10))
    count = parameter_count(members_of(net)[3].genome, net)
    assert count == parameter_count(
        homogeneous(Base("relu"), network(hidden=(4, 9)).sites), network(hidden=(4, 9))
    )
    maxout = genome(net, ((Maxout(3), Base("tanh")), (7, 5)), ((Base("sin"),), (10,)))
    assert parameter_count(maxout, net) == (7 * 3 + 5) * 7 + (12 + 1) * 10 + (10 + 1) * 3
    # The network of another pack, with room for more, changes nothing.
    assert parameter_count(maxout, net.with_pieces({"hidden0": 5})) == parameter_count(maxout, net)


def test_fewer_neurons_start_with_larger_weights():
    net = network(hidden=(1000, 10))
    start = initial_member(
        Member(genome(net, ((Base("relu"), ABSENT), (10, 990)), ((Base("tanh"),), (10,))), "m", 0, 1), net, 0
    )
    assert start["weight1"][:, :10].abs().max() > 0.2
    assert start["weight1"].abs().max() <= 1 / 10**0.5


def test_convolutions_have_pieces_and_absent_channels():
    net = NETWORKS["lenet5"]((1, 16, 16), 4, width=0.2)
    types = (Maxout(2), Base("relu"), ABSENT)
    sites = []
    for s in net.sites:
        assignment = tuple(min(2, i * 3 // s.neurons) for i in range(s.neurons))
        sites.append(SiteGenome(s.name, types, assignment))
    mixed = canonical(Genome(tuple(sites), RATE), net.sites)
    (kernels,) = (p for p in with_pieces_of(net, mixed).parameters if p.name == "conv1.weight")
    assert kernels.shape[0] == 2 * net.sites[0].neurons
    plain = homogeneous(Base("tanh"), net.sites, learning_rate=0.01)
    members = [Member(mixed, "a", 0, 3), Member(plain, "b", 1, 3)]
    settings, made = TrainingSettings(8), image_task((1, 16, 16), 4)
    together = train_pack(members, net, made, settings, keep="all")
    for m, expected in zip(members, together, strict=True):
        (alone,) = train_pack([m], net, made, settings, keep="all")
        assert alone.state == "completed"
        assert alone.metrics == expected.metrics
        assert all(np.array_equal(v, expected.learned[n]) for n, v in alone.learned.items())


def test_residual_streams_refuse_pieces():
    net = NETWORKS["resnet56"]((3, 8, 8), 4, width=0.5, blocks=1)
    with pytest.raises(UserError, match="piece"):
        with_pieces_of(net, homogeneous(Maxout(2), net.sites, learning_rate=0.01))
