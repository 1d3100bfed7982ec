"""Confirmed networks come back as they were, and what is read off them."""

import numpy as np
import pytest
import torch

from evoact.analysis.participation_ratio import participation_ratio
from evoact.analysis.trained import Trained, participation
from evoact.errors import UserError
from evoact.genomes.genome import Genome as G
from evoact.genomes.genome import homogeneous, shared_out
from evoact.genomes.kinds import Base, Captured, Hull, Maxout, Subnetwork
from evoact.networks.lenet5 import lenet5
from evoact.networks.mlp import mlp
from evoact.records import COMPLETED
from evoact.training.loop import train_pack
from evoact.training.members import Member
from evoact.training.pack import TrainingSettings
from tests.networks.recurrent import recurrent
from tests.training.examples import image_task, task

TYPES = (
    Hull("affine", ("sin", "tanh"), "neuron"),
    Subnetwork("sin", 3),
    Captured("c", -3.0, 3.0, (0.0, 1.0, 0.5, -1.0, 0.0), "cubic"),
    Base("relu"),
)


def trained(net, genome, made, seeds=3):
    members = [Member(genome, f"m{i}", i, 15) for i in range(seeds)]
    outcomes = train_pack(members, net, made, TrainingSettings(20), keep="all")
    assert all(o.state == COMPLETED for o in outcomes)
    return Trained(genome, [o.learned for o in outcomes], net), outcomes


@pytest.mark.parametrize("types", [TYPES, (Maxout(2),), (Base("sin"),)], ids=len)
def test_they_give_the_metrics_they_had(types):
    net, made = mlp((6,), 3, hidden=[8]), task()
    genome = G(tuple(shared_out(s, types) for s in net.sites), (("learning_rate", 0.05),))
    networks, outcomes = trained(net, genome, made)
    split = made.splits()["validation"]
    outputs = networks.outputs(torch.as_tensor(split.inputs)[None])
    found = (outputs.argmax(dim=2).numpy() == split.targets).mean(axis=1)
    assert found == pytest.approx([o.metrics["validation"] for o in outcomes], abs=0.011)


def test_activity_and_its_participation_ratio():
    net, made = mlp((6,), 3, hidden=[7, 5]), task()
    networks, _ = trained(net, homogeneous(Base("tanh"), net.sites, learning_rate=0.05), made)
    inputs = torch.as_tensor(made.splits()["validation"].inputs).double()
    one = {k: torch.as_tensor(v).double() for k, v in networks.learned[1].items()}
    first = torch.tanh(one["weight0"] @ inputs.T + one["bias0"])
    last = torch.tanh(one["weight1"] @ first + one["bias1"])
    assert torch.allclose(networks.activity("hidden0", inputs[None])[1], first)
    assert torch.allclose(networks.activity("hidden1", inputs[None])[1], last)
    found = participation(networks, made)
    assert len(found) == 3
    assert found[1] == pytest.approx(participation_ratio(last.numpy()), rel=1e-5)
    assert all(1 <= ratio <= 5 for ratio in found)


def test_channels_count_at_all_positions():
    net, made = lenet5((1, 16, 16), 3, width=0.1), image_task((1, 16, 16), 3)
    networks, _ = trained(net, homogeneous(Base("relu"), net.sites, learning_rate=0.01), made, seeds=1)
    (ratio,) = participation(networks, made)
    assert 1 <= ratio <= next(s.neurons for s in net.sites if s.name == net.sites[-1].name)


def test_a_site_that_is_activated_several_times_counts_at_all_of_them():
    net, made = recurrent((5, 3), 4, neurons=6), image_task((5, 3), 4)
    networks, _ = trained(net, homogeneous(Base("tanh"), net.sites, learning_rate=0.01), made, seeds=2)
    inputs = torch.as_tensor(made.splits()["validation"].inputs).double()
    activity = networks.activity("state", inputs[None])
    assert activity.shape == (2, 6, 5 * len(inputs))
    outputs = networks.outputs(inputs[None])
    last = activity[0, :, -len(inputs) :]
    one = {k: torch.as_tensor(v).double() for k, v in networks.learned[0].items()}
    assert torch.allclose((one["output.weight"] @ last + one["output.bias"]).T, outputs[0])
    assert all(1 <= ratio <= 6 for ratio in participation(networks, made))


def test_neurons_that_never_vary_have_no_ratio():
    net, made = mlp((6,), 3, hidden=[4]), task()
    networks, _ = trained(net, homogeneous(Base("zero"), net.sites, learning_rate=0.05), made, seeds=1)
    assert participation(networks, made) == [None]


def test_a_network_without_its_weights():
    net = mlp((6,), 3, hidden=[4])
    genome = homogeneous(Base("sin"), net.sites, learning_rate=0.05)
    with pytest.raises(
        UserError, match="got none for bias0, bias1, weight1; confirmed networks keep them all"
    ):
        Trained(genome, [{"weight0": np.zeros((4, 6))}], net)
