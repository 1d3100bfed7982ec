"""Attention by the kernel against PyTorch's: values, gradients to the second order, layouts, members, threads."""

from functools import partial

import pytest
import torch
from torch.nn import functional as F

from evoact.native.tensors import accepts
from evoact.networks.attention import attention

# Members, batch, heads, queries, keys, width.
SHAPES = [
    (2, 3, 2, 16, 16, 8),
    (3, 1, 2, 5, 7, 4),
    (1, 2, 1, 33, 19, 24),
    (2, 2, 3, 64, 64, 16),
    (1, 1, 2, 17, 40, 33),
]


def heads(shape, dtype=torch.float32, seed=0):
    k, b, h, t, s, d = shape
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(k, b, h, n, d, generator=generator, dtype=dtype) for n in (t, s, s)]


def plain(q, k, v, scale=None, causal=False):
    return F.scaled_dot_product_attention(q.double(), k.double(), v.double(), scale=scale, is_causal=causal)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_and_derivatives(shape, causal, dtype):
    mine, exact = ([t.requires_grad_() for t in heads(shape, torch.float64)] for _ in range(2))
    mine = [t.detach().to(dtype).requires_grad_() for t in mine]
    y, expected = attention(*mine, causal=causal), plain(*exact, causal=causal)
    assert ("NativeAttention" in y.grad_fn.name()) == accepts(mine[0])
    close = {"rtol": 1e-5, "atol": 1e-5} if dtype == torch.float32 else {"rtol": 1e-11, "atol": 1e-11}
    torch.testing.assert_close(y.double(), expected, **close)
    g = torch.randn(y.shape, generator=torch.Generator().manual_seed(1), dtype=dtype)
    for both in (False, True):  # the gradients as they are, and those that have derivatives of their own
        found = torch.autograd.grad((g * y).sum(), mine, create_graph=both, retain_graph=True)
        wanted = torch.autograd.grad(
            (g.double() * expected).sum(), exact, create_graph=both, retain_graph=True
        )
        for a, b in zip(found, wanted, strict=True):
            torch.testing.assert_close(a.double(), b, **close)
    if not accepts(mine[0]):
        return  # PyTorch's attention is differentiable once
    second = torch.autograd.grad(sum(t.square().sum() for t in found), mine[0])[0]
    exactly = torch.autograd.grad(sum(t.square().sum() for t in wanted), exact[0])[0]
    torch.testing.assert_close(second.double(), exactly, rtol=1e-4, atol=1e-4)


def test_heads_lie_in_memory_as_they_like():
    """As parts of one product, places before heads or behind; what comes out lies in the order of the queries."""
    same = torch.equal if accepts(torch.zeros(1)) else partial(torch.allclose, rtol=1e-4, atol=1e-5)
    x = torch.randn(2, 3, 20, 3, 2, 8)
    turned = [t.contiguous() for t in x.permute(3, 0, 1, 4, 2, 5)]
    expected = attention(*turned)
    parts = x.permute(3, 0, 1, 4, 2, 5)
    assert same(attention(*parts), expected)
    if accepts(x):
        assert attention(*parts).transpose(2, 3).is_contiguous()
    wide = [t.transpose(-2, -1).contiguous().transpose(-2, -1) for t in turned]
    assert same(attention(*wide), expected)
    (q, k, v), g = (
        (t.requires_grad_() for t in parts.detach().clone()),
        torch.randn(2, 3, 20, 2, 8).transpose(2, 3),
    )
    found = torch.autograd.grad((attention(q, k, v) * g).sum(), (q, k, v))
    q, k, v = (t.detach().contiguous().requires_grad_() for t in (q, k, v))
    for a, b in zip(
        found, torch.autograd.grad((attention(q, k, v) * g.contiguous()).sum(), (q, k, v)), strict=True
    ):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-5)
    one = [t[:, :, 0] for t in turned]  # without a dimension of heads
    torch.testing.assert_close(attention(*one), expected[:, :, 0])


def test_a_head_does_not_depend_on_others_nor_on_threads():
    q, k, v = (t.requires_grad_() for t in heads((4, 3, 2, 40, 40, 8)))
    y = attention(q, k, v, 0.3)
    found = torch.autograd.grad(y.square().sum(), (q, k, v))
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        mine = [t.detach()[1:3].requires_grad_() for t in (q, k, v)]
        alone = attention(*mine, 0.3)
        gradients = torch.autograd.grad(alone.square().sum(), mine)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(alone, y[1:3])
    assert all(torch.equal(a, b[1:3]) for a, b in zip(gradients, found, strict=True))


def test_large_scores_and_no_numbers():
    q, k, v = heads((1, 1, 1, 5, 5, 8))
    torch.testing.assert_close(
        attention(50 * q, 50 * k, v).double(), plain(50 * q, 50 * k, v), rtol=1e-4, atol=1e-4
    )
    if not accepts(q):
        return  # PyTorch's kernel spreads what is no number
    q[0, 0, 0, 2, 0] = torch.nan
    y = attention(q, k, v)[0, 0, 0]
    assert y[2].isnan().all()
    assert y[[0, 1, 3, 4]].isfinite().all()
