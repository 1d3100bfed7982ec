"""The custom operators, against PyTorch's own checks and by every base function."""

import pytest
import torch

from evoact.activations.functions.base_functions import BASE_FUNCTIONS
from evoact.genomes.genome import SiteGenome
from evoact.genomes.notation import parse_site
from evoact.nn.operators import (
    gradients,
    mixture,
    mixture_backward,
    operable,
    rows_of,
    site_key,
    values,
)

TYPES = parse_site("2 sin + 3 convex(relu,tanh) + 2 normalised(gelu) + 1 linear(cos,sin(2*x),gaussian)").types
SITE = SiteGenome("h", TYPES, (1, 0, 2, 3, 1, 0, 2, 1))  # 9 coefficients
KEY = site_key(SITE)
DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)


def tensors(dtype, members=2, m=5, requires_grad=True):
    def draw(*shape):
        return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=dtype)

    x, c, g = draw(members, 8, m), draw(members, 9), draw(members, 8, m) + 1
    return [t.requires_grad_(requires_grad) for t in (x, c, g)]


@DTYPES
@pytest.mark.parametrize("members", [1, 3])
def test_the_kernels_compute_the_formula(dtype, members):
    x, c, g = tensors(dtype, members, requires_grad=False)
    rows, tolerance = rows_of(KEY), {torch.float32: 1e-5, torch.float64: 1e-12}[dtype]
    y = mixture(x, c, KEY)
    torch.testing.assert_close(y, values(x, c, rows), rtol=tolerance, atol=tolerance)
    pairs = zip(mixture_backward(g, x, c, y, KEY), gradients(g, x, c, rows), strict=True)
    for found, expected in pairs:
        torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")  # within the checks
@DTYPES
def test_opcheck(dtype):
    x, c, g = tensors(dtype)
    torch.library.opcheck(mixture, (x, c, KEY))
    torch.library.opcheck(mixture_backward, (g, x, c, mixture(x, c, KEY).detach(), KEY))


@pytest.mark.slow
def test_gradients():
    x, c, g = tensors(torch.float64, m=2)
    assert torch.autograd.gradcheck(lambda x, c: mixture(x, c, KEY), (x, c))
    assert torch.autograd.gradgradcheck(lambda x, c: mixture(x, c, KEY), (x, c))
    y = mixture(x, c, KEY).detach()
    assert torch.autograd.gradcheck(lambda g, x, c: mixture_backward(g, x, c, y, KEY), (g, x, c))
    assert torch.autograd.gradgradcheck(lambda g, x, c: mixture_backward(g, x, c, y, KEY), (g, x, c))


@DTYPES
def test_batches_are_members(dtype):
    x, c, g = tensors(dtype, members=3, requires_grad=False)
    y = mixture(x, c, KEY)
    batched = torch.func.vmap(lambda x, c: mixture(x, c, KEY))(x[:, None], c[:, None])
    assert torch.equal(batched[:, 0], y)
    one = torch.func.vmap(lambda x: mixture(x, c[:1], KEY), 2, 2)(x[:1, :, None])
    assert torch.equal(one[:, :, 0], mixture(x[:1], c[:1], KEY))
    backward = torch.func.vmap(lambda g, x, c, y: mixture_backward(g, x, c, y, KEY))
    found = backward(g[:, None], x[:, None], c[:, None], y[:, None])
    for a, b in zip(found, mixture_backward(g, x, c, y, KEY), strict=True):
        assert torch.equal(a[:, 0], b)


def test_every_base_function():
    site = parse_site(" + ".join(f"1 {name}" for name in BASE_FUNCTIONS))
    x = torch.linspace(-4, 4, 30).expand(1, len(BASE_FUNCTIONS), -1)
    y = mixture(x, x.new_empty(1, 0), site_key(site))
    for row, function in zip(y[0], BASE_FUNCTIONS.values(), strict=True):
        torch.testing.assert_close(row, function.value(x[0, 0]), rtol=1e-5, atol=1e-5)


def test_what_they_take():
    assert operable(SITE)
    assert operable(parse_site("1 prelu + 1 scaled(sin)/neuron"))
    assert not operable(parse_site("1 relu + 1 subnetwork(sin,3)"))
    assert not operable(parse_site("1 relu + 1 maxout(2)"))
