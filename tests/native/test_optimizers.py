"""The C kernels of optimizers against those of PyTorch."""

import pytest
import torch

from evoact.native import optimizers
from evoact.native.library import library

pytestmark = pytest.mark.skipif(library() is None, reason="no C compiler, or EVOACT_NATIVE=0")


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_adam(weight_decay):
    g = torch.Generator().manual_seed(0)
    p = torch.randn(3, 5, 7, generator=g)
    reference = [q.clone().requires_grad_() for q in p]
    rates, m, v = torch.tensor([1e-2, 1e-3, 1e-1]), torch.zeros_like(p), torch.zeros_like(p)
    theirs = torch.optim.Adam(
        [{"params": [q], "lr": float(r)} for q, r in zip(reference, rates, strict=True)],
        weight_decay=weight_decay,
    )
    for t in range(1, 6):
        gradient = torch.randn(p.shape, generator=g)
        for q, gq in zip(reference, gradient, strict=True):
            q.grad = gq.clone()
        theirs.step()
        root = (1 - 0.999**t) ** 0.5
        scaled = rates.double() * root / (1 - 0.9**t)
        optimizers.adam(p, gradient, m, v, scaled, 0.9, 0.999, 1e-8 * root, weight_decay)
    assert torch.allclose(p, torch.stack(reference), atol=1e-6)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_rmsprop(weight_decay):
    g = torch.Generator().manual_seed(0)
    p = torch.randn(3, 5, 7, generator=g)
    reference = [q.clone().requires_grad_() for q in p]
    rates, v = torch.tensor([1e-2, 1e-3, 1e-1]), torch.zeros_like(p)
    theirs = torch.optim.RMSprop(
        [{"params": [q], "lr": float(r)} for q, r in zip(reference, rates, strict=True)],
        alpha=0.9,
        weight_decay=weight_decay,
    )
    for _ in range(5):
        gradient = torch.randn(p.shape, generator=g)
        for q, gq in zip(reference, gradient, strict=True):
            q.grad = gq.clone()
        theirs.step()
        optimizers.rmsprop(p, gradient, v, rates, 0.9, 1e-8, weight_decay)
    assert torch.allclose(p, torch.stack(reference), atol=1e-6)
