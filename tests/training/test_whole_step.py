"""Steps of whole packs in one kernel: the same bits as layer by layer, and only for packs that it can do."""

from dataclasses import replace

import pytest
import torch

from evoact.genomes.genome import Genome, SiteGenome, homogeneous
from evoact.genomes.kinds import (
    Base,
    Hull,
    LpPool,
    Maxout,
    NetworkInNetwork,
    PiecewiseLinear,
    PReLU,
    ProbabilisticMaxout,
    Rational,
    Scaled,
    Subnetwork,
)
from evoact.native.library import library
from evoact.networks import NETWORKS
from evoact.networks.precision import has_bf16
from evoact.training.members import Member
from evoact.training.pack import TrainingSettings, start_pack, train_step
from evoact.training.whole_step import whole_step
from tests.training.examples import task

CPU = torch.device("cpu")
needs_kernels = pytest.mark.skipif(library() is None, reason="there are no kernels")
needs_bf16 = pytest.mark.skipif(not has_bf16(CPU), reason="this processor has no bf16")


def network_of(made, **arguments):
    return NETWORKS["mlp"](made.input_shape, made.n_outputs, **{"hidden": [12, 7], **arguments})


def members_of(network, extra=()):
    """Members whose sites are combinations of functions, with parameters and without, of two replicates."""
    types = (Base("relu"), Base("sin"), Hull("affine", ("identity", "tanh"), "neuron"), PReLU())
    sites = tuple(
        SiteGenome(s.name, types, tuple(i % len(types) for i in range(s.neurons))) for s in network.sites
    )
    genomes = [Genome(sites, (("learning_rate", 0.01),))]
    genomes += [homogeneous(a, network.sites, learning_rate=0.003) for a in (Base("tanh"), *extra)]
    return [Member(genome, f"m{i}", i % 2, 5) for i, genome in enumerate(genomes)]


def trained(pack, steps=5):
    losses = [train_step(pack) for _ in range(steps)]
    return [*losses, *pack.parameters.values()]


def layer_by_layer(pack):
    pack.in_one_kernel = False
    return pack


@needs_kernels
@pytest.mark.parametrize("precision", ["float32", pytest.param("bf16", marks=needs_bf16)])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("arguments", [{}, {"output_activation": True}, {"hidden": [5]}], ids=str)
def test_the_same_bits_as_layer_by_layer(optimizer, arguments, precision):
    made = task()
    network = network_of(made, **arguments)
    settings = TrainingSettings(20, optimizer, precision=precision)
    packs = [start_pack(members_of(network), network, made, settings, 0, CPU) for _ in range(2)]
    assert packs[0].in_one_kernel
    for one, other in zip(trained(packs[0]), trained(layer_by_layer(packs[1])), strict=True):
        assert torch.equal(one, other)


UNITS = {
    "maxout": [(Maxout(3),)],
    "norm": [(LpPool(2),), (LpPool(2, per="neuron"),)],
    "network": [(NetworkInNetwork(2, "tanh"),), (NetworkInNetwork(2, "2*gelu(0.5*x)"),)],
    "mixed": [
        (Maxout(3), Base("sin"), LpPool(2), NetworkInNetwork(3, "tanh"), LpPool(3, per="neuron")),
        (Maxout(3),),
        (Hull("affine", ("identity", "tanh"), "neuron"), Maxout(2), Maxout(3)),
        (LpPool(3), Rational(5, 4)),
    ],
    "of one": [
        (Rational(5, 4, per="neuron"),),
        (PiecewiseLinear(2), Rational(3, 2), Base("sin")),
        (PiecewiseLinear(1),),
    ],
}


def members_of_units(network, choices):
    """Members whose neurons have these types in turn; a site's most pieces are the same in all."""
    sites = [
        tuple(
            SiteGenome(s.name, types, tuple(i % len(types) for i in range(s.neurons))) for s in network.sites
        )
        for types in choices
    ]
    return [
        Member(Genome(own, (("learning_rate", 0.003),)), f"m{i}", i % 2, 5) for i, own in enumerate(sites)
    ]


@needs_kernels
@pytest.mark.parametrize("precision", ["float32", pytest.param("bf16", marks=needs_bf16)])
@pytest.mark.parametrize(("batch", "hidden"), [(20, [12, 7]), (100, [9, 130]), (530, [21, 3])], ids=str)
@pytest.mark.parametrize("kind", UNITS)
def test_units_have_the_same_bits_as_layer_by_layer(kind, batch, hidden, precision):
    made = task(n=600)
    network, settings = network_of(made, hidden=hidden), TrainingSettings(batch, precision=precision)
    members = members_of_units(network, UNITS[kind])
    packs = [start_pack(members, network, made, settings, 0, CPU) for _ in range(2)]
    assert packs[0].in_one_kernel
    for one, other in zip(trained(packs[0], 2), trained(layer_by_layer(packs[1]), 2), strict=True):
        assert one.isfinite().all()
        assert torch.equal(one, other)


@needs_kernels
@pytest.mark.parametrize("kind", UNITS)
def test_gradients_of_units_in_double_precision(kind):
    made = task()
    network = network_of(made)
    members = members_of_units(network, UNITS[kind])
    pack, exact = (
        start_pack(members, network, made, TrainingSettings(70, dtype=dtype), 0, CPU)
        for dtype in ("float32", "float64")
    )
    seeds = [m.seed for m in members]
    losses, gradients = whole_step(pack.network, pack.plans, pack.parameters, *pack.batches(seeds, 0))
    wanted = exact.losses(*exact.batches(seeds, 0))
    assert torch.allclose(losses.double(), wanted, rtol=1e-5)
    parameters = {name: exact.parameters[name] for name in gradients}
    for name, other in zip(parameters, torch.autograd.grad(wanted.sum(), parameters.values()), strict=True):
        assert torch.allclose(
            gradients[name].double(), other, rtol=1e-3, atol=1e-5 * float(other.abs().max())
        )


@needs_kernels
@pytest.mark.parametrize("kind", UNITS)
def test_units_have_the_same_bits_alone(kind):
    made = task()
    network, settings = network_of(made), TrainingSettings(20)
    members = members_of_units(network, UNITS[kind])
    beside = trained(start_pack(members, network, made, settings, 0, CPU))
    for k, member in enumerate(members):
        alone = start_pack([member], network, made, settings, 0, CPU)
        for one, other in zip(trained(alone), beside, strict=True):
            assert torch.equal(one[0], other[k, ..., : one.shape[-1]] if one.dim() == 2 else other[k])


@needs_kernels
@pytest.mark.parametrize("neighbour", [Subnetwork("sin", 3), Scaled("tanh")], ids=lambda a: a.label)
def test_a_neighbour_that_it_cannot_do_changes_nothing(neighbour):
    made = task()
    network, settings = network_of(made), TrainingSettings(20)
    alone = start_pack(members_of(network), network, made, settings, 0, CPU)
    beside = start_pack(members_of(network, [neighbour]), network, made, settings, 0, CPU)
    assert alone.in_one_kernel
    assert not beside.in_one_kernel
    for one, other in zip(trained(alone), trained(beside), strict=True):
        if one.numel():
            assert torch.equal(
                one, other[: len(one), ..., : one.shape[-1]] if one.dim() == 2 else other[: len(one)]
            )


@needs_kernels
def test_the_number_of_threads_changes_no_bit():
    made, before, results = task(), torch.get_num_threads(), []
    network = network_of(made, hidden=[200, 200])
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            results.append(
                trained(start_pack(members_of(network), network, made, TrainingSettings(20), 0, CPU))
            )
    finally:
        torch.set_num_threads(before)
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("arguments", "settings", "activation"),
    [
        ({"dropout": 0.2}, {}, Base("relu")),
        ({"norm": "batch"}, {}, Base("relu")),
        ({}, {"train": "activations"}, PReLU()),
        ({}, {"dtype": "float64"}, Base("relu")),
        ({}, {}, ProbabilisticMaxout(2)),
        ({}, {}, Subnetwork("sin", 3)),
    ],
    ids=str,
)
def test_what_goes_layer_by_layer(arguments, settings, activation):
    made = task()
    network = network_of(made, **arguments)
    members = [Member(homogeneous(activation, network.sites, learning_rate=0.01), "m", 0, 1)]
    pack = start_pack(members, network, made, replace(TrainingSettings(20), **settings), 0, CPU)
    assert not pack.in_one_kernel
    assert train_step(pack).isfinite().all()
