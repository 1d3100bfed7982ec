"""What kernels of units are compared by: values, gradients with and without a graph, and second derivatives."""

import torch


def values_and_derivatives(y, x, inputs):
    """Return y, its gradients for the inputs, and a second derivative for x."""
    g = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view(y.shape)
    first = torch.autograd.grad((g * y).sum(), inputs, create_graph=True)
    without = torch.autograd.grad((g * y).sum(), inputs, retain_graph=True)
    squares = torch.stack([f.square().sum() for f in first]).sum()
    second = torch.autograd.grad(squares + y.square().sum(), x)
    return [y, *first, *without, *second]


def assert_same_numbers(found, wanted):
    """Check results in single precision against those in double."""
    for one, other in zip(found, wanted, strict=True):
        scale = float(other.detach().abs().max())
        assert torch.allclose(one.double(), other, rtol=1e-4, atol=1e-5 * scale)
