"""Products of members' matrices by the kernels against double precision: values, gradients, neighbours, any layout."""

import pytest
import torch

from evoact.native.library import library
from evoact.native.tensors import accepts
from evoact.networks.precision import has_bf16, product

needs_kernels = pytest.mark.skipif(
    library() is None, reason="PyTorch's may depend on the size of a pack of one"
)
SHAPES = [(100, 40, 100), (10, 100, 100), (6, 16, 64), (7, 3, 5), (1, 1, 1), (13, 250, 70), (33, 129, 17)]


def made(shape, dtype, members=3, shared=False, across=False):
    n, d, m = shape
    generator = torch.Generator().manual_seed(0)
    w, b = (torch.randn(members, n, k, generator=generator, dtype=torch.float64) for k in (d, 1))
    copies = 1 if shared else members
    x = torch.randn(copies, m, d, generator=generator, dtype=torch.float64).transpose(1, 2)
    x = x if across else x.contiguous()
    return [t.to(dtype, memory_format=torch.preserve_format).requires_grad_() for t in (w, x, b)]


@pytest.mark.parametrize("across", [False, True], ids=["along", "across"])
@pytest.mark.parametrize("shared", [False, True], ids=["own", "shared"])
@pytest.mark.parametrize("shape", SHAPES)
def test_values_and_derivatives(shape, shared, across):
    found, wanted = [], []
    for dtype, results in ((torch.float32, found), (torch.float64, wanted)):
        w, x, b = made(shape, dtype, shared=shared, across=across)
        y = product(w, x.expand(3, -1, -1), b)
        if accepts(w):
            assert y.grad_fn.name() == "NativeProductBackward"
        g = torch.linspace(-1, 1, y.numel(), dtype=dtype).view(y.shape)
        without = torch.autograd.grad((g * y).sum(), (w, x, b), retain_graph=True)
        first = torch.autograd.grad((g * y * y).sum(), (w, x, b), create_graph=True)
        second = torch.autograd.grad(sum(f.square().sum() for f in first), (w, x, b))
        results += [y, *without, *first, *second]
    for one, other in zip(found, wanted, strict=True):
        assert one.shape == other.shape
        assert torch.allclose(one.double(), other, rtol=1e-4, atol=1e-5 * float(other.detach().abs().max()))


def test_no_biases():
    w, x, _ = made((7, 20, 9), torch.float32)
    assert torch.allclose(product(w, x, None), w @ x, atol=1e-5)


@needs_kernels
@pytest.mark.parametrize("shape", SHAPES)
def test_a_member_has_the_same_bits_alone(shape):
    def gradients(members):
        w, x, b = (t.detach()[members].requires_grad_() for t in made(shape, torch.float32))
        y = product(w, x, b)
        return [y, *torch.autograd.grad((y**2).sum(), (w, x, b))]

    for one, other in zip(gradients(slice(1, 2)), gradients(slice(None)), strict=True):
        assert torch.equal(one[0], other[1])


@needs_kernels
def test_the_number_of_threads_changes_no_bit():
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            w, x, b = made((70, 600, 65), torch.float32, members=1)
            y = product(w, x, b)
            results.append([y, *torch.autograd.grad((y**2).sum(), (w, x, b))])
    finally:
        torch.set_num_threads(before)
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)


@pytest.mark.skipif(not has_bf16(torch.device("cpu")), reason="this processor has no bf16")
@pytest.mark.parametrize("across", [False, True], ids=["along", "across"])
@pytest.mark.parametrize("shape", SHAPES)
def test_factors_in_bf16(shape, across):
    w, x, b = made(shape, torch.float32, across=across)
    y = product(w, x, b, "bf16")
    g = torch.linspace(-1, 1, y.numel()).view(y.shape)
    found = [y, *torch.autograd.grad(y, (w, x, b), g)]
    dw, dx, dg = (t.detach().bfloat16().double() for t in (w, x, g))
    wanted = [b.double() + dw @ dx, dg @ dx.mT, dw.mT @ dg, g.double().sum(2, keepdim=True)]
    rounded = 2.0**-8 if library() is None else 0  # PyTorch gives products in bf16, kernels in float32
    for one, other in zip(found, wanted, strict=True):
        scale = float(other.detach().abs().max())
        assert torch.allclose(one.double(), other, rtol=1e-4 + rounded, atol=(1e-5 + rounded) * scale)
