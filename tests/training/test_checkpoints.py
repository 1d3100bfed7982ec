"""Going on from a checkpoint against training without a stop: the same bits."""

from dataclasses import replace

import numpy as np
import pytest

from evoact.networks import NETWORKS
from evoact.training.loop import train_pack
from evoact.training.pack import TrainingSettings
from tests.training.examples import image_task, member, network, task

STOP, END = 13, 30
OPTIMIZERS = [
    ("adam", {}),
    ("sgd", {"momentum": 0.9}),
    ("sgd", {}),
    ("rmsprop", {"momentum": 0.5, "weight_decay": 0.01}),
]


def in_two_parts(members, net, data, settings, stop, **more):
    """Outcomes of the second part, whose pack is ordered the other way round."""
    first = [replace(m, steps=stop, resumable=True) for m in members]
    halves = train_pack(first, net, data, settings, **more)
    assert all(h.steps_run == stop for h in halves)
    second = [replace(m, start=stop, checkpoint=h.checkpoint) for m, h in zip(members, halves, strict=True)]
    return train_pack(second[::-1], net, data, settings, **more)[::-1]


def assert_same(ours, whole, spent):
    for a, b in zip(ours, whole, strict=True):
        assert (a.state, a.metrics, a.train_loss) == ("completed", b.metrics, b.train_loss)
        assert a.steps_run == spent
        assert a.learned.keys() == b.learned.keys()
        assert all(np.array_equal(a.learned[name], b.learned[name]) for name in a.learned)


@pytest.mark.parametrize(("optimizer", "arguments"), OPTIMIZERS)
def test_the_same_bits(optimizer, arguments):
    """Members with and without trained activations, padded differently before and after."""
    net, data = network(), task()
    members = [replace(member(i, net), steps=END) for i in range(5)]
    settings = TrainingSettings(
        32, optimizer, arguments, schedule="inverse_time", schedule_arguments={"decay": 0.1}
    )
    whole = train_pack(members, net, data, settings, keep="all")
    assert not whole[0].checkpoint
    assert_same(in_two_parts(members, net, data, settings, STOP, keep="all"), whole, END - STOP)
    alone = in_two_parts(members[:1], net, data, settings, STOP, keep="all")
    assert_same(alone, whole[:1], END - STOP)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["kerasnet", "resnet56"])
def test_dropout_and_running_statistics(name):
    shape, classes = (3, 32, 32), 4
    data = image_task(shape, classes, n=16)
    net = NETWORKS[name](shape, classes) if name == "kerasnet" else NETWORKS[name](shape, classes, blocks=1)
    members = [replace(member(i, net), steps=3) for i in range(2)]
    settings = TrainingSettings(8)
    whole = train_pack(members, net, data, settings, keep="all")
    assert_same(in_two_parts(members, net, data, settings, 1, keep="all"), whole, 2)


def test_members_at_different_steps_are_packs_of_their_own():
    """One that goes on and one that starts, told as one pack."""
    net, data, settings = network(), task(), TrainingSettings(32)
    one, other = (replace(member(i, net), steps=END) for i in range(2))
    (half,) = train_pack([replace(one, steps=STOP, resumable=True)], net, data, settings)
    ours = train_pack([replace(one, start=STOP, checkpoint=half.checkpoint), other], net, data, settings)
    assert [o.steps_run for o in ours] == [END - STOP, END]
    whole = train_pack([one, other], net, data, settings)
    assert [o.metrics for o in ours] == [o.metrics for o in whole]


def test_what_diverged_leaves_no_checkpoint():
    net = network()
    far = member(0, net)
    genome = replace(far.genome, hyperparameters=(("learning_rate", 1e30),))
    settings = TrainingSettings(32, "sgd")
    (outcome,) = train_pack([replace(far, genome=genome, resumable=True)], net, task(), settings)
    assert (outcome.state, outcome.checkpoint) == ("diverged", {})
