"""Training on another device than the CPU, where there is none: PyTorch's device `meta` computes shapes alone, but
refuses to mix its tensors with the CPU's, as a GPU does."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from evoact.genomes.genome import SiteGenome
from evoact.genomes.kinds import ProbabilisticMaxout
from evoact.networks import NETWORKS
from evoact.tasks.images import ImageTask
from evoact.training.early_stop import EarlyStop
from evoact.training.members import by_layout
from evoact.training.optimizers import OPTIMIZERS
from evoact.training.pack import TrainingSettings, keep_members, start_pack, train_step
from tests.activations.examples import EXAMPLES
from tests.networks.examples import SMALL, small
from tests.training.examples import ACTIVATIONS, image_task, member, network, task
from tests.training.test_forward_pass import diverse, task_for

META = torch.device("meta")


def step(members, net, made, settings):
    pack = start_pack(members, net, made, settings, 0, META)
    for _ in range(2):
        losses = train_step(pack)
    assert losses.device == META
    assert losses.shape == (len(members),)
    if len(members) > 1:
        assert train_step(keep_members(pack, [0])).shape == (1,)


def test_meta_refuses_what_lies_on_the_cpu():
    """Or this file would show nothing."""
    with pytest.raises(RuntimeError, match="device"):
        torch.ones(2, device=META) * torch.ones(2)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizers(optimizer):
    net, settings = network(), TrainingSettings(32, optimizer, early_stop=EarlyStop(5, 2))
    step([member(i, net, 5, ACTIVATIONS) for i in range(4)], net, task(), settings)


# Dropout and probabilistic maxout draw from generators, which this device has none of.
@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(({*NETWORKS} & {*SMALL}) - {"kerasnet", "alexnet"}))
def test_networks(name):
    net = small(name)
    members = diverse(net, 4)
    for group in by_layout(members):
        step([members[i] for i in group], net, task_for(name), TrainingSettings(15))


@pytest.mark.usefixtures("bend")
@pytest.mark.parametrize(
    "activation", [a for a in EXAMPLES if not isinstance(a, ProbabilisticMaxout)], ids=lambda a: a.label
)
def test_families(activation):
    net = network()
    first = member(0, net, 5, ACTIVATIONS)
    sites = tuple(SiteGenome(s.name, (activation,), (0,) * s.neurons) for s in net.sites)
    two = [replace(first, genome=replace(first.genome, sites=sites), name=f"m{i}", seed=i) for i in range(2)]
    step(two, net, task(), TrainingSettings(32))


def test_augmented_images():
    shape, outputs, _ = SMALL["lenet5"]
    plain = image_task(shape, outputs)
    data = {
        k: replace(s, inputs=(s.inputs * 20 + 128).clip(0, 255).astype(np.uint8))
        for k, s in plain.splits().items()
    }
    made = ImageTask(shape, outputs, lambda: data, (0.3,) * 2, (0.4,) * 2, True, (0, 0), "edge")
    net = small("lenet5")
    step(diverse(net, 2), net, made, TrainingSettings(15))
