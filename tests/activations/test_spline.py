"""Splines: accuracy, derivatives of both backends to second order, and what happens outside the grid."""

import pytest
import torch

from evoact.activations import spline
from evoact.activations.kinds import initial
from evoact.activations.routing.plan import plan_site
from evoact.activations.spline import Grid
from evoact.genomes.genome import SiteGenome
from evoact.genomes.kinds import Subnetwork

GRID = Grid(-3.0, 3.0, 61)


def of(f, x, grid=GRID):
    """The spline of f, as one set."""
    return spline.evaluate(x[None], spline.coefficients(f(grid.points(x))[None]), grid)[0]


def test_cubic_polynomials_are_reproduced():
    x = torch.linspace(-3, 3, 1001, dtype=torch.float64)
    assert torch.allclose(of(lambda x: x**3 - 2 * x + 1, x), x**3 - 2 * x + 1, atol=1e-12)


def test_the_error_is_of_the_fourth_order():
    x = torch.linspace(-3, 3, 1001, dtype=torch.float64)
    errors = [float((of(torch.sin, x, Grid(-3, 3, n)) - x.sin()).abs().max()) for n in (31, 61)]
    assert errors[1] < 4e-6
    assert 13 < errors[0] / errors[1] < 19


@pytest.mark.parametrize("x", [3.0, 3.5, 10.0, -3.0, -100.0])
def test_straight_beyond_the_ends(x):
    end = torch.tensor(3.0 if x > 0 else -3.0, dtype=torch.float64)
    at = torch.tensor([x], dtype=torch.float64)
    assert float(of(torch.sin, at)) == pytest.approx(
        float(end.sin() + end.cos() * (x - end)), abs=2e-4 * abs(x)
    )


@pytest.mark.parametrize("points", [(-2.9, -0.31, 1.0, 2.95), (-4.0, 3.7, 20.0)])
def test_gradients(points):
    x = torch.tensor([points, points], dtype=torch.float64).requires_grad_()
    c = torch.randn(2, 13, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()
    grid = Grid(-3.0, 3.0, 11)
    assert torch.autograd.gradcheck(lambda x, c: spline.evaluate(x, c, grid), (x, c))
    assert torch.autograd.gradgradcheck(lambda x, c: spline.evaluate(x, c, grid), (x, c))


@pytest.mark.parametrize("n", [1, 5, 300, 200_000])
def test_both_backends(n):
    g = torch.Generator().manual_seed(n)
    x, nodes = torch.randn(3, n, generator=g) * 2, GRID.points(torch.zeros(1))
    c = spline.coefficients(torch.stack([nodes.sin(), nodes.cos(), 2 * nodes]))
    weights = torch.randn(3, n, generator=g)
    found = []
    for dtype in (torch.float32, torch.float64):  # only single precision goes through the kernels
        xx, cc = (t.to(dtype).requires_grad_() for t in (x, c))
        y = spline.evaluate(xx, cc, GRID)
        found.append((y, *torch.autograd.grad((weights.to(dtype) * y).sum(), (xx, cc))))
    for a, b in zip(*found, strict=True):
        assert torch.allclose(a.double(), b, rtol=1e-4, atol=1e-4 * max(1, n**0.5 / 20))


def test_not_finite_inputs_are_not_hidden():
    x = torch.tensor([[float("nan"), 0.0, float("inf")]])
    for dtype in (torch.float32, torch.float64):
        y = spline.evaluate(x.to(dtype), torch.ones(1, GRID.nodes + 2, dtype=dtype), GRID)
        assert y[0].isfinite().tolist() == [False, True, False]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-6)])
def test_subnetworks_by_splines_are_those_evaluated_exactly(dtype, tolerance):
    found = []
    for evaluation in ("spline", "exact"):
        site = SiteGenome(
            "s", (Subnetwork("sin", 50, evaluation), Subnetwork("relu", 50, evaluation)), (0, 1, 0)
        )
        start = initial(site, torch.Generator().manual_seed(0)).to(dtype)
        p = start[None].requires_grad_()
        z = torch.linspace(-9, 9, 3 * 70, dtype=dtype).view(1, 3, 70).requires_grad_()
        y = plan_site([site])(z, p)
        found.append((y, *torch.autograd.grad((y * y).mean(), (z, p))))
    for a, b in zip(*found, strict=True):
        assert torch.allclose(a, b, atol=tolerance * max(1, float(b.detach().abs().max())))


@pytest.mark.parametrize("n", [7, 3000])
def test_second_derivatives_of_both_backends(n):
    """Inside and outside the grid: by autograd twice, and as the tangent of a gradient."""
    g = torch.Generator().manual_seed(n)
    x, weights, along, r = (torch.randn(3, n, generator=g) * 2 for _ in range(4))
    nodes = GRID.points(torch.zeros(1))
    c = spline.coefficients(torch.stack([nodes.sin(), nodes.cos(), nodes**2]))
    c_along = spline.coefficients(torch.stack([nodes.cos(), nodes, nodes.sin()]))
    found = []
    for dtype in (torch.float32, torch.float64):  # only single precision goes through the kernels
        xx, cc, ww = (t.to(dtype).requires_grad_() for t in (x, c, weights))
        y = spline.evaluate(xx, cc, GRID)
        by_x, by_c = torch.autograd.grad((ww * y).sum(), (xx, cc), create_graph=True)
        total = (by_x * along.to(dtype)).sum() + (by_c * c_along.to(dtype)).sum()
        twice = torch.autograd.grad(total, (xx, cc, ww))
        plain = [t.to(dtype) for t in (weights, r, x, along, c)]
        value, slope, beyond = spline.value_and_slope(plain[2], plain[4], GRID)
        assert torch.allclose(value, y.detach(), atol=1e-6)
        assert int(beyond.sum()) == int((x.abs() > 3).sum())
        found.append((*twice, slope, *spline.tangent_gradient(*plain, GRID)))
    for a, b in zip(*found, strict=True):
        # Second derivatives jump in their slope at the nodes, where rounding may fall on either side.
        assert torch.allclose(a.double(), b, rtol=1e-3, atol=1e-3 * max(1, n**0.5 / 20))
