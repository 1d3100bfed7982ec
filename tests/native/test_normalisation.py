"""Batch norm by the kernel against PyTorch's: values, gradients to the second order, neighbours, threads."""

import pytest
import torch

from evoact.native.tensors import accepts
from evoact.networks.normalisation import batch_normed, reference


def rows(members: int, m: int, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    h = 3 * torch.randn(members, 5, m, generator=generator, dtype=dtype) + 1
    scale, shift = torch.randn(2, members, 5, generator=generator, dtype=dtype)
    return h.requires_grad_(), scale.requires_grad_(), shift.requires_grad_()


@pytest.mark.parametrize("m", [15, 64, 100, 4099])
def test_values_and_derivatives(m):
    tensors, exact = rows(3, m), [t.detach().double().requires_grad_() for t in rows(3, m)]
    y, expected = batch_normed(*tensors, 1e-3), reference(*exact, 1e-3)
    assert ("NativeBatchNorm" in y.grad_fn.name()) == accepts(tensors[0])
    assert torch.allclose(y.double(), expected, rtol=1e-4, atol=2e-5)
    g = torch.randn(y.shape, generator=torch.Generator().manual_seed(1))
    for both in (False, True):  # the gradient as it is, and one that has a derivative of its own
        found = torch.autograd.grad((y * g).sum(), tensors, create_graph=both, retain_graph=True)
        wanted = torch.autograd.grad((expected * g).sum(), exact, create_graph=both, retain_graph=True)
        for ours, theirs in zip(found, wanted, strict=True):
            assert torch.allclose(
                ours.double(), theirs, rtol=1e-4, atol=1e-4 * float(theirs.detach().abs().max())
            )
    second, expected_second = (
        torch.autograd.grad(
            torch.autograd.grad((z**3).sum(), t[0], create_graph=True)[0].square().sum(), t[1]
        )[0]
        for z, t in ((y, tensors), (expected, exact))
    )
    assert torch.allclose(
        second.double(), expected_second, rtol=1e-3, atol=1e-3 * float(expected_second.abs().max())
    )


def test_a_member_is_bit_equal_whatever_its_neighbours_and_threads():
    results, before = [], torch.get_num_threads()
    for members, threads in ((slice(0, 3), 1), (slice(1, 2), 1), (slice(0, 3), 2)):
        torch.set_num_threads(threads)
        own = [t.detach()[members].requires_grad_() for t in rows(3, 8000)]
        y = batch_normed(*own, 1e-5)
        grads = torch.autograd.grad((y**3).sum(), own)
        results.append([t[1 if len(t) == 3 else 0] for t in (y, *grads)])
    torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))
