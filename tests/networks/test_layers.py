"""The convolutional networks with relu against ordinary PyTorch modules: outputs, gradients, statistics.

The statistics of batch norms are those of PyTorch's own `update_bn`, over the last batches of training.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torch.optim.swa_utils import update_bn

from evoact.genomes.genome import homogeneous
from evoact.genomes.kinds import Base
from evoact.training.loop import train_pack
from evoact.training.members import Member
from evoact.training.pack import TrainingSettings, start_pack
from tests.networks import plain
from tests.networks.examples import SMALL, inputs, run, small, tensors
from tests.training.examples import image_task

MODULES = {
    "lenet5": lambda net: plain.LeNet5(2, 3, 6, net.widths),
    "kerasnet": lambda net: plain.KerasNet(3, 4, 6, net.widths),
    "resnet56": lambda net: plain.ResNet(3, 4, 2, net.channels),
    "alexnet": lambda net: plain.AlexNet(3, 5, 2, net.widths),
}


def relu_members(net, k):
    genome = homogeneous(Base("relu"), net.sites, learning_rate=0.1)
    return [Member(genome, f"m{i}", 0, 3) for i in range(k)]


# In training, networks with dropout draw other masks than PyTorch's; dropout is tested by itself.
MODES = [(name, False) for name in MODULES] + [("lenet5", True), ("resnet56", True)]


@pytest.mark.parametrize(("name", "training"), MODES)
def test_outputs_and_gradients(name, training):
    net = small(name)
    members = relu_members(net, 2)
    parameters, statistics = tensors(net, members)
    x = inputs(name, 2)
    y = torch.arange(5) % SMALL[name][1]
    modules = []
    for k in range(2):
        module = MODULES[name](net).double().train(training)
        modules.append(plain.load(module, {n: v[k] for n, v in (parameters | statistics).items()}))
    for p in parameters.values():
        p.requires_grad_()
    outputs = run(net, members, parameters, statistics, x, training)
    losses = torch.stack([F.cross_entropy(o, y) for o in outputs])
    gradients = dict(
        zip(parameters, torch.autograd.grad(losses.sum(), list(parameters.values())), strict=True)
    )
    for k, module in enumerate(modules):
        expected = module(x[k])
        assert torch.allclose(outputs[k], expected, atol=1e-12)
        F.cross_entropy(expected, y).backward()
        references = dict(module.named_parameters())
        for n, g in gradients.items():
            reference = references[plain.plain_name(n)].grad
            assert torch.allclose(g[k].view(reference.shape), reference, atol=1e-12), n


@pytest.mark.slow
@pytest.mark.parametrize(("name", "steps"), [("lenet5", 3), ("resnet56", 3), ("resnet56", 50)])
def test_training_equals_plain_training(name, steps):
    net, made = small(name), image_task(SMALL[name][0], SMALL[name][1])
    settings = TrainingSettings(16, "sgd", {"momentum": 0.9}, "float64", "stepwise", {"every": 2})
    members = [replace(m, steps=steps) for m in relu_members(net, 2)]
    outcomes = train_pack(members, net, made, settings, keep="all")
    pack = start_pack(members, net, made, settings, 0, torch.device("cpu"))
    for k, outcome in enumerate(outcomes):
        start = {n: v[k].detach() for n, v in (pack.parameters | pack.statistics).items()}
        start = {n: v for n, v in start.items() if not n.endswith(".activation")}
        module = plain.load(MODULES[name](net).double(), start)
        optimizer = torch.optim.SGD(module.parameters(), 0.1, momentum=0.9)
        schedule = torch.optim.lr_scheduler.StepLR(optimizer, 2, gamma=0.1)
        for step in range(steps):
            x, y = pack.batches([0], step)
            optimizer.zero_grad()
            F.cross_entropy(module(x[0]), y[0]).backward()
            optimizer.step()
            schedule.step()
        update_bn([pack.batches([0], step)[0][0] for step in range(max(0, steps - 10), steps)], module)
        state = module.state_dict()
        for n, value in outcome.learned.items():
            expected = state[plain.plain_name(n)].numpy()
            assert np.allclose(value.reshape(expected.shape), expected, atol=1e-10), n
        validation = made.splits()["validation"]
        module.eval()
        with torch.no_grad():
            chosen = module(torch.as_tensor(validation.inputs).double()).argmax(1).numpy()
        assert outcome.metrics["validation"] == pytest.approx(float((chosen == validation.targets).mean()))
