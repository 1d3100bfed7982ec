"""The C kernels against PyTorch: values, first and second derivatives, places, threads, and their absence."""

import os
import shutil
import subprocess
import sys

import pytest
import torch

from evoact.activations.functions.base_functions import BASE_FUNCTIONS
from evoact.activations.kinds import subnetwork
from evoact.activations.routing.plan import plan_site
from evoact.genomes.activation import Base, Hull, Maxout, Subnetwork
from evoact.genomes.genome import SiteGenome
from evoact.native import optimizers
from evoact.native.library import library
from evoact.native.mixture import function_codes
from evoact.native.tensors import accepts
from tests.activations.test_heterogeneous import SITES, pack

needs_kernels = pytest.mark.skipif(library() is None, reason="no C compiler, or EVOACT_NATIVE=0")


def test_a_compiler_gives_kernels():
    """Or a broken source would silently cost speed."""
    if shutil.which("cc") is None or os.environ.get("EVOACT_NATIVE") == "0":
        pytest.skip("no C compiler, or EVOACT_NATIVE=0")
    assert library() is not None


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


def subnetworks(sets, n, hidden):
    """Points, parameters, and an incoming gradient."""
    g = torch.Generator().manual_seed(0)
    parameters = [subnetwork.initial(Subnetwork("sin", hidden), 1, g) for _ in range(sets)]
    return (
        torch.randn(sets, n, generator=g) * 4,
        torch.cat(parameters).float(),
        torch.randn(sets, n, generator=g),
    )


@needs_kernels
@pytest.mark.parametrize(("sets", "n", "hidden"), [(1, 1, 1), (2, 261, 50), (3, 9000, 7)])
def test_subnetworks(sets, n, hidden):
    """Values and first derivatives; the last has several blocks of points, the last of them not full."""
    found = []
    x, parameters, g = subnetworks(sets, n, hidden)
    for dtype in (torch.float32, torch.float64):
        leaves = [t.to(dtype).requires_grad_() for t in (x, parameters)]
        y = subnetwork.network(*leaves)
        found.append((y, *torch.autograd.grad(y, leaves, g.to(dtype))))
    assert "NativeNetwork" in subnetwork.network(x, parameters.requires_grad_()).grad_fn.name()
    for ours, exact in zip(*found, strict=True):
        assert torch.allclose(ours.double(), exact, rtol=1e-4, atol=1e-5 * float(exact.detach().abs().max()))


@needs_kernels
def test_curvature_of_subnetworks():
    x, parameters, g = subnetworks(2, 40, 5)
    found = []
    for dtype in (torch.float32, torch.float64):
        leaves = [t.to(dtype).requires_grad_() for t in (x, parameters)]
        first = torch.autograd.grad(subnetwork.network(*leaves), leaves, g.to(dtype), create_graph=True)
        found.append(torch.autograd.grad(sum(t.square().sum() for t in first), leaves))
    for ours, exact in zip(*found, strict=True):
        assert torch.allclose(ours.double(), exact, rtol=1e-3, atol=1e-4)


@needs_kernels
def test_a_subnetwork_does_not_depend_on_its_neighbours_or_on_threads():
    x, parameters, g = subnetworks(3, 9000, 7)

    def gradients(sets):
        leaves = [t[sets].clone().requires_grad_() for t in (x, parameters)]
        y = subnetwork.network(*leaves)
        return y, *torch.autograd.grad(y, leaves, g[sets])

    before, together = torch.get_num_threads(), gradients(slice(None))
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            for k in range(3):
                alone = gradients(slice(k, k + 1))
                assert all(torch.equal(a[0], b[k]) for a, b in zip(alone, together, strict=True))
    finally:
        torch.set_num_threads(before)


@needs_kernels
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_adam(weight_decay):
    g = torch.Generator().manual_seed(0)
    p = torch.randn(3, 5, 7, generator=g)
    reference = [q.clone().requires_grad_() for q in p]
    rates, m, v = torch.tensor([1e-2, 1e-3, 1e-1]), torch.zeros_like(p), torch.zeros_like(p)
    theirs = torch.optim.Adam(
        [{"params": [q], "lr": float(r)} for q, r in zip(reference, rates, strict=True)],
        weight_decay=weight_decay,
    )
    for t in range(1, 6):
        gradient = torch.randn(p.shape, generator=g)
        for q, gq in zip(reference, gradient, strict=True):
            q.grad = gq.clone()
        theirs.step()
        root = (1 - 0.999**t) ** 0.5
        scaled = rates.double() * root / (1 - 0.9**t)
        optimizers.adam(p, gradient, m, v, scaled, 0.9, 0.999, 1e-8 * root, weight_decay)
    assert torch.allclose(p, torch.stack(reference), atol=1e-6)


@needs_kernels
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_rmsprop(weight_decay):
    g = torch.Generator().manual_seed(0)
    p = torch.randn(3, 5, 7, generator=g)
    reference = [q.clone().requires_grad_() for q in p]
    rates, v = torch.tensor([1e-2, 1e-3, 1e-1]), torch.zeros_like(p)
    theirs = torch.optim.RMSprop(
        [{"params": [q], "lr": float(r)} for q, r in zip(reference, rates, strict=True)],
        alpha=0.9,
        weight_decay=weight_decay,
    )
    for _ in range(5):
        gradient = torch.randn(p.shape, generator=g)
        for q, gq in zip(reference, gradient, strict=True):
            q.grad = gq.clone()
        theirs.step()
        optimizers.rmsprop(p, gradient, v, rates, 0.9, 1e-8, weight_decay)
    assert torch.allclose(p, torch.stack(reference), atol=1e-6)


def test_other_tensors_are_left_to_pytorch():
    assert not accepts(torch.zeros(1, dtype=torch.float64))
    assert not accepts(torch.zeros(1, device="meta"))
    z, p = pack(SITES[:2])
    assert plan_site(SITES[:2])(z, p).dtype == torch.float64


@pytest.mark.parametrize(
    "environment",
    [{"EVOACT_NATIVE": "0"}, {"CC": "no-such-compiler"}, {"CC": "false"}, {"CC": "cc --no-such-option"}],
)
def test_without_kernels_pytorch_computes_the_same(environment, tmp_path):
    """A missing or failing compiler is silent, and training works."""
    script = (
        "import torch\n"
        "from evoact.native.library import library\n"
        "from tests.training.examples import member, network, task\n"
        "from tests.training.test_members import members_of\n"
        "from evoact.training.pack import TrainingSettings\n"
        "from evoact.training.loop import train_pack\n"
        "assert library() is None\n"
        "net = network()\n"
        "members = [member(i, net, 5) for i in range(3)] + members_of(net)\n"
        "print(train_pack(members, net, task(), TrainingSettings(32)))\n"
    )
    variables = {**os.environ, "EVOACT_CACHE": str(tmp_path), **environment}
    done = subprocess.run([sys.executable, "-c", script], env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.count("completed") == 9
