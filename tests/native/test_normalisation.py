"""Batch norm by the kernel against PyTorch's: values, gradients to the second order, neighbours, threads; with what is
added and the activations behind it against one operation after the other."""

import pytest
import torch

from evoact.activations.routing.plan import plan_site
from evoact.genomes.genome import SiteGenome
from evoact.genomes.kinds import Base
from evoact.native.tensors import accepts
from evoact.networks.normalisation import Functions, batch_normed, normed, reference


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


@pytest.mark.skipif(not accepts(torch.ones(1)), reason="there are no kernels")
@pytest.mark.parametrize("names", [("relu",), ("tanh", "relu", "gaussian")])
@pytest.mark.parametrize("added", [False, True])
@pytest.mark.parametrize("threads", [1, 2])
def test_with_activations_it_is_to_the_bit_one_after_the_other(names, added, threads):
    own = [tuple(i % len(names) for i in range(5)), tuple((i + 1) % len(names) for i in range(5))]
    plan = plan_site([SiteGenome("h", tuple(map(Base, names)), types) for types in own])
    tensors = rows(2, 7001)
    rest = [torch.randn_like(tensors[0]).requires_grad_()] if added else []
    given = [*tensors, *rest]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    at_once = normed(*tensors, 1e-5, rest[0] if rest else None, Functions(plan.program, plan.mixture))
    apart = plan(sum(rest, batch_normed(*tensors, 1e-5)), torch.empty(2, 0))
    assert torch.equal(at_once, apart)
    g = torch.randn(apart.shape, generator=torch.Generator().manual_seed(1))
    found, wanted = (torch.autograd.grad(y, given, g, retain_graph=True) for y in (at_once, apart))
    assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))
    torch.set_num_threads(before)
    again = []
    for y in (at_once, apart):
        first = torch.autograd.grad(y.square().sum(), given, create_graph=True)
        again.append(torch.autograd.grad(sum(t.square().sum() for t in first), given))
    for a, b in zip(*again, strict=True):
        assert torch.allclose(a, b, rtol=1e-3, atol=1e-3 * float(b.abs().max()))
