"""The packed trainer against an independent plain loop, and a member against itself in other packs."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from evoact.errors import UserError
from evoact.genomes.genome import homogeneous
from evoact.genomes.kinds import Base, PReLU
from evoact.training.batches import Batches
from evoact.training.loop import solo_step_seconds, train_pack
from evoact.training.members import Member, initial_member
from evoact.training.pack import TrainingSettings, start_pack, train_step
from tests.training import plain
from tests.training.examples import ACTIVATIONS, SMOOTH, member, network, task

OPTIMIZERS = [
    ("adam", {}),
    ("adam", {"weight_decay": 0.01, "beta1": 0.8}),
    ("sgd", {}),
    ("sgd", {"momentum": 0.8, "weight_decay": 0.01}),
    ("rmsprop", {}),
    ("rmsprop", {"momentum": 0.5, "alpha": 0.8}),
    ("rmsprop", {"weight_decay": 0.01, "decay_activations": True}),
]


# Where the size of an update depends on the gradient's.
MODERATE = {"adam": {"eps": 1.0}, "rmsprop": {"eps": 1.0}, "sgd": {}}


pytestmark = pytest.mark.usefixtures("one_thread")


def plain_run(m, net, made, settings, steps):
    dtype = getattr(torch, settings.dtype)
    data = made.splits()["train"]
    inputs = torch.as_tensor(data.inputs, dtype=dtype)
    targets = torch.as_tensor(data.targets)
    if targets.is_floating_point():
        targets = targets.to(dtype)
    batches = Batches(inputs, targets, settings.batch_size, 0)

    def batch(step):
        rows = batches.indices(m.seed, step)
        return inputs[rows], targets[rows]

    initial = initial_member(m, net, 0)
    return plain.train(
        m.genome, initial, batch, steps, settings.optimizer, settings.optimizer_arguments, dtype
    )


def largest_difference(outcome, reference):
    worst = 0.0
    for name, value in outcome.learned.items():
        expected = reference[name.replace(".", "_")].numpy()
        worst = max(worst, float(np.max(np.abs(value - expected) / (1 + np.abs(expected)))))
    return worst


@pytest.mark.slow
@pytest.mark.parametrize(("optimizer", "arguments"), OPTIMIZERS)
@pytest.mark.parametrize(
    ("dtype", "steps", "tolerance", "activations"),
    [("float64", 1, 1e-12, ACTIVATIONS), ("float64", 100, 1e-9, SMOOTH), ("float32", 10, 5e-5, SMOOTH)],
)
def test_a_pack_equals_plain_training(optimizer, arguments, dtype, steps, tolerance, activations):
    net, made = network(), task()
    settings = TrainingSettings(32, optimizer, arguments, dtype)
    members = [member(i, net, steps, activations) for i in range(7 if steps < 100 else 3)]
    outcomes = train_pack(members, net, made, settings, keep="all")
    for m, outcome in zip(members, outcomes, strict=True):
        reference = plain_run(m, net, made, settings, steps)
        assert largest_difference(outcome, reference) < tolerance, m.genome.label


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "sgd"])
@pytest.mark.parametrize("decays", [False, True])
def test_weight_decay_leaves_the_slopes_of_prelu_alone_unless_asked(optimizer, decays):
    """Whatever the gradient: the first step's difference is what the decay adds."""
    net, made = network(), task()
    m = Member(homogeneous(PReLU("neuron"), net.sites, learning_rate=0.1), "m", 0, 1)
    found = []
    for decay in (0.0, 0.5):
        arguments = {"weight_decay": decay, "decay_activations": decays, **MODERATE[optimizer]}
        (outcome,) = train_pack([m], net, made, TrainingSettings(32, optimizer, arguments), keep="all")
        found.append(outcome.learned)
    assert np.array_equal(found[0]["hidden0.activation"], found[1]["hidden0.activation"]) is not decays
    assert not np.array_equal(found[0]["weight0"], found[1]["weight0"])


def test_float32_adam_of_ten_steps_to_1e_6():
    net, made = network(), task()
    settings = TrainingSettings(32, "adam", {"eps": 1e-4})
    members = [member(i, net, 10, SMOOTH) for i in range(7)]
    for m, outcome in zip(members, train_pack(members, net, made, settings, keep="all"), strict=True):
        assert largest_difference(outcome, plain_run(m, net, made, settings, 10)) < 1e-6


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-12)])
def test_gradients_of_one_step(dtype, tolerance):
    net, made = network(), task()
    settings = TrainingSettings(32, "sgd", {}, dtype)
    members = [member(i, net) for i in range(6)]
    members = [
        replace(m, genome=replace(m.genome, hyperparameters=(("learning_rate", 1.0),))) for m in members
    ]
    pack = start_pack(members, net, made, settings, 0, torch.device("cpu"))
    before = {n: p.detach().clone() for n, p in pack.parameters.items()}
    train_step(pack)
    for k, m in enumerate(members):
        reference = plain_run(m, net, made, settings, 1)
        for name, p in pack.parameters.items():
            start = before[name][k].flatten()
            end = reference[name.replace(".", "_")].flatten()
            gradient = start[: len(end)] - end
            ours = start[: len(end)] - p.detach()[k].flatten()[: len(end)]
            assert torch.allclose(ours, gradient, atol=tolerance, rtol=tolerance), (m.genome.label, name)


def test_regression_equals_plain_training():
    net, made = network(), task(regression=True)
    settings = TrainingSettings(32, "adam", {}, "float64")
    members = [member(i, net, 50, SMOOTH) for i in range(4)]
    for m, outcome in zip(members, train_pack(members, net, made, settings, keep="all"), strict=True):
        assert largest_difference(outcome, plain_run(m, net, made, settings, 50)) < 1e-9


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop"])
@pytest.mark.parametrize("hidden", [(12, 10), (7,), (1, 5), (33, 64)])
def test_a_member_is_bit_equal_whatever_its_neighbours(optimizer, hidden):
    net, made = network(hidden=hidden), task()
    settings = TrainingSettings(31, optimizer)
    activations = [a for a in ACTIVATIONS if getattr(a, "per", "") != "none"]
    members = [member(i, net, 12, activations) for i in range(9)]
    together = train_pack(members, net, made, settings, keep="all")
    for part in (members[:2], members[3:8], members[4:5], members[::-1]):
        for m, outcome in zip(part, train_pack(part, net, made, settings, keep="all"), strict=True):
            expected = together[members.index(m)]
            assert outcome.metrics == expected.metrics
            assert outcome.train_loss == expected.train_loss
            for name, value in outcome.learned.items():
                assert np.array_equal(value, expected.learned[name]), name


def test_members_may_have_different_numbers_of_steps():
    net, made, settings = network(), task(), TrainingSettings(32)
    members = [member(i, net, steps) for i, steps in enumerate((5, 20, 0, 20, 11))]
    for m, outcome in zip(members, train_pack(members, net, made, settings, keep="all"), strict=True):
        (alone,) = train_pack([m], net, made, settings, keep="all")
        assert outcome.steps_run == m.steps
        assert outcome.metrics == alone.metrics
        assert all(np.array_equal(v, alone.learned[n]) for n, v in outcome.learned.items())


def test_a_diverging_member_ends_alone():
    net, made, settings = network(), task(), TrainingSettings(32, "sgd")
    members = [member(i, net, 40) for i in range(4)]
    wild = homogeneous(Base("square"), net.sites, learning_rate=1e6)
    outcomes = train_pack([*members[:2], Member(wild, "wild-0", 0, 40), *members[2:]], net, made, settings)
    assert [o.state for o in outcomes] == ["completed", "completed", "diverged", "completed", "completed"]
    assert outcomes[2].metrics == {}
    calm = train_pack(members, net, made, settings)
    assert [o.metrics for o in calm] == [o.metrics for o in outcomes[:2] + outcomes[3:]]


def test_training_learns():
    net, made = network(hidden=(32,)), task(n=600)
    genome = homogeneous(Base("tanh"), net.sites, learning_rate=0.01)
    (outcome,) = train_pack([Member(genome, "x", 0, 300)], net, made, TrainingSettings(64))
    assert outcome.metrics["validation"] > 0.85
    assert outcome.train_loss < 0.3


def test_only_the_splits_that_are_asked_for_are_evaluated():
    net, made = network(), task()
    (outcome,) = train_pack([member(0, net)], net, made, TrainingSettings(32))
    assert set(outcome.metrics) == {"validation"}
    (outcome,) = train_pack(
        [member(0, net)], net, made, TrainingSettings(32), evaluate=("test", "test_large")
    )
    assert set(outcome.metrics) == {"test"}


def test_parameters_are_counted_with_the_activations():
    net, made = network(features=6, classes=3, hidden=(4,)), task()
    (outcome,) = train_pack([member(0, net, 1)], net, made, TrainingSettings(32), keep="all")
    weights = 6 * 4 + 4 + 4 * 3 + 3
    assert outcome.n_parameters == weights + outcome.learned.get("hidden0.activation", np.zeros(0)).size


def test_seeds_and_names_change_the_run():
    net, made, settings = network(), task(), TrainingSettings(32)
    m = member(0, net, 5)
    runs = [
        train_pack([x], net, made, settings, run_seed=s, keep="all")[0].learned["weight0"]
        for x, s in ((m, 0), (m, 0), (m, 1), (replace(m, name="other"), 0), (replace(m, seed=1), 0))
    ]
    assert np.array_equal(runs[0], runs[1])
    assert all(not np.array_equal(runs[0], other) for other in runs[2:])


def test_a_batch_larger_than_the_data_is_a_user_error():
    net, made = network(), task(n=20)
    with pytest.raises(UserError, match=r"training\.batch_size of at most 20"):
        train_pack([member(0, net)], net, made, TrainingSettings(32))


def test_solo_step_seconds_is_a_time():
    net, made = network(), task()
    assert 0 < solo_step_seconds(member(0, net), net, made, TrainingSettings(32), steps=3) < 10


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_cuda_agrees_with_the_cpu():
    net, made = network(), task()
    settings = TrainingSettings(32, dtype="float64")
    members = [member(i, net, 30, SMOOTH) for i in range(5)]
    here = train_pack(members, net, made, settings, keep="all")
    there = train_pack(members, net, made, settings, device="cuda", keep="all")
    for a, b in zip(here, there, strict=True):
        assert all(np.allclose(v, b.learned[n], atol=1e-9) for n, v in a.learned.items())
