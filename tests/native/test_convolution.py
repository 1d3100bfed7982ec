"""Convolutions by the kernels against PyTorch's: values, gradients to the second order, neighbours, threads."""

import pytest
import torch
from torch.nn import functional as F

from evoact.native import convolution as native
from evoact.native.convolution import Window
from evoact.native.tensors import accepts
from evoact.networks.convolution import convolution

# Inputs and outputs of a group, height, width, examples, size, and the window.
needs_bf16 = pytest.mark.skipif(
    not accepts(torch.ones(1)) or not native.has_bf16(), reason="the kernels have no bf16 here"
)
SHAPES = [
    (1, 20, 12, 11, 100, 5, Window()),
    (7, 13, 8, 9, 32, 3, Window(padding=1)),
    # By few multiplications: tiles that reach over the border, examples that fill no vector, groups.
    (24, 39, 11, 9, 18, 3, Window(padding=1)),
    (33, 26, 10, 14, 33, 3, Window(groups=2)),
    (32, 48, 7, 8, 16, 3, Window(padding=2)),
    (20, 50, 12, 12, 20, 5, Window()),
    (6, 8, 9, 7, 17, 3, Window(stride=2, padding=1)),
    (5, 4, 9, 8, 3, 1, Window(stride=2)),
    (3, 4, 13, 12, 20, 5, Window(stride=4, padding=2)),
    (2, 3, 7, 6, 5, 3, Window(padding=2, groups=2)),
]


def made(shape, members=2, dtype=torch.float32, shared=False):
    inputs, outputs, height, width, examples, size, window = shape
    generator = torch.Generator().manual_seed(0)
    sizes = (
        (1 if shared else members, window.groups * inputs, height, width, examples),
        (members, window.groups * outputs, inputs, size, size),
        (members, window.groups * outputs),
    )
    return [
        torch.randn(s, generator=generator, dtype=torch.float64).to(dtype).requires_grad_() for s in sizes
    ]


def plain(x, w, b, window):
    results = [
        F.conv2d(images.movedim(-1, 0), *member, window.stride, window.padding, 1, window.groups)
        for images, *member in zip(x.expand(len(w), *x.shape[1:]), w, b, strict=True)
    ]
    return torch.stack(results).movedim(1, -1)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("shared", [False, True])
def test_values_and_derivatives(shape, shared):
    tensors, exact = made(shape, shared=shared), made(shape, dtype=torch.float64, shared=shared)
    y, expected = convolution(*tensors, shape[-1]), plain(*exact, shape[-1])
    assert ("NativeConvolution" in y.grad_fn.name()) == accepts(y)
    assert torch.allclose(y.double(), expected, atol=1e-4)
    g = torch.randn(y.shape, generator=torch.Generator().manual_seed(1))
    found = torch.autograd.grad((g * y).sum(), tensors, create_graph=True)
    wanted = torch.autograd.grad((g.double() * expected).sum(), exact, create_graph=True)
    for one, other in zip(found, wanted, strict=True):
        assert torch.allclose(one.double(), other, rtol=1e-5, atol=1e-5 * float(other.detach().abs().max()))
    again = torch.autograd.grad(found[1].square().sum(), tensors[0])[0]
    wanted_again = torch.autograd.grad(wanted[1].square().sum(), exact[0])[0]
    assert torch.allclose(again.double(), wanted_again, atol=1e-5 * float(wanted_again.detach().abs().max()))


@pytest.mark.skipif(not accepts(torch.ones(1)), reason="there are no kernels")
@pytest.mark.parametrize("bf16", [False, pytest.param(True, marks=needs_bf16)])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_member_has_the_same_bits_alone_in_any_pack_and_with_any_threads(shape, bf16):
    def results(threads, members):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        x, w, b = (t[members].contiguous() for t in made(shape, members=3))
        y = native.convolution(x, w, b, shape[-1])
        g = y.detach().square()
        gradients = (
            native.input_gradient(g, w, x.shape, shape[-1]),
            *native.weight_gradients(g, x, w, shape[-1]),
        )
        torch.set_num_threads(before)
        return [y, *gradients]

    alone = results(1, slice(1, 2))
    for found in (results(1, slice(None)), results(2, slice(None))):
        assert all(torch.equal(one[0], other[1]) for one, other in zip(alone, found, strict=True))


@needs_bf16
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("shared", [False, True])
def test_bf16_rounds_the_factors_alone(shape, shared):
    def rounded(t):
        return t.bfloat16().to(t.dtype)

    tensors = [t.detach() for t in made(shape, shared=shared)]
    x, w, b = (t.double() for t in tensors)
    y = native.convolution(*tensors, shape[-1], True)
    x, w = rounded(x).requires_grad_(), rounded(w).requires_grad_()
    expected = plain(x, w, b, shape[-1])
    assert torch.allclose(y.double(), expected, atol=1e-4)
    g = torch.randn(y.shape, generator=torch.Generator().manual_seed(1))
    wanted = torch.autograd.grad((rounded(g.double()) * expected).sum(), (x, w))
    found = (
        native.input_gradient(g, tensors[1], x.shape, shape[-1], True),
        *native.weight_gradients(g, *tensors[:2], shape[-1], True),
    )
    for one, other in zip(found[:2], wanted, strict=True):
        assert torch.allclose(one.double(), other, rtol=1e-5, atol=1e-5 * float(other.abs().max()))
    assert torch.allclose(found[2], g.sum(dim=(2, 3, 4)), atol=1e-3)
