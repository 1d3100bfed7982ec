"""Networks by name that are modules: their sites and symmetries, and that packs compute them together."""

import random

import numpy as np
import pytest
import torch

from evoact.errors import UserError
from evoact.genomes.genome import Genome, SiteGenome
from evoact.genomes.kinds import Base
from evoact.networks import NETWORKS
from evoact.networks.network import parameter_count
from evoact.tasks.task import ArrayTask, Split
from evoact.training.loop import train_pack
from evoact.training.members import Member
from evoact.training.pack import TrainingSettings

CASES = {
    "resnet": ((2, 8, 8), {"blocks": [1, 1], "width": 4}),
    "transformer": ((2, 8, 8), {"dim": 8, "depth": 1, "heads": 2, "dropout": 0.1}),
    "gated transformer": ((5, 3), {"dim": 12, "depth": 1, "heads": 2, "gated": True}),
    "transformer of tokens": ((5,), {"dim": 8, "depth": 1, "heads": 2, "tokens": 7}),
    "gru": ((5, 2), {"hidden": 4, "layers": 2}),
    "mlp of batch norms": ((6,), {"hidden": [5, 4], "norm": "batch"}),
    "mlp of layer norms": ((6,), {"hidden": [5, 4], "norm": "layer"}),
}
# One site, its group, and by parameter the axis and block of rows that its neurons are.
PERMUTED = {
    "resnet": ("stages.0.0.inner", [("stages.0.0.conv1.weight", 0), ("stages.0.0.norm1.weight", 0),
                                   ("stages.0.0.norm1.bias", 0), ("stages.0.0.conv2.weight", 1)]),
    "gated transformer": ("blocks.0.act", [("blocks.0.up.weight", 0), ("blocks.0.up.bias", 0),
                                           ("blocks.0.gate.weight", 0), ("blocks.0.gate.bias", 0),
                                           ("blocks.0.down.weight", 1)]),
}  # fmt: skip


def network(case):
    shape, arguments = CASES[case]
    return NETWORKS[case.split()[-1] if case.startswith("gated") else case.split()[0]](shape, 3, **arguments)


def task(shape, tokens):
    rng = np.random.default_rng(0)

    def split(n):
        x = rng.integers(0, tokens, (n, *shape)) if tokens else rng.standard_normal((n, *shape))
        return Split(x.astype(np.float32), rng.integers(0, 3, n))

    splits = {"train": split(60), "validation": split(20)}
    return ArrayTask(shape, 3, True, lambda: splits)


@pytest.mark.parametrize("case", CASES)
def test_packs_compute_them_together_to_the_same_bits(case):
    shape, arguments = CASES[case]
    net, data = network(case), task(shape, arguments.get("tokens", 0))
    assert not getattr(net, "notes", ())
    rng = random.Random(0)
    types = (Base("relu"), Base("sin"))
    members = [
        Member(
            Genome(
                tuple(
                    SiteGenome(s.name, types, tuple(rng.randrange(2) for _ in range(s.neurons)))
                    for s in net.sites
                ),
                (("learning_rate", 0.1),),
            ),
            f"m{i}",
            i,
            4,
        )
        for i in range(3)
    ]
    settings = TrainingSettings(batch_size=10, optimizer="sgd")
    together = train_pack(members, net, data, settings, keep="all")
    others = train_pack(members[1:], net, data, settings, keep="all")
    for outcome, other in zip(together[1:], others, strict=True):
        assert outcome.state == "completed"
        assert outcome.metrics == other.metrics
        assert all(np.array_equal(t, other.learned[n]) for n, t in outcome.learned.items())


@pytest.mark.parametrize("case", PERMUTED)
def test_neurons_of_free_sites_are_exchangeable(case):
    net, (site, axes) = network(case), PERMUTED[case]
    assert {s.name: s.symmetry for s in net.sites}[site] == "free"
    weights = net.built(0)
    order = torch.randperm(weights[axes[0][0]].shape[0], generator=torch.Generator().manual_seed(0))
    moved = weights | {name: weights[name].index_select(axis, order) for name, axis in axes}
    x = torch.randn(4, *CASES[case][0], generator=torch.Generator().manual_seed(1))
    module = net.recipe(0).eval()
    outputs = [torch.func.functional_call(module, w, (x,)) for w in (weights, moved)]
    torch.testing.assert_close(*outputs)


def test_sites_symmetries_and_sizes():
    assert [(s.name, s.neurons, s.symmetry) for s in network("gru").sites] == [
        (f"cells.{i}.{gate}", 4, f"stream:cell{i}") for i in range(2) for gate in ("reset", "update", "new")
    ]
    assert [(s.name, s.neurons, s.symmetry) for s in network("resnet").sites] == [
        ("act0", 4, "stream:stage0"),
        ("stages.0.0.inner", 4, "free"),
        ("stages.0.0.stream", 4, "stream:stage0"),
        ("stages.1.0.inner", 8, "free"),
        ("stages.1.0.stream", 8, "stream:stage1"),
    ]
    assert [(s.name, s.neurons) for s in network("gated transformer").sites] == [("blocks.0.act", 32)]
    assert parameter_count(NETWORKS["gru"]((5, 2), 3, hidden=4)) == 3 * 4 * (2 + 4 + 2) + 3 * 4 + 3
    assert set(network("mlp of batch norms").batch_norms) == {"norm0", "norm1"}


@pytest.mark.parametrize(
    ("name", "shape", "arguments", "words"),
    [
        ("resnet", (5,), {}, "images of shape"),
        ("resnet", (1, 8, 8), {"blocks": []}, "blocks of each stage of at least 1"),
        ("resnet", (1, 8, 8), {"norm_momentum": 0.0}, "norm_momentum above 0"),
        ("transformer", (5,), {}, "for network 'transformer', got the input shape"),
        ("transformer", (5, 3), {"dim": 10}, "dim a multiple of heads"),
        ("transformer", (1, 3, 8), {}, "network.patch of at most 3"),
        ("gru", (1, 2, 3), {}, r"sequences \[times, features\]"),
        ("gru", (5, 2), {"layers": 0}, "hidden and layers of at least 1"),
        ("mlp", (5,), {"norm": "bach"}, "unknown network.norm 'bach'; did you mean 'batch'"),
    ],
)
def test_bad_arguments(name, shape, arguments, words):
    with pytest.raises(UserError, match=words):
        NETWORKS[name](shape, 3, **arguments)
