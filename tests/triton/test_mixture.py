"""The Triton kernels against PyTorch, on a GPU or, where TRITON_INTERPRET=1, in Triton's interpreter on the CPU."""

import os
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from evoact.activations.functions.base_functions import BASE_FUNCTIONS
from evoact.activations.routing import mixture
from evoact.activations.routing.cuda_check import kernels_agree
from evoact.activations.routing.plan import plan_site
from evoact.genomes.genome import SiteGenome
from evoact.genomes.kinds import Base, Hull, Maxout, Subnetwork
from evoact.triton import backend, terms
from tests.activations.examples import SITES, pack

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
pytestmark = [
    pytest.mark.skipif(find_spec("triton") is None, reason="needs Triton"),
    pytest.mark.skipif(
        DEVICE == "cpu" and os.environ.get("TRITON_INTERPRET") != "1",
        reason="needs a GPU, or TRITON_INTERPRET=1",
    ),
    # What is not finite is meant to be; numpy computes in the interpreter.
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
]
TOLERANCES = [(torch.float32, 1e-5), (torch.float64, 1e-12)]
SCALED = SiteGenome(
    "s",
    (Base("-0.3*sin(1.7*x)"), Base("normalised(relu)"), Hull("linear", ("0.1*tanh(3*x)", "cos"), "neuron")),
    (0, 1, 2, 2, 1, 0),
)
WITH_SPLINES = SiteGenome(
    "s", (Subnetwork("tanh", 5), Base("sin"), Maxout(2), Hull("affine", ("sin", "abs"))), (0, 1, 2, 0, 3, 1)
)


@pytest.fixture(autouse=True)
def _by_triton(monkeypatch):
    monkeypatch.setattr(mixture, "accepts", lambda tensor: False)  # the kernels for the CPU step back


def planned(sites):
    return plan_site(sites, device=DEVICE)


@pytest.mark.parametrize(("dtype", "tolerance"), TOLERANCES)
@pytest.mark.parametrize("name", BASE_FUNCTIONS)
def test_value_and_derivative(name, dtype, tolerance):
    special = [0.0, 1e-6, -1e-6, 500.0, -500.0, 3e4, -3e4, float("nan"), float("inf"), -float("inf")]
    x = torch.cat([torch.linspace(-30, 30, 1999), torch.tensor(special)]).to(DEVICE, dtype)
    z = x.view(1, 1, -1).requires_grad_()
    y = planned([SiteGenome("s", (Base(name),), (0,))])(z, z.new_zeros(1, 0))
    assert "TritonMixture" in y.grad_fn.next_functions[0][0].name()
    (slope,) = torch.autograd.grad(y.sum(), z)
    value = BASE_FUNCTIONS[name].value(x)
    assert torch.allclose(y[0, 0], value, rtol=tolerance, atol=tolerance, equal_nan=True)
    known = x.isfinite()
    expected = BASE_FUNCTIONS[name].derivative(x, value)[known]
    assert torch.allclose(slope[0, 0, known], expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), TOLERANCES)
@pytest.mark.parametrize("sites", [SITES, [SCALED], [WITH_SPLINES, SCALED]])
@pytest.mark.parametrize("m", [7, 1200] if DEVICE == "cuda" else [1200])  # the interpreter is slow
def test_assignments_hulls_and_splines(sites, m, dtype, tolerance):
    """With several pieces to a neuron, of which base functions read the first, and in up to three blocks."""
    pieces = 2 if WITH_SPLINES in sites else 1
    z, p = (t.detach().to(DEVICE, dtype) for t in pack(sites, m))
    z = torch.stack([z, 0.7 * z], dim=2)[:, :, :pieces].flatten(1, 2).requires_grad_()
    p.requires_grad_()
    plan = planned(sites)
    weights = torch.cos(torch.arange(z.numel() // pieces, device=DEVICE, dtype=dtype)).view(-1, m)
    found = []
    for run in (plan.mixture, plan.mixture.reference):
        c = splines = p.new_empty(0)
        if plan.coefficients:
            made = torch.cat([group(p.flatten()).flatten() for group in plan.coefficients])
            c = made.index_select(0, plan.expansion)
        if plan.splines:
            splines = torch.cat([group(p.flatten()) for group in plan.splines])
        y = run(z.view(-1, pieces, m), c, splines)
        found.append((y, *torch.autograd.grad((weights * y).sum() / m, (z, p), materialize_grads=True)))
    for ours, exact in zip(*found, strict=True):
        assert torch.allclose(ours, exact, rtol=tolerance, atol=tolerance)


def test_second_derivatives():
    z, p = (t.detach().to(DEVICE).requires_grad_() for t in pack([SITES[1], SCALED], 5))
    plan = planned([SITES[1], SCALED])
    assert torch.autograd.gradcheck(plan, (z, p), fast_mode=True)
    assert torch.autograd.gradgradcheck(plan, (z, p), fast_mode=True)


def test_a_row_is_the_same_in_any_pack():
    """Values and gradients, its hulls' coefficients included, to the last bit."""
    z, p = (t.detach().to(DEVICE, torch.float32) for t in pack([SITES[1], SCALED, SITES[0]], 1200))

    def run(members):
        zz, pp = z[members].requires_grad_(), p[members].requires_grad_()
        y = planned([[SITES[1], SCALED, SITES[0]][i] for i in members])(zz, pp)
        return y, *torch.autograd.grad(y.sin().sum(), (zz, pp))

    together = run([0, 1, 2])
    for alone, place in (([0], 0), ([1], 1)):
        width = p.shape[1]
        for a, b in zip(run(alone), together, strict=True):
            assert torch.equal(a[0][..., :width], b[place][..., :width])


def test_neurons_that_are_left_out_are_zero():
    site = SiteGenome("s", (Base("cos"), Base("absent")), (0, 1, 0))
    z = torch.zeros(1, 3, 4, device=DEVICE, requires_grad=True)
    y = planned([site])(z, z.new_zeros(1, 0))
    assert y[0, :, 0].tolist() == [1, 0, 1]
    assert torch.autograd.grad(y.sum(), z)[0].eq(0).all()


@pytest.mark.parametrize("fault", ["wrong", "broken"])
def test_a_kernel_that_errs_is_not_used(fault, monkeypatch):
    def forward(x, c, program):
        if fault == "broken":
            raise RuntimeError("no such target")
        return x[:, 0] + 1e-4

    monkeypatch.setattr(backend.kernels(), "forward", forward)
    kernels_agree.cache_clear()
    try:
        z, p = (t.detach().to(DEVICE).requires_grad_() for t in pack([SCALED], 5))
        y = planned([SCALED])(z, p)
        assert not kernels_agree(z.device, z.dtype)
    finally:
        kernels_agree.cache_clear()
    monkeypatch.undo()
    assert torch.allclose(y, planned([SCALED])(z, p), atol=1e-12)


def test_other_precisions_are_left_to_pytorch():
    assert not kernels_agree(torch.device(DEVICE), torch.bfloat16)
    assert np.array_equal(terms.TERM.names, ("function", "coefficient", *terms.SCALES))
