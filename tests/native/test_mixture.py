"""The C kernels of mixtures against PyTorch: values, first and second derivatives, places and threads."""

import pytest
import torch

from evoact.activations.functions.base_functions import BASE_FUNCTIONS
from evoact.activations.routing.plan import plan_site
from evoact.genomes.genome import SiteGenome
from evoact.genomes.kinds import Base, Hull, Maxout, Subnetwork
from evoact.native.library import library
from evoact.native.mixture import function_codes
from evoact.native.tensors import accepts
from tests.activations.examples import SITES, pack

needs_kernels = pytest.mark.skipif(library() is None, reason="no C compiler, or EVOACT_NATIVE=0")


@needs_kernels
def test_every_base_function_has_a_kernel():
    assert set(function_codes()) == {f.core for f in BASE_FUNCTIONS.values()}


@needs_kernels
@pytest.mark.parametrize("name", BASE_FUNCTIONS)
def test_value_and_derivative(name):
    f = BASE_FUNCTIONS[name]
    plan = plan_site([SiteGenome("s", (Base(name),), (0, 0))])
    assert plan.mixture.program is not None
    x = torch.cat([torch.linspace(-30, 30, 2999), torch.tensor([1e-6, -1e-6, 500.0, -500.0, 3e4, -3e4])])
    z = x.view(1, 1, -1).expand(1, 2, -1).clone().requires_grad_()
    y = plan(z, torch.zeros(1, 0))
    assert "NativeMixture" in y.grad_fn.next_functions[0][0].name()
    (slope,) = torch.autograd.grad(y.sum(), z)
    exact = x.double()
    value = f.value(exact)
    assert torch.allclose(y[0, 1].double(), value, rtol=1e-5, atol=1e-6)
    assert torch.allclose(slope[0, 1].double(), f.derivative(exact, value), rtol=1e-5, atol=1e-6)


@needs_kernels
@pytest.mark.parametrize("name", BASE_FUNCTIONS)
def test_what_is_not_finite(name):
    """NaN stays NaN, so that a diverging network is seen."""
    plan = plan_site([SiteGenome("s", (Base(name),), (0,))])
    x = torch.tensor([[[float("nan"), float("inf"), -float("inf"), 1.0]]])
    y, expected = plan(x, torch.zeros(1, 0)), BASE_FUNCTIONS[name].value(x)
    assert torch.allclose(y, expected, equal_nan=True)


@needs_kernels
@pytest.mark.parametrize("name", BASE_FUNCTIONS)
def test_an_element_does_not_depend_on_its_place(name):
    x = torch.randn(1, 1, 1000, generator=torch.Generator().manual_seed(0)) * 4
    for length in (1, 3, 15, 16, 17, 100, 513, 999):
        for rows in (1, 3):
            plan = plan_site([SiteGenome("s", (Base(name),), (0,) * rows)])
            z = x[..., 1000 - length :].expand(1, rows, -1).clone().requires_grad_()
            y = plan(z, torch.zeros(1, 0))
            (g,) = torch.autograd.grad(y.sum(), z)
            whole = x.clone().requires_grad_()
            alone = plan_site([SiteGenome("s", (Base(name),), (0,))])(whole, torch.zeros(1, 0))
            (expected,) = torch.autograd.grad(alone.sum(), whole)
            assert torch.equal(y[:, -1], alone[:, 0, 1000 - length :])
            assert torch.equal(g[:, -1], expected[:, 0, 1000 - length :])


SPLINES = SiteGenome(
    "s",
    (Subnetwork("tanh", 5), Base("sin"), Subnetwork("relu", 3), Maxout(2), Subnetwork("tanh", 5, "exact")),
    (0, 1, 2, 0, 3, 4),
)


def both(site_list, m, pieces=1):
    """Outputs and gradients of kernels and reference on the same numbers."""
    z, p = pack(site_list, m)
    z = torch.cat([z.detach().float() * (0.7**i) for i in range(pieces)], dim=2)
    z = z.view(len(z), -1, pieces, m).reshape(len(z), -1, m)
    p = p.detach().float()
    plan = plan_site(site_list)
    found = []
    for dtype in (torch.float32, torch.float64):  # only single precision goes through the kernels
        zz, pp = z.detach().to(dtype).requires_grad_(), p.detach().to(dtype).requires_grad_()
        y = plan(zz, pp)
        weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        grads = torch.autograd.grad((weights.to(dtype) * y).sum(), (zz, pp), materialize_grads=True)
        found.append((y, *grads))
    return found


@needs_kernels
@pytest.mark.parametrize("chosen", [[i] for i in range(len(SITES))] + [list(range(len(SITES)))])
@pytest.mark.parametrize("m", [7, 700])
def test_assignments_and_hulls(chosen, m):
    ours, exact = both([SITES[i] for i in chosen], m)
    for a, b in zip(ours, exact, strict=True):
        assert torch.allclose(a.double(), b, rtol=1e-4, atol=2e-5)


@needs_kernels
@pytest.mark.parametrize("m", [3, 300])
def test_splines_among_other_rows(m):
    """Several pieces per neuron, many rows of one spline, and rows of other families between."""
    many = SiteGenome("s", (Subnetwork("sin", 4), Base("cos")), (0,) * 150 + (1,) * 10)
    for sites, pieces in (([SPLINES, SPLINES], 2), ([many], 1)):
        ours, exact = both(sites, m, pieces)
        for a, b in zip(ours, exact, strict=True):
            assert torch.allclose(a.double(), b, rtol=1e-4, atol=1e-4)


@needs_kernels
@pytest.mark.parametrize(
    "site",
    [
        SiteGenome("s", (Base("tanh"), Hull("affine", ("sin", "gaussian"), "neuron")), (0, 1, 0, 1)),
        SiteGenome("s", (Base("tanh"), Subnetwork("sin", 4)), (0, 1, 0, 1)),
    ],
)
def test_second_derivatives(site):
    """Where the kernels made the first derivative, PyTorch makes the second."""
    plan = plan_site([site])
    results = []
    for dtype in (torch.float32, torch.float64):
        z, p = (t.detach().to(dtype).requires_grad_() for t in pack([site], 9))
        (first,) = torch.autograd.grad(plan(z, p).square().sum(), z, create_graph=True)
        results.append(torch.autograd.grad(first.sin().sum(), (z, p)))
    for a, b in zip(*results, strict=True):
        assert torch.allclose(a.double(), b, rtol=1e-4, atol=1e-4)


@needs_kernels
def test_threads_change_nothing():
    sites = [SITES[i] for i in (0, 1, 4)] * 5
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            results.append(both(sites, 2000)[0])
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


@needs_kernels
def test_threads_change_nothing_in_columns():
    """Of more examples than one sum of coefficients' gradients goes over."""
    plan = plan_site([SiteGenome("s", (Hull("affine", ("tanh", "relu", "sin"), "neuron"),), (0,) * 40)])
    x, g = torch.randn(2, 1000, 40, generator=torch.Generator().manual_seed(0))
    flat = torch.randn(120, generator=torch.Generator().manual_seed(1)).requires_grad_()
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            z = x.clone().requires_grad_()
            y = plan.columns(z, flat)
            results.append((y, *torch.autograd.grad(y, (z, flat), g)))
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_other_tensors_are_left_to_pytorch():
    assert not accepts(torch.zeros(1, dtype=torch.float64))
    assert not accepts(torch.zeros(1, device="meta"))
    z, p = pack(SITES[:2])
    assert plan_site(SITES[:2])(z, p).dtype == torch.float64


@needs_kernels
@pytest.mark.parametrize("m", [1, 16, 37])
@pytest.mark.parametrize("site", SITES, ids=lambda s: s.label)
def test_neurons_as_columns(site, m):
    plan = plan_site([site])
    if not plan.in_columns:
        pytest.skip("splines, scales or types that are no mixtures")
    z, p = pack([site], m)
    x = z[0].t().float().contiguous().detach().requires_grad_()
    flat = p[0].float().detach().requires_grad_()
    g = torch.randn(m, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    expected = plan(z, p)[0].t()
    got = plan.columns(x, flat)
    assert torch.allclose(got.double(), expected, rtol=1e-5, atol=1e-6)
    wanted = torch.autograd.grad((expected * g).sum(), (z, p), create_graph=True, materialize_grads=True)
    first = torch.autograd.grad((got * g.float()).sum(), (x, flat), materialize_grads=True)
    again = torch.autograd.grad(
        (plan.columns(x, flat) * g.float()).sum(), (x, flat), create_graph=True, materialize_grads=True
    )
    for some in (first, again):
        assert torch.allclose(some[0].double(), wanted[0][0].t(), rtol=1e-5, atol=1e-5)
        assert torch.allclose(some[1].double(), wanted[1][0], rtol=1e-5, atol=1e-5)
    second = torch.autograd.grad(again[0].square().sum(), x, materialize_grads=True)[0]
    exact = torch.autograd.grad(wanted[0].square().sum(), z, materialize_grads=True)[0][0].t()
    assert torch.allclose(second.double(), exact, rtol=1e-4, atol=1e-4)


@needs_kernels
@pytest.mark.parametrize("name", ["relu", "leaky_relu", "identity"])
def test_inputs_are_not_kept_where_values_say_all(name):
    plan = plan_site([SiteGenome("s", (Base(name), Base("absent")), (0, 1, 0))])
    leaf = torch.randn(1, 3, 50, generator=torch.Generator().manual_seed(0)).requires_grad_()
    found = []
    for evaluate in (plan, lambda z, none: plan.mixture.reference(z.view(3, 1, 50), none[0], none[0])[None]):
        z = 2 * leaf
        y = evaluate(z, torch.zeros(1, 0))
        (first,) = torch.autograd.grad(y.square().sum(), leaf, create_graph=True)
        (second,) = torch.autograd.grad((first * first).sum(), leaf)
        found.append((y, first, second))
    for one, other in zip(*found, strict=True):
        assert torch.allclose(one, other)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.data_ptr()) or t, lambda t: t):
        z = 2 * leaf
        plan(z, torch.zeros(1, 0))
    assert z.data_ptr() not in kept


@needs_kernels
@pytest.mark.parametrize("name", ["tanh", "relu6", "relu(2*x)", "abs"])
def test_inputs_are_kept_elsewhere(name):
    assert not plan_site([SiteGenome("s", (Base("relu"), Base(name)), (0, 1))]).mixture.from_values
