"""Every network in packs: a member bit for bit alone, dropout, statistics of batch norms."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from evoact.errors import UserError
from evoact.genomes.genome import homogeneous
from evoact.genomes.kinds import Base, Hull, Subnetwork
from evoact.native.convolution import Window
from evoact.networks import NETWORKS
from evoact.networks import layers as packed_layers
from evoact.networks.convolution import convolution
from evoact.training.evaluation import settled
from evoact.training.forward_pass import Chance
from evoact.training.loop import train_pack
from evoact.training.members import Member
from evoact.training.pack import TrainingSettings, start_pack, train_step
from tests.networks.examples import SMALL, random_member, small
from tests.training.examples import image_task, task

TYPES = (Base("tanh"), Hull("affine", ("identity", "relu")), Hull("convex", ("sin", "relu"), "neuron"))
CPU = torch.device("cpu")


pytestmark = pytest.mark.usefixtures("one_thread")


def task_for(name):
    shape, outputs, _ = SMALL[name]
    if name == "hamiltonian":
        return task(features=4, classes=4, regression=True)
    return image_task(shape, outputs)


def diverse(net, k, steps=(2, 3)):
    made = [random_member(net, i, (*TYPES, Subnetwork("sin", 3)) if i % 2 else TYPES) for i in range(k)]
    return [replace(m, seed=i % 2, steps=steps[i % len(steps)]) for i, m in enumerate(made)]


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
@pytest.mark.parametrize("name", SMALL)
def test_a_member_is_bit_equal_whatever_its_neighbours(name, optimizer):
    net, made = small(name), task_for(name)
    settings = TrainingSettings(15, optimizer, schedule="inverse_time", schedule_arguments={"decay": 0.1})
    members = diverse(net, 4)
    together = train_pack(members, net, made, settings, keep="all")
    assert [o.state for o in together] == ["completed"] * 4
    for part in (members[1:2], members[2:4], members[::-1]):
        for m, outcome in zip(part, train_pack(part, net, made, settings, keep="all"), strict=True):
            expected = together[members.index(m)]
            assert outcome.metrics == expected.metrics
            assert outcome.train_loss == expected.train_loss
            assert outcome.learned.keys() == expected.learned.keys()
            for n, value in outcome.learned.items():
                assert np.array_equal(value, expected.learned[n]), n


def test_the_published_lenet_is_bit_equal_in_a_pack():
    net, made = NETWORKS["lenet5"]((1, 28, 28), 10), image_task((1, 28, 28), 10, n=64)
    members = diverse(net, 3, steps=(2,))
    together = train_pack(members, net, made, TrainingSettings(32, "rmsprop"), keep="all")
    (alone,) = train_pack(members[1:2], net, made, TrainingSettings(32, "rmsprop"), keep="all")
    assert alone.metrics == together[1].metrics
    assert all(np.array_equal(v, together[1].learned[n]) for n, v in alone.learned.items())


def test_how_adam_rounds_does_not_depend_on_the_neighbours_activation_parameters():
    """13 parameters alone, padded to 16 beside the other: by themselves the fused kernel takes the latter alone."""
    net, made = NETWORKS["mlp"]((6,), 3, hidden=[8]), task()
    thirteen, sixteen = Subnetwork("sin", 4), Hull("linear", ("sin", "cos"), "neuron")
    members = [
        Member(homogeneous(a, net.sites, learning_rate=0.01), f"m{i}", 0, 30)
        for i, a in enumerate((thirteen, sixteen))
    ]
    together = train_pack(members, net, made, TrainingSettings(32), keep="all")
    for m, expected in zip(members, together, strict=True):
        (alone,) = train_pack([m], net, made, TrainingSettings(32), keep="all")
        assert all(np.array_equal(v, expected.learned[n]) for n, v in alone.learned.items())


# --- dropout ------------------------------------------------------------------------------------


def masks(names, step=0, run_seed=0):
    return Chance(run_seed, names, step, CPU)


def dropped(source, rate=0.25, shape=(7, 40)):
    h = torch.ones(len(source.names), *shape)
    return packed_layers.dropout(h, [rate] * len(h), source.generators)


@pytest.mark.parametrize("rate", [0.25, 0.5])
def test_dropout_has_its_rate_and_keeps_the_mean(rate):
    h = dropped(masks(["a", "b"]), rate, (100, 1000))
    for member in h:
        assert float((member == 0).double().mean()) == pytest.approx(rate, abs=0.01)
    assert h.unique().tolist() == pytest.approx([0.0, 1 / (1 - rate)])


def test_masks_depend_on_run_member_and_step_alone():
    together = dropped(masks(["a", "b", "c"]))
    assert torch.equal(dropped(masks(["b"]))[0], together[1])
    assert torch.equal(dropped(masks(["c", "a"]))[1], together[0])
    assert not torch.equal(together[0], together[1])
    assert not torch.equal(dropped(masks(["a"], step=1))[0], together[0])
    assert not torch.equal(dropped(masks(["a"], run_seed=1))[0], together[0])


def test_the_layers_of_a_pass_draw_different_masks():
    source = masks(["a"])
    assert not torch.equal(dropped(source), dropped(source))


def test_dropout_acts_in_training_alone():
    net = small("kerasnet")
    pack = start_pack(diverse(net, 2), net, task_for("kerasnet"), TrainingSettings(8), 0, CPU)
    x, _ = pack.batches([0, 1], 0)
    with torch.no_grad():
        evaluated = [pack.outputs(x) for _ in range(2)]
        trained = [pack.outputs(x, training=True) for _ in range(2)]
        pack.step += 1
        later = pack.outputs(x, training=True)
    assert torch.equal(*evaluated)
    assert torch.equal(*trained)
    assert not torch.equal(evaluated[0], trained[0])
    assert not torch.equal(later, trained[0])


@pytest.mark.parametrize("name", ["mlp", "kerasnet", "alexnet"])
def test_members_with_dropout_of_their_own_are_bit_equal_whatever_their_neighbours(name):
    shape, outputs, arguments = SMALL[name]
    net, made, settings = small(name), task_for(name), TrainingSettings(8)
    rates = (0.0, 0.5, 0.2, None)
    members = [
        replace(
            m,
            genome=replace(
                m.genome,
                hyperparameters=(*(() if rate is None else (("dropout", rate),)), ("learning_rate", 0.01)),
            ),
        )
        for m, rate in zip(diverse(net, 4, steps=(2,)), rates, strict=True)
    ]
    together = train_pack(members, net, made, settings, keep="all")
    for m, rate, expected in zip(members, rates, together, strict=True):
        alone = train_pack([m], net, made, settings, keep="all")
        plain = replace(m, genome=replace(m.genome, hyperparameters=(("learning_rate", 0.01),)))
        given = {} if rate is None else {"dropout": rate}
        built = NETWORKS[name](shape, outputs, **arguments, **given)  # the same rate, given to the network
        for (other,) in (alone, train_pack([plain], built, made, settings, keep="all")):
            assert all(np.array_equal(v, expected.learned[n]) for n, v in other.learned.items()), rate
    weights = [next(v for n, v in o.learned.items() if n.startswith(("weight0", "fc"))) for o in together]
    assert not np.array_equal(weights[0], weights[1])


@pytest.mark.parametrize("name", ["mlp", "kerasnet", "alexnet"])
@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_dropout_is_from_0_to_less_than_1(name, rate):
    shape, outputs, arguments = SMALL[name]
    with pytest.raises(UserError, match=r"expected network.dropout from 0 to less than 1, got"):
        NETWORKS[name](shape, outputs, **arguments, dropout=rate)


# --- batch norm ---------------------------------------------------------------------------------


def resnet_pack(k=3):
    net = small("resnet56")
    return start_pack(diverse(net, k), net, task_for("resnet56"), TrainingSettings(16), 0, CPU)


def test_batch_norm_takes_the_statistics_of_the_batch_or_those_that_it_is_given():
    h = torch.randn(2, 3, 50, dtype=torch.float64) * 2 + 1
    mean, variance = torch.zeros(2, 3, dtype=torch.float64), torch.ones(2, 3, dtype=torch.float64)
    one, zero = torch.ones_like(mean), torch.zeros_like(mean)
    normed = packed_layers.batch_norm(h, 3 * one, zero + 5, 1e-3)
    assert torch.allclose(normed.mean(dim=2), 5 * one)
    assert torch.allclose(normed.std(dim=2, correction=0), 3 * one, rtol=1e-3)
    packed_layers.batch_norm(h, one, zero, 1e-3, (mean, variance), share=0.25)
    assert torch.allclose(mean, 0.25 * h.mean(dim=2))
    assert torch.allclose(variance, 0.75 + 0.25 * h.var(dim=2))
    kept = mean.clone()
    evaluated = packed_layers.batch_norm(h, one, zero, 1e-3, (mean, variance))
    expected = (h - mean.unsqueeze(2)) / (variance + 1e-3).sqrt().unsqueeze(2)
    assert torch.allclose(evaluated, expected)
    assert torch.equal(mean, kept)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet56", "recurrent"])
@pytest.mark.parametrize("steps", [1, 5, 20])
def test_a_short_training_is_evaluated_as_it_trains(name, steps):
    """Running statistics would lag behind the weights: with PyTorch's, accuracies of a ResNet on digits after ten
    steps at a rate of 0.03 were 35 %, and are 83 %."""
    net = small(name)
    pack = start_pack(diverse(net, 3), net, task_for(name), TrainingSettings(40), 0, CPU)
    for _ in range(steps):
        train_step(pack)
    x, _ = pack.batches([0, 1, 0], steps - 1)  # batches are the whole training split
    with torch.no_grad():
        evaluated, trained = settled(pack).outputs(x), pack.outputs(x, training=True)
    assert (evaluated - trained).square().mean() < 0.01 * trained.var()


def test_statistics_are_averages_over_as_many_batches_as_the_momentum_says():
    net = NETWORKS["resnet56"]((3, 9, 8), 4, blocks=1, width=0.25, norm_momentum=0.25)
    pack = start_pack(diverse(net, 2), net, task_for("resnet56"), TrainingSettings(8), 0, CPU)
    for _ in range(6):
        train_step(pack)
    seen = [pack.batches([0, 1], step)[0] for step in range(2, 6)]
    z = [
        convolution(
            packed_layers.feature_major(x),
            pack.parameters["conv0.weight"],
            pack.parameters["conv0.bias"],
            Window(padding=1),
        ).flatten(2)
        for x in seen
    ]
    found = settled(pack).statistics
    assert torch.allclose(found["norm0.mean"], torch.stack([b.mean(dim=2) for b in z]).mean(dim=0), atol=1e-6)
    assert torch.allclose(found["norm0.variance"], torch.stack([b.var(dim=2) for b in z]).mean(dim=0))


def test_statistics_are_among_what_is_kept_of_the_best():
    net = small("resnet56")
    m = Member(homogeneous(Base("relu"), net.sites, learning_rate=0.01), "m", 0, 1)
    kept = {
        keep: set(train_pack([m], net, task_for("resnet56"), TrainingSettings(16), keep=keep)[0].learned)
        for keep in ("all", "activations")
    }
    assert {"norm0.mean", "norm0.variance", "norm0.scale"} <= kept["all"]
    assert not kept["activations"]
