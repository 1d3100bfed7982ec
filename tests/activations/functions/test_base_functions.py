"""Each base function against PyTorch's own, its derivative against autograd, at ordinary and extreme inputs."""

import pytest
import torch
from mpmath import mp

from evoact.activations.functions.base_functions import BASE_FUNCTIONS, apply
from evoact.activations.functions.formulas import LEAK, SELU_ALPHA, SELU_SCALE, softplus
from evoact.activations.functions.properties import gaussian_moments, properties
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


def _clamped(x, low, high):
    return min(max(x, low), high)


# In arbitrary precision, and where they bend; exact rational ends, so that no side is blurred.
EXACT = {
    "identity": (lambda x: x, ()),
    "relu": (lambda x: max(x, 0), (0,)),
    "leaky_relu": (lambda x: x if x > 0 else mp.mpf(LEAK) * x, (0,)),
    "elu": (lambda x: x if x > 0 else mp.expm1(x), (0,)),
    "selu": (lambda x: SELU_SCALE * (x if x > 0 else SELU_ALPHA * mp.expm1(x)), (0,)),
    "softplus": (lambda x: mp.log1p(mp.exp(x)), ()),
    "sigmoid": (lambda x: 1 / (1 + mp.exp(-x)), ()),
    "tanh": (mp.tanh, ()),
    "softsign": (lambda x: x / (1 + abs(x)), (0,)),
    "sin": (mp.sin, ()),
    "cos": (mp.cos, ()),
    "gaussian": (lambda x: mp.exp(-x * x), ()),
    "gelu": (lambda x: x * mp.ncdf(x), ()),
    "swish": (lambda x: x / (1 + mp.exp(-x)), ()),
    "mish": (lambda x: x * mp.tanh(mp.log1p(mp.exp(x))), ()),
    "abs": (abs, (0,)),
    "square": (lambda x: x * x, ()),
    "thresholded_relu": (lambda x: x if x > 1 else mp.mpf(0), (1,)),
    "relu6": (lambda x: _clamped(x, 0, 6), (0, 6)),
    "hard_tanh": (lambda x: _clamped(x, -1, 1), (-1, 1)),
    "hard_sigmoid": (lambda x: _clamped(x + 3, 0, 6) / 6, (-3, 3)),
    "hard_swish": (lambda x: x * _clamped(x + 3, 0, 6) / 6, (-3, 3)),
    "snake": (lambda x: x + mp.sin(x) ** 2, ()),
    "zero": (lambda x: mp.mpf(0), ()),
}
ORDERS = 3


def derivatives(name, points):
    """The first derivatives at these points, as training and meta-training take them: [orders, points]."""
    x = torch.tensor(points, dtype=torch.float64, requires_grad=True)
    y, found = apply(BASE_FUNCTIONS[name], x), []
    for _ in range(ORDERS):
        (y,) = torch.autograd.grad(y.sum(), x, create_graph=True, materialize_grads=True)
        if not y.requires_grad:
            y = y + 0 * x
        found.append(y.detach())
    return torch.stack(found)


def exact(name, x, order, side=0):
    """The derivative in 40 digits; from one side as the limit at a distance of 1e-12."""
    with mp.workdps(40):
        return float(mp.diff(EXACT[name][0], mp.mpf(x) + side * mp.mpf("1e-12"), order, h=mp.mpf("1e-13")))


@EVERY
def test_derivatives_of_any_order(name):
    """At 0, beside it, at ordinary and at large arguments: to 1e-9 of the reference."""
    kinks = EXACT[name][1]
    points = [0.0, 1e-9, -1e-9, 20.0, -20.0, 35.0, -35.0, 0.7, -2.2, 1.3, -0.4, 2.9, *X[::240].tolist()]
    points = [x for x in points if all(abs(x - kink) > 1e-6 for kink in kinks)]
    for order, found in enumerate(derivatives(name, points), 1):
        expected = torch.tensor([exact(name, x, order) for x in points], dtype=torch.float64)
        assert torch.allclose(found, expected, rtol=1e-9, atol=1e-9), order


def test_softplus_by_autograd():
    """As coefficients of hulls and orders of norms are made."""
    points = [0.0, -0.0, 1e-9, -1e-9, 3.0, -3.0, 300.0, -300.0]
    x = torch.tensor(points, dtype=torch.float64, requires_grad=True)
    y = softplus(x)
    for order in range(1, ORDERS + 1):
        (y,) = torch.autograd.grad(y.sum(), x, create_graph=True)
        expected = torch.tensor([exact("softplus", p, order) for p in points], dtype=torch.float64)
        assert torch.allclose(y, expected, rtol=1e-9, atol=1e-12), order


@pytest.mark.parametrize(("name", "kink"), [(n, k) for n, (_, kinks) in EXACT.items() for k in kinks])
def test_derivatives_at_a_kink_are_of_one_side_or_the_mean_of_both(name, kink):
    found = derivatives(name, [float(kink)])[:, 0].tolist()
    left, right = ([exact(name, kink, order, side) for order in range(1, ORDERS + 1)] for side in (-1, 1))
    means = [(a + b) / 2 for a, b in zip(left, right, strict=True)]
    assert any(found == pytest.approx(side, abs=1e-8) for side in (left, right, means)), (found, left, right)


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
