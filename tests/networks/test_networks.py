"""Properties that hold for every network of the table."""

import random

import pytest
import torch

from evoact.errors import UserError
from evoact.genomes.genome import Base, Genome, SiteGenome
from evoact.networks import NETWORKS, SHAPES
from evoact.networks.network import parameter_count
from evoact.training.packed import Member, initial_member, plan_sites

EVERY = pytest.mark.parametrize(("name", "shape", "outputs"), [(n, *s) for n in NETWORKS for s in SHAPES[n]])
TYPES = (Base("tanh"), Base("sin"), Base("gaussian"))


def built(name, shape, outputs):
    return NETWORKS[name](shape, outputs)


def random_member(net, seed=0):
    rng = random.Random(seed)
    sites = tuple(
        SiteGenome(s.name, TYPES, tuple(rng.randrange(3) for _ in range(s.neurons))) for s in net.sites
    )
    return Member(Genome(sites, (("learning_rate", 0.01),)), f"m{seed}", 0, 1)


def run(net, members, parameters, x):
    plans = plan_sites(members, net, torch.device("cpu"))
    return net.forward(parameters, lambda site, z: plans[site](z, z.new_empty(len(members), 0)), x)


@EVERY
def test_outputs_have_the_stated_shape_and_members_do_not_mix(name, shape, outputs):
    net = built(name, shape, outputs)
    members = [random_member(net, i) for i in range(3)]
    drawn = [initial_member(m, net, 0) for m in members]
    parameters = {p.name: torch.stack([d[p.name] for d in drawn]) for p in net.parameters}
    x = torch.randn(3, 5, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    together = run(net, members, parameters, x)
    assert together.shape == (3, 5, outputs)
    for k, m in enumerate(members):
        alone = run(net, [m], {n: p[k : k + 1] for n, p in parameters.items()}, x[k : k + 1])
        assert torch.allclose(together[k], alone[0], atol=1e-12)
    shared = run(net, members, parameters, x[:1])
    assert torch.allclose(shared[0], together[0], atol=1e-12)


def test_permuting_neurons_of_a_free_site_leaves_the_outputs_equal():
    net = NETWORKS["mlp"]((7,), 3, hidden=[6, 5])
    m = random_member(net)
    p = {n: v.unsqueeze(0) for n, v in initial_member(m, net, 0).items()}
    x = torch.randn(1, 4, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    before = run(net, [m], p, x)
    for layer, site in enumerate(net.sites):
        assert site.symmetry == "free"
        order = list(range(site.neurons))
        random.Random(layer).shuffle(order)
        moved = dict(p)
        moved[f"weight{layer}"] = p[f"weight{layer}"][:, order]
        moved[f"bias{layer}"] = p[f"bias{layer}"][:, order]
        moved[f"weight{layer + 1}"] = p[f"weight{layer + 1}"][:, :, order]
        sites = list(m.genome.sites)
        sites[layer] = SiteGenome(site.name, TYPES, tuple(sites[layer].assignment[i] for i in order))
        after = run(net, [Member(Genome(tuple(sites)), "m", 0, 1)], moved, x)
        assert torch.allclose(before, after, atol=1e-12)


def test_mlp_parameter_count():
    assert parameter_count(NETWORKS["mlp"]((40,), 10, hidden=[100])) == 5110
    assert parameter_count(NETWORKS["mlp"]((8, 8), 10, hidden=[100, 100])) == 6500 + 10100 + 1010


@pytest.mark.parametrize("hidden", [[], [0], [-1], [1.5], ["a"]])
def test_mlp_widths_must_be_positive(hidden):
    with pytest.raises(UserError, match=r"network\.hidden"):
        NETWORKS["mlp"]((40,), 10, hidden=hidden)
