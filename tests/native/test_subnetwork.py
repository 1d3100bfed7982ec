"""The C kernels of sub-networks against PyTorch: values, gradients, curvature, places and threads."""

import pytest
import torch

from evoact.activations.kinds import subnetwork
from evoact.genomes.kinds import Subnetwork
from evoact.native.library import library

pytestmark = pytest.mark.skipif(library() is None, reason="no C compiler, or EVOACT_NATIVE=0")


def subnetworks(sets, n, hidden):
    """Points, parameters, and an incoming gradient."""
    g = torch.Generator().manual_seed(0)
    parameters = [subnetwork.initial(Subnetwork("sin", hidden), 1, g) for _ in range(sets)]
    return (
        torch.randn(sets, n, generator=g) * 4,
        torch.cat(parameters).float(),
        torch.randn(sets, n, generator=g),
    )


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


def test_curvature_of_subnetworks():
    x, parameters, g = subnetworks(2, 40, 5)
    found = []
    for dtype in (torch.float32, torch.float64):
        leaves = [t.to(dtype).requires_grad_() for t in (x, parameters)]
        first = torch.autograd.grad(subnetwork.network(*leaves), leaves, g.to(dtype), create_graph=True)
        found.append(torch.autograd.grad(sum(t.square().sum() for t in first), leaves))
    for ours, exact in zip(*found, strict=True):
        assert torch.allclose(ours.double(), exact, rtol=1e-3, atol=1e-4)


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
