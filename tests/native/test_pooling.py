"""Max pooling by the kernel against PyTorch's: values, gradients to the second order, NaN, threads."""

import pytest
import torch
from torch.nn import functional as F

from evoact.activations.routing.plan import plan_site
from evoact.genomes.genome import SiteGenome
from evoact.genomes.kinds import Base
from evoact.native.tensors import accepts
from evoact.networks.pooling import chosen, max_pool

# Size, stride, height, width.
WINDOWS = [(2, 2, 24, 24), (2, 2, 7, 9), (3, 2, 27, 13), (3, 1, 6, 6), (5, 3, 17, 16)]


def images(height: int, width: int) -> torch.Tensor:
    """Many equal values, of which the first counts, and both zeros."""
    x = torch.randn(3, 2, height, width, 5, generator=torch.Generator().manual_seed(0))
    return (4 * x).round().clamp(-4, 2) / 4


def plain(x: torch.Tensor, size: int, stride: int) -> torch.Tensor:
    pooled = F.max_pool2d(x.movedim(-1, 0).flatten(1, 2), size, stride)
    return pooled.movedim(0, -1).unflatten(0, x.shape[:2])


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_and_derivatives(window, dtype):
    size, stride, height, width = window
    x = images(height, width).to(dtype).requires_grad_()
    y = max_pool(x, size, stride)
    assert ("NativeMaxPool" in y.grad_fn.name()) == accepts(x)
    expected = plain(x, size, stride)
    assert torch.equal(y, expected)
    g = torch.randn_like(y)
    for both in (False, True):  # the gradient as it is, and one that has a derivative of its own
        found, wanted = (
            torch.autograd.grad((g * z**3).sum(), x, create_graph=both, retain_graph=True)[0]
            for z in (y, expected)
        )
        assert torch.allclose(found, wanted, rtol=1e-6, atol=0)
    second, expected_second = (
        torch.autograd.grad(torch.autograd.grad((z**3).sum(), x, create_graph=True)[0].square().sum(), x)[0]
        for z in (y, expected)
    )
    assert torch.allclose(second, expected_second, rtol=1e-5, atol=0)


def test_nan_is_the_largest_value_whatever_its_sign():
    for nan in (float("nan"), -float("nan")):
        for place in range(4):
            x = torch.tensor([1.0, -float("inf"), float("inf"), 0.0])
            x[place] = torch.tensor(nan).copysign(torch.tensor(nan))
            assert max_pool(x.view(2, 2, 1), 2, 2).isnan().all()


def test_threads_change_nothing():
    x, before = images(80, 80), torch.get_num_threads()
    results = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        results.append(max_pool(x, 2, 2))
    torch.set_num_threads(before)
    assert torch.equal(*results)


def test_a_window_too_large_for_the_kernel():
    x = images(40, 40)
    assert torch.equal(max_pool(x, 20, 20), plain(x, 20, 20))


@pytest.mark.parametrize("window", [(2, 24, 24, 100), (2, 7, 9, 20), (3, 13, 11, 5)])
def test_numbers_whose_functions_are_largest(window):
    size, height, width, examples = window
    functions = ("relu", "tanh", "sin", "abs", "gaussian", "identity")
    site = SiteGenome("s", tuple(map(Base, functions)), tuple(range(len(functions))))
    plan = plan_site([site, site])
    x = torch.randn(2, 6, height, width, examples, generator=torch.Generator().manual_seed(0))
    x[0, :, 0, 0, 0] = float("nan")
    none = torch.zeros(2, 0)

    def activated(z):
        return plan(z.flatten(2), none).unflatten(2, z.shape[2:])

    if not accepts(x):
        assert chosen(x, size, size, plan.program) is None
        return
    # Of overlapping windows one number may be chosen twice, and its gradients added up after the slopes.
    assert chosen(x, size, size - 1, plan.program) is None
    results = []
    for fewer in (False, True):
        z = x.clone().requires_grad_()
        few = chosen(z, size, size, plan.program) if fewer else None
        y = max_pool(activated(z), size, size) if few is None else activated(few)
        g = torch.linspace(-1, 1, y.numel()).view(y.shape)
        first = torch.autograd.grad((y * g).sum(), z, retain_graph=True)[0]
        smooth = torch.autograd.grad((y[1] ** 2).sum(), z, create_graph=True)[0][1]
        second = torch.autograd.grad(smooth.square().sum(), z)[0][1]
        results.append((y, first, second))
    (y, first, second), (expected, wanted, bent) = results
    assert torch.equal(y.nan_to_num(9), expected.nan_to_num(9))
    assert y.isnan().any()
    assert torch.equal(first[1], wanted[1])
    assert torch.allclose(second, bent, rtol=1e-5, atol=1e-6)
