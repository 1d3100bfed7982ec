"""Each base function against PyTorch's own, its derivative against autograd, at ordinary and extreme inputs."""

import pytest
import torch

from evoact.activations.base_functions import BASE_FUNCTIONS
from evoact.activations.properties import gaussian_moments, properties
from tests.training.plain import FUNCTIONS

EVERY = pytest.mark.parametrize("name", BASE_FUNCTIONS)
X = torch.linspace(-6, 6, 1201, dtype=torch.float64) + 0.00123  # no sample on a kink


def test_there_are_at_least_sixteen():
    assert len(BASE_FUNCTIONS) >= 16
    assert set(FUNCTIONS) == set(BASE_FUNCTIONS)


@EVERY
def test_value(name):
    f = BASE_FUNCTIONS[name]
    assert torch.allclose(f.value(X), FUNCTIONS[name](X), atol=1e-12)
    x = X.float()
    assert torch.allclose(f.value(x), FUNCTIONS[name](x), atol=1e-6)
    out = torch.empty_like(X)
    f.value(X, out=out)
    assert torch.equal(out, f.value(X))


@EVERY
def test_the_input_is_not_changed(name):
    x = X.clone()
    y = BASE_FUNCTIONS[name].value(x)
    BASE_FUNCTIONS[name].derivative(x, y)
    assert torch.equal(x, X)
    y.add_(1)
    assert torch.equal(x, X)


@EVERY
def test_derivative(name):
    f, x = BASE_FUNCTIONS[name], X.clone().requires_grad_()
    expected = torch.autograd.grad(FUNCTIONS[name](x).sum(), x, materialize_grads=True)[0]
    assert torch.allclose(f.derivative(X, f.value(X)), expected, atol=1e-10)


@EVERY
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_finite_at_extremes(name, dtype):
    f = BASE_FUNCTIONS[name]
    x = torch.tensor([-1e4, -200.0, -90.0, 0.0, 90.0, 200.0, 1e4], dtype=dtype)
    y = f.value(x)
    assert y.isfinite().all()
    assert f.derivative(x, y).isfinite().all()
    assert f.value(torch.tensor([float("nan")], dtype=dtype)).isnan().all() or name == "zero"


@EVERY
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_element_does_not_depend_on_its_place(name, dtype):
    """What keeps a member's training independent of its neighbours in a pack."""
    f = BASE_FUNCTIONS[name]
    x = torch.randn(4096, dtype=dtype, generator=torch.Generator().manual_seed(1))
    whole, slope = f.value(x), f.derivative(x, f.value(x))
    for start, length in [(0, 1), (0, 7), (3, 33), (5, 63), (1, 100), (17, 1001), (4095, 1)]:
        part = x[start : start + length].clone()
        assert torch.equal(f.value(part), whole[start : start + length])
        assert torch.equal(f.derivative(part, f.value(part)), slope[start : start + length])


@pytest.mark.parametrize(
    ("name", "mean", "square"),
    [
        ("relu", 0.39894, 0.5),
        ("tanh", 0, 0.39429),
        ("sin", 0, 0.43233),
        ("swish", 0.20662, 0.35578),
        ("elu", 0.16052, 0.64495),
        ("gelu", 0.28209, 0.42522),
        ("softsign", 0, 0.18301),
    ],
)
def test_gaussian_moments(name, mean, square):
    assert gaussian_moments(BASE_FUNCTIONS[name]) == pytest.approx((mean, square), abs=1e-5)


def test_properties():
    assert properties(BASE_FUNCTIONS["tanh"]) == {
        "monotone": True,
        "f(0)": 0.0,
        "f'(0)": 1.0,
        "near_identity": True,
        "E[f]": 0.0,
        "E[f^2]": 0.39429,
    }
    assert not properties(BASE_FUNCTIONS["mish"])["monotone"]
    assert properties(BASE_FUNCTIONS["relu"])["f'(0)"] == 0.5
