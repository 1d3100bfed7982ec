"""Averages of weights over the last steps: against a loop that keeps them all, in packs, on rungs, with batch norm."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from evoact.config.schema import Averaging
from evoact.errors import UserError
from evoact.genomes.genome import homogeneous
from evoact.genomes.kinds import Base
from evoact.networks import NETWORKS
from evoact.training.averaging import MOST, Average
from evoact.training.evaluation import settled
from evoact.training.loop import train_pack
from evoact.training.members import Member
from evoact.training.pack import TrainingSettings, averaged, start_pack, train_step
from tests.training.examples import image_task, member, network, task

pytestmark = pytest.mark.usefixtures("one_thread")
LAST = 0.3
SETTINGS = TrainingSettings(32, average=Average(LAST))


def kept(m, net, made, last):
    """The parameters after each of the last steps, in float64, by a training without averages."""
    pack = start_pack([m], net, made, TrainingSettings(32), 0, torch.device("cpu"))
    after = []
    for _ in range(m.steps):
        train_step(pack)
        after.append({name: p.detach()[0].double().numpy().copy() for name, p in pack.parameters.items()})
    return after[-max(1, math.floor(last * m.steps)) :]


@pytest.mark.parametrize("steps", [1, 3, 10, 40])
def test_it_is_the_mean_of_the_weights_after_the_last_steps(steps):
    net, made = network(), task()
    members = [member(i, net, steps) for i in range(7)]
    for m, outcome in zip(members, train_pack(members, net, made, SETTINGS, keep="all"), strict=True):
        after = kept(m, net, made, LAST)
        for name, value in outcome.learned.items():
            expected = np.mean([step[name][: len(value)] for step in after], axis=0)
            assert np.allclose(value, expected, rtol=1e-5, atol=1e-6), name
        assert steps < 10 or not np.array_equal(outcome.learned["weight0"], after[-1]["weight0"])


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop"])
def test_a_member_is_bit_equal_whatever_its_neighbours_and_their_lengths(optimizer):
    net, made = network(), task()
    settings = replace(SETTINGS, optimizer=optimizer)
    members = [member(i, net, steps) for i, steps in enumerate((12, 40, 1, 40, 23, 0))]
    together = train_pack(members, net, made, settings, keep="all")
    for part in (members[:1], members[1:4], members[4:], members[::-1]):
        for m, outcome in zip(part, train_pack(part, net, made, settings, keep="all"), strict=True):
            expected = together[members.index(m)]
            assert outcome.metrics == expected.metrics
            assert all(np.array_equal(v, expected.learned[n]) for n, v in outcome.learned.items())


def test_training_itself_is_untouched():
    net, made = network(), task()
    m = replace(member(2, net, 30), resumable=True)
    (ours,), (plain,) = (
        train_pack([m], net, made, settings, keep="all") for settings in (SETTINGS, TrainingSettings(32))
    )
    assert ours.train_loss == plain.train_loss
    assert all(np.array_equal(value, ours.checkpoint[name]) for name, value in plain.checkpoint.items())
    assert not np.array_equal(ours.learned["weight0"], plain.learned["weight0"])


@pytest.mark.parametrize("stop", [10, 15])
def test_a_promoted_member_averages_over_the_end_of_its_whole_training(stop):
    net, made = network(), task()
    settings = TrainingSettings(32, average=Average(MOST))
    members = [member(i, net, 30) for i in range(4)]
    whole = train_pack(members, net, made, settings, keep="all")
    halves = train_pack([replace(m, steps=stop, resumable=True) for m in members], net, made, settings)
    second = [replace(m, start=stop, checkpoint=h.checkpoint) for m, h in zip(members, halves, strict=True)]
    for ours, expected in zip(
        train_pack(second[::-1], net, made, settings, keep="all")[::-1], whole, strict=True
    ):
        assert ours.metrics == expected.metrics
        assert all(np.array_equal(v, expected.learned[n]) for n, v in ours.learned.items())


def test_statistics_of_batch_norm_are_those_of_the_averages():
    shape, classes = (3, 32, 32), 4
    net = NETWORKS["resnet56"](shape, classes, blocks=1)
    made = image_task(shape, classes, n=16)
    m = replace(member(0, net), steps=4)
    pack = start_pack([m], net, made, TrainingSettings(8, average=Average(MOST)), 0, torch.device("cpu"))
    for _ in range(4):
        train_step(pack)
    ours = settled(pack)
    bare = replace(averaged(pack), average=None, sums=[])
    assert all(torch.equal(ours.statistics[name], s) for name, s in settled(bare).statistics.items())
    raw = settled(replace(pack, average=None, sums=[]))
    assert any(not torch.equal(ours.statistics[name], s) for name, s in raw.statistics.items())


def test_points_of_learning_curves_are_of_the_averages_once_these_have_begun():
    net, made = network(), task(regression=True)
    settings = replace(SETTINGS, curve_every=10)
    (ours,) = train_pack([member(3, net, 40)], net, made, settings)
    (plain,) = train_pack([member(3, net, 40)], net, made, TrainingSettings(32, curve_every=10))
    before, after = ([p.val_metric for p in curve] for curve in (plain.curve, ours.curve))
    assert after[:2] == before[:2]
    assert after[-1] != before[-1]


def test_a_member_that_is_not_finite_diverged_and_harms_no_other():
    net, made = network(), task()
    settings = replace(SETTINGS, optimizer="sgd")
    wild = Member(homogeneous(Base("square"), net.sites, learning_rate=1e6), "wild-0", 0, 40)
    calm = [member(i, net, 40) for i in range(2)]
    outcomes = train_pack([calm[0], wild, calm[1]], net, made, settings)
    assert [o.state for o in outcomes] == ["completed", "diverged", "completed"]
    assert [o.metrics for o in outcomes[::2]] == [o.metrics for o in train_pack(calm, net, made, settings)]


@pytest.mark.parametrize("last", [0.0, -0.1, 0.51, math.nan])
def test_wrong_shares(last):
    with pytest.raises(UserError, match=r"above 0 and at most 0\.5"):
        Average(last)


def test_configs_allow_the_same_shares():
    assert Averaging(last=MOST).last == MOST
    with pytest.raises(ValueError, match=r"less than or equal to 0\.5"):
        Averaging(last=MOST + 0.01)
