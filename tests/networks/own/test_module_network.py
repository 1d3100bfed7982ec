"""Anybody's modules in packs: a member equals its solo run to the last bit, and bad ones are refused in a sentence."""

import random
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from evoact.errors import UserError
from evoact.genomes.choices import choices
from evoact.genomes.genome import Genome, Site, SiteGenome, canonical, fingerprint
from evoact.genomes.kinds import Base, Hull
from evoact.genomes.space import SearchSpace
from evoact.networks import NETWORKS
from evoact.networks.network import parameter_count
from evoact.networks.own.named import given_network, own
from evoact.networks.size import activation_count
from evoact.tasks.task import ArrayTask, Split
from evoact.training.loop import train_pack
from evoact.training.members import Member, initial_member
from evoact.training.pack import TrainingSettings, keep_members, start_pack, train_step
from tests.networks.own import models

SHAPE, TYPES = (3, 4, 4), (Base("relu"), Base("sin"), Hull("convex", ("relu", "tanh"), "layer"))
FILE = str(Path(models.__file__))


def network(build, **arguments):
    return own(SHAPE, 3, FILE, build, arguments)


def task(dtype=np.float32):
    rng = np.random.default_rng(0)
    splits = {
        name: Split(rng.standard_normal((n, *SHAPE)).astype(np.float32), rng.integers(0, 3, n))
        for name, n in (("train", 60), ("validation", 30))
    }
    return ArrayTask(SHAPE, 3, True, lambda: splits)


def members(net, number, steps=4):
    rng = random.Random(0)
    return [
        Member(
            Genome(
                tuple(
                    SiteGenome(s.name, TYPES, tuple(rng.randrange(3) for _ in range(s.neurons)))
                    for s in net.sites
                ),
                (("learning_rate", 0.01 * (i + 1)),),
            ),
            f"m{i}",
            i % 2,
            steps,
        )
        for i in range(number)
    ]


@pytest.mark.parametrize("build", ["sequential", "Convolutional", "Tokens", "Noisy", "Half"])
def test_a_members_result_does_not_depend_on_its_neighbours(build):
    """To the last bit in packs of several; products of narrow layers round differently in a pack of one."""
    net, settings = network(build), TrainingSettings(batch_size=10, optimizer="sgd")
    assert bool(net.notes) == (build == "Noisy")
    three = members(net, 3)
    together = train_pack(three, net, task(), settings, keep="all")
    others = train_pack(three[1:], net, task(), settings, keep="all")
    (alone,) = train_pack(three[:1], net, task(), settings, keep="all")
    assert {o.state for o in together} == {"completed"}
    for outcome, other in zip(together[1:], others, strict=True):
        assert outcome.metrics == other.metrics
        assert outcome.learned.keys() == other.learned.keys()
        for name, tensor in outcome.learned.items():
            assert np.array_equal(tensor, other.learned[name]), name
    for name, tensor in together[0].learned.items():
        np.testing.assert_allclose(tensor, alone.learned[name], rtol=1e-4, atol=1e-5)


def test_a_step_is_that_of_the_module_in_plain_pytorch():
    net = network("sequential")
    (member,) = members(net, 1)
    relu = tuple(SiteGenome(s.name, (Base("relu"),), (0,) * s.neurons) for s in net.sites)
    member = Member(Genome(relu, member.genome.hyperparameters), "m", 0, 1)
    settings = TrainingSettings(batch_size=10, optimizer="sgd", dtype="float64")
    pack = start_pack([member], net, task(), settings, 7, torch.device("cpu"))
    plain = models.sequential().double()
    plain.load_state_dict({n: p[0] for n, p in pack.parameters.items() if not n.endswith(".activation")})
    inputs, targets = pack.batches([0], 0)
    loss = F.cross_entropy(plain(inputs[0]), targets[0])
    loss.backward()
    assert torch.allclose(train_step(pack), loss.detach(), rtol=1e-12)
    for name, p in plain.named_parameters():
        assert torch.allclose(pack.parameters[name][0], p - 0.01 * p.grad, rtol=1e-12, atol=1e-15)


def test_weights_are_drawn_by_the_build_under_the_members_seed():
    net = network("sequential")
    first, again, other = (
        initial_member(m, net, seed)["1.weight"]
        for m, seed in zip([members(net, 1)[0]] * 3, (0, 0, 1), strict=True)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.abs().max() <= 48**-0.5  # as PyTorch's layers draw them


def test_frozen_weights_stay():
    net = network("Half")
    (member,) = members(net, 1)
    (outcome,) = train_pack([member], net, task(), TrainingSettings(batch_size=10), keep="all")
    start = initial_member(member, net, 0)
    assert np.array_equal(outcome.learned["hidden.weight"], start["hidden.weight"].float())
    assert not np.array_equal(outcome.learned["head.weight"], start["head.weight"].float())


@pytest.mark.parametrize("name", ["sequential", "mlp"])
def test_activations_alone_are_trained_over_one_copy_of_the_weights(name):
    net = NETWORKS["mlp"](SHAPE, 3, hidden=[6, 5]) if name == "mlp" else network(name)
    settings = TrainingSettings(batch_size=10, train="activations")
    three = members(net, 3)
    pack = start_pack(three, net, task(), settings, 0, torch.device("cpu"))
    weights = [p.name for p in net.parameters]
    assert all(
        pack.parameters[n].untyped_storage().nbytes() == 4 * pack.parameters[n][0].numel() for n in weights
    )
    before = {n: p.detach().clone() for n, p in pack.parameters.items()}
    train_step(pack)
    pack = keep_members(pack, [0, 2])
    train_step(pack)
    for n, p in pack.parameters.items():
        assert torch.equal(p, before[n][[0, 2]]) == (n in weights), n
    together = train_pack(three, net, task(), settings, keep="all")
    others = train_pack(three[:2], net, task(), settings, keep="all")
    for outcome, other in zip(together, others, strict=False):
        assert all(np.array_equal(t, other.learned[n]) for n, t in outcome.learned.items())
    relu = tuple(SiteGenome(s.name, (Base("relu"),), (0,) * s.neurons) for s in net.sites)
    plain = Member(Genome(relu, three[0].genome.hyperparameters), "plain", 0, 2)
    (outcome,) = train_pack([plain], net, task(), settings)
    assert outcome.state == "completed"  # nothing to train


def test_sites_and_sizes():
    net = network("Convolutional")
    assert [(s.name, s.neurons, s.symmetry) for s in net.sites] == [
        ("act.sites.0", 6, "stream:act.sites.0"),
        ("act.sites.1", 6, "stream:act.sites.0"),
    ]
    assert parameter_count(net) == sum(p.numel() for p in models.Convolutional(3).parameters())
    assert activation_count(net, SHAPE) == 6 * 16 + 6 * 4
    assert {n: b.channels for n, b in net.batch_norms.items()} == {"norm1": 6, "norm2": 6}
    assert net.with_pieces({"act.sites.0": 1}) is net
    net = network("sequential")
    with pytest.raises(UserError, match="one pre-activation per neuron in a network of modules, got 2"):
        net.with_pieces({"2": 2})


def test_symmetry_counts_only_where_weights_are_drawn_anew():
    """Trained weights are the neurons' own, though the function is symmetric; so is what differs between neurons in
    every draw."""
    build = partial(models.sequential, width=40)

    def uneven():
        made = build()
        made[1].weight.data *= torch.linspace(0.1, 3, 40)[:, None]
        return made

    def almost_trained():
        torch.manual_seed(torch.initial_seed() % 1000)
        noise, made = torch.randn(40, 48), trained()
        made[1].weight.data += 0.01 * noise
        return made

    def trained():
        with torch.random.fork_rng():
            torch.manual_seed(3)
            return build()

    def symmetries(model):
        return [s.symmetry for s in NETWORKS["own"](SHAPE, 3, given=given_network(model)["given"]).sites]

    assert symmetries(build) == ["free", "free"]
    assert symmetries(trained()) == symmetries(trained) == ["none", "none"]
    assert symmetries(uneven) == [*symmetries(almost_trained)[:1], "free"] == ["none", "free"]


def test_free_sites_make_permuted_genomes_one():
    net = network("sequential")
    assert [s.symmetry for s in net.sites] == ["free", "free"]
    first, second = (
        canonical(Genome(tuple(SiteGenome(s.name, TYPES[:2], a) for s in net.sites)), net.sites)
        for a in ((0, 1, 0, 1, 1, 1), (1, 1, 1, 1, 0, 0))
    )
    assert fingerprint(first) == fingerprint(second)
    free, fixed = (
        SearchSpace("s", sites, (choices("base", name=("relu", "sin")),), (1, 2), (0.1,))
        for sites in (net.sites, tuple(Site(s.name, s.neurons, "none") for s in net.sites))
    )
    assert (free.size(), fixed.size()) == (7**2, 2**12)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        ("same", "a new module each time, got the same one twice"),
        ("unseeded", "the same module twice from the same seed"),
        ("uneven_layers", r"modules of the same layers, got 1.weight of shape \(\d, 48\) from seed 1"),
        ("failing", r"failing\(\) to make a network, got ValueError: no such weights \(line \d+\)"),
        ("no_module", "return a torch.nn.Module, got 3"),
        ("lazy", "expected initialised layers, got LazyLinear '1'"),
        ("elsewhere", "expected elsewhere of models.py to make a module on the CPU, got one on meta"),
        ("without_activation", "calls an activation on this example, got none"),
        ("without_parameters", "a module with parameters, got one without"),
        ("Counting", "the buffer 'passes', which its forward changes"),
        ("sequentail", "unknown function of models.py 'sequentail'; did you mean 'sequential'"),
    ],
)
def test_bad_builds_are_refused(build, words):
    with pytest.raises(UserError, match=words):
        network(build)


def test_outputs_must_fit_the_task():
    with pytest.raises(
        UserError, match=r"outputs \[4, 3\] for inputs \[4, 3, 4, 4\] of this task, got \[4, 5\]"
    ):
        network("Half", n_outputs=5)
    with pytest.raises(UserError, match=r"expected sequential\(depth=2\) to make a network, got TypeError"):
        network("sequential", depth=2)
