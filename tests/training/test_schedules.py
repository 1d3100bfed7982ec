"""Schedules against their formulas and against PyTorch's; optimizers at a part of their rates."""

import math

import pytest
import torch

from evoact.errors import UserError
from evoact.genomes.genome import homogeneous
from evoact.genomes.kinds import Base
from evoact.training.members import Member
from evoact.training.optimizers import OPTIMIZERS
from evoact.training.pack import TrainingSettings, start_pack, train_step
from evoact.training.schedules import SCHEDULES
from tests.training.examples import network, task

ARGUMENTS = {
    "constant": {},
    "inverse_time": {"decay": 1e-2},
    "stepwise": {"every": 7, "factor": 0.5},
    "cosine": {"steps": 30, "floor": 0.1},
}


def reference(name, optimizer):
    schedulers = torch.optim.lr_scheduler
    return {
        "constant": lambda: schedulers.ConstantLR(optimizer, 1.0),
        "inverse_time": lambda: schedulers.LambdaLR(optimizer, lambda t: 1 / (1 + 1e-2 * t)),
        "stepwise": lambda: schedulers.StepLR(optimizer, 7, 0.5),
        "cosine": lambda: schedulers.CosineAnnealingLR(optimizer, 30, 0.1),
    }[name]()


@pytest.mark.parametrize("name", SCHEDULES)
def test_factors_are_those_of_pytorch(name):
    factor = SCHEDULES[name](**ARGUMENTS[name])
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = reference(name, optimizer)
    for update in range(31):
        assert factor(update) == pytest.approx(scheduler.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        scheduler.step()


def test_a_cosine_stays_at_its_floor():
    factor = SCHEDULES["cosine"](steps=10, floor=0.2)
    assert factor(10) == factor(1000) == pytest.approx(0.2)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_half_the_factor_is_half_the_rate(optimizer):
    generator = torch.Generator().manual_seed(0)
    start = [torch.randn(2, *shape, generator=generator) for shape in ((3, 5), (16,), (4, 8))]
    gradients = [torch.randn(p.shape, generator=generator) for p in start]
    ends = []
    for rate, factor in ((0.01, 1.0), (0.02, 0.5)):
        parameters = [p.clone() for p in start]
        made = OPTIMIZERS[optimizer](parameters, torch.tensor([rate, 3 * rate], dtype=torch.float64))
        for update in range(1, 4):
            made.update(gradients, made.coefficients(update, factor))
        ends.append(parameters)
    for p, a, b in zip(start, *ends, strict=True):
        assert torch.allclose(a, b, atol=1e-7)
        assert not torch.allclose(a, p, atol=1e-3)


def test_the_trainer_follows_the_schedule():
    net, made = network(), task()
    m = Member(homogeneous(Base("tanh"), net.sites, learning_rate=0.01), "m", 0, 1)
    settings = TrainingSettings(
        32, "sgd", schedule="stepwise", schedule_arguments={"every": 1, "factor": 1e-9}
    )
    pack = start_pack([m], net, made, settings, 0, torch.device("cpu"))
    values = [pack.parameters["weight0"].detach().clone()]
    for _ in range(2):
        train_step(pack)
        values.append(pack.parameters["weight0"].detach().clone())
    assert (values[1] - values[0]).abs().max() > 1e-5
    assert (values[2] - values[1]).abs().max() < 1e-9


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("inverse_time", {"decay": -1.0}),
        ("stepwise", {"every": 0}),
        ("stepwise", {"every": 5, "factor": 0.0}),
        ("cosine", {"steps": 0}),
        ("cosine", {"steps": 5, "floor": 2.0}),
        ("inverse_time", {"decay": math.nan}),
    ],
)
def test_impossible_schedules_are_refused(name, arguments):
    with pytest.raises(UserError, match=r"training\.schedule\."):
        SCHEDULES[name](**arguments)
