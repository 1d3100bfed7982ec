"""Cross-entropy by the kernel against PyTorch's; whole networks are in `tests/training/test_whole_step.py`."""

import pytest
import torch
from torch.nn import functional as F

from evoact.native.tensors import accepts
from evoact.tasks.task import cross_entropy


def made(dtype, examples, scale=3.0):
    generator = torch.Generator().manual_seed(0)
    z = scale * torch.randn(3, 10, examples, generator=generator, dtype=torch.float64)
    targets = torch.randint(0, 10, (3, examples), generator=generator)
    return z.to(dtype).transpose(1, 2).requires_grad_(), targets


@pytest.mark.parametrize("scale", [1.0, 60.0])
@pytest.mark.parametrize("examples", [1, 100, 1300])
def test_losses_and_derivatives(examples, scale):
    outputs, targets = made(torch.float32, examples, scale)
    losses = cross_entropy(outputs, targets)
    if accepts(outputs):
        assert losses.grad_fn.name() == "NativeCrossEntropyBackward"
    exact = outputs.detach().double().requires_grad_()
    wanted = torch.stack([F.cross_entropy(z, t) for z, t in zip(exact, targets, strict=True)])
    weights = torch.tensor([1.0, 0.5, -2.0])
    (found,) = torch.autograd.grad((losses * weights).sum(), outputs, retain_graph=True)
    (slope,) = torch.autograd.grad((wanted * weights.double()).sum(), exact, create_graph=True)
    assert torch.allclose(losses.double(), wanted, rtol=1e-6, atol=1e-6)
    assert torch.allclose(found.double(), slope, rtol=1e-5, atol=1e-6 / examples)
    (again,) = torch.autograd.grad((losses * weights).sum(), outputs, create_graph=True)
    (second,) = torch.autograd.grad(again.square().sum(), outputs)
    (wanted_second,) = torch.autograd.grad(slope.square().sum(), exact)
    assert torch.allclose(second.double(), wanted_second, rtol=1e-3, atol=1e-5 / examples**2)


def test_one_batch_for_all_and_for_each():
    outputs, targets = made(torch.float32, 50)
    shared = targets[:1]
    assert torch.equal(cross_entropy(outputs, shared), cross_entropy(outputs, shared.expand(3, -1)))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_stays_so(value):
    outputs, targets = made(torch.float32, 50)
    with torch.no_grad():
        outputs[1, 3, 2] = value
    losses = cross_entropy(outputs, targets)
    assert not losses[1].isfinite()
    assert losses[[0, 2]].isfinite().all()
