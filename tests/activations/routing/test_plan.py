"""Every assignment of neurons to types against one neuron at a time, with first and second derivatives."""

import pytest
import torch

from evoact.activations.kinds import count, initial
from evoact.activations.kinds.hull import COEFFICIENTS
from evoact.activations.routing.plan import plan_site
from evoact.errors import UserError
from evoact.genomes.field_options import HULLS
from evoact.genomes.genome import SiteGenome
from evoact.genomes.kinds import Base, Hull, Subnetwork
from tests.activations.examples import SITES, pack
from tests.training.plain import activate


@pytest.mark.parametrize("chosen", [[i] for i in range(len(SITES))] + [range(len(SITES)), [1, 1, 3]])
def test_against_one_network_at_a_time(chosen):
    sites = [SITES[i] for i in chosen]
    z, p = pack(sites)
    y = plan_site(sites)(z, p)
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    ours = torch.autograd.grad((weights * y).sum(), (z, p), materialize_grads=True)
    expected = torch.stack([activate(z[k].t(), s, p[k]).t() for k, s in enumerate(sites)])
    theirs = torch.autograd.grad((weights * expected).sum(), (z, p), materialize_grads=True)
    assert torch.allclose(y, expected, atol=1e-12)
    assert all(torch.allclose(a, b, atol=1e-12) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.slow
def test_derivatives_of_second_order():
    z, p = pack(SITES, m=3)
    plan = plan_site(SITES)
    assert torch.autograd.gradcheck(plan, (z, p))
    assert torch.autograd.gradgradcheck(plan, (z, p), fast_mode=True)  # along random directions


def test_single_precision():
    z, p = pack(SITES)
    plan = plan_site(SITES)
    assert torch.allclose(plan(z.float(), p.float()).double(), plan(z, p), atol=1e-5)


def test_leaked_values_of_other_types_would_show():
    """A type's act(0) must not reach other types' neurons, as a sum over masked inputs lets it."""
    site = SiteGenome("s", (Base("cos"), Base("identity")), (0, 1, 1))
    z = torch.zeros(1, 3, 2)
    assert plan_site([site])(z, torch.zeros(1, 0)).tolist() == [[[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]]]


def test_permuting_neurons_with_their_types_permutes_the_outputs():
    site = SITES[1]
    z, p = pack([site])
    order = [5, 3, 0, 1, 4, 2]
    types, assignment = site.types, tuple(site.assignment[i] for i in order)
    moved = SiteGenome("s", types, assignment)
    # Per-neuron coefficients lie in the order of the type's neurons, and travel with them.
    sets = {n: i for i, n in enumerate(n for n, t in enumerate(site.assignment) if t == 2)}
    new = [n for n in order if site.assignment[n] == 2]
    q = torch.cat([p[0, :2], *(p[0, 2 + 3 * sets[n] : 5 + 3 * sets[n]] for n in new)])
    y = plan_site([site])(z, p)
    assert torch.allclose(plan_site([moved])(z[:, order], q[None]), y[:, order], atol=1e-14)


def test_parameter_counts():
    assert count(Base("relu"), 100) == 0
    assert count(Hull("convex", ("identity", "relu", "tanh")), 100) == 3
    assert count(Hull("convex", ("identity", "relu", "tanh"), "neuron"), 100) == 300
    assert count(Subnetwork("sin", 50), 100) == 151


@pytest.mark.parametrize("hull", HULLS)
def test_hulls_start_in_the_middle(hull):
    site = SiteGenome("s", (Hull(hull, ("relu", "tanh")),), (0, 0))
    start = initial(site, torch.Generator())
    assert COEFFICIENTS[hull](start).tolist() == [0.5, 0.5]


def test_hull_constraints():
    w = torch.randn(50, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 5
    convex, affine = COEFFICIENTS["convex"](w), COEFFICIENTS["affine"](w)
    assert (convex >= 0).all()
    assert torch.allclose(convex.sum(1), torch.ones(50, dtype=torch.float64))
    assert torch.allclose(affine.sum(1), torch.ones(50, dtype=torch.float64))
    assert torch.equal(COEFFICIENTS["linear"](w), w)
    assert (COEFFICIENTS["conic"](w) > 0).all()
    assert set(COEFFICIENTS) == set(HULLS)


def test_two_subnetworks_of_one_layer_start_differently():
    site = SiteGenome("s", (Subnetwork("sin", 4), Subnetwork("identity", 4)), (0, 1))
    start = initial(site, torch.Generator().manual_seed(0))
    assert not torch.equal(start[:13], start[13:])


def test_unknown_names():
    with pytest.raises(UserError, match="did you mean 'relu'"):
        plan_site([SiteGenome("s", (Base("rellu"),), (0,))])
    with pytest.raises(UserError, match="did you mean 'tanh'"):
        plan_site([SiteGenome("s", (Hull("convex", ("relu", "tahn")),), (0,))])
