"""Base functions by expression: spelling, value, derivatives, normalisation, and what is refused."""

import math

import numpy as np
import pytest
import torch

from evoact.activations.functions.base_functions import BASE_FUNCTIONS, apply, base_function
from evoact.activations.functions.properties import gaussian_moments, properties
from evoact.errors import UserError
from evoact.genomes.function_names import canonical_name
from evoact.genomes.genome import Genome, Site, SiteGenome, canonical
from evoact.genomes.kinds import Base, Hull, Rational

X = torch.linspace(-4, 4, 401, dtype=torch.float64) + 0.00123


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("sin", "sin"),
        (" 1.0 * sin( 1*x ) ", "sin"),
        ("sin(x)", "sin"),
        ("sin(3.0*x)", "sin(3*x)"),
        ("2*tanh", "2*tanh(x)"),
        ("+2.50*tanh(.5*x)", "2.5*tanh(0.5*x)"),
        ("-relu(-x)", "-1*relu(-1*x)"),
        ("1e-3*relu(2E2*x)", "0.001*relu(200*x)"),
        ("1e-4*relu", "0.0001*relu(x)"),
        ("normalised(3*sin(2*x))", "normalised(sin(2*x))"),
        ("normalised(-3*relu)", "normalised(-1*relu(x))"),
        ("normalised(relu)", "normalised(relu)"),
    ],
)
def test_one_spelling(text, spelled):
    assert canonical_name(text) == spelled
    assert canonical_name(spelled) == spelled
    assert base_function(text).name == spelled
    assert torch.equal(base_function(text).value(X), base_function(spelled).value(X))


@pytest.mark.parametrize(("a", "b"), [(1, 3), (2, 0.5), (-0.5, -1.5), (1, 17)])
@pytest.mark.parametrize("name", BASE_FUNCTIONS)
def test_scaled_functions(name, a, b):
    core, f = BASE_FUNCTIONS[name], base_function(f"{a}*{name}({b}*x)")
    assert torch.allclose(f.value(X), a * core.value(b * X), rtol=1e-12, atol=1e-12)
    assert torch.allclose(f.derivative(X, f.value(X)), a * b * core.derivative(b * X, core.value(b * X)))
    out = torch.empty_like(X)
    assert torch.equal(f.value(X, out=out), out)
    assert (f.core, f.input_scale, f.output_scale, f.shift) == (name, b, a, 0)
    x = torch.tensor([-1e4, -90.0, 0.0, 90.0, 1e4])
    assert f.derivative(x, f.value(x)).isfinite().all()
    random = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    part = random[37:70].clone()
    assert torch.equal(f.value(part), f.value(random)[37:70])


@pytest.mark.parametrize("name", ["2*sin(3*x)", "normalised(swish)", "-1*tanh(2*x)", "softplus(2*x)"])
def test_derivatives_of_any_order(name):
    x = torch.randn(5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    f = base_function(name)
    assert torch.autograd.gradcheck(lambda x: apply(f, x), x)
    assert torch.autograd.gradgradcheck(lambda x: apply(f, x), x)


def test_second_derivatives_are_finite_at_extremes():
    x = torch.tensor([-200.0, -90.0, 90.0], requires_grad=True)
    for name in ("sigmoid", "sigmoid(3*x)", "softplus(2*x)", "gaussian(2*x)"):
        (slope,) = torch.autograd.grad(apply(base_function(name), x).sum(), x, create_graph=True)
        assert torch.autograd.grad(slope.sum(), x)[0].isfinite().all(), name


@pytest.mark.parametrize("name", [*(n for n in BASE_FUNCTIONS if n != "zero"), "sin(7*x)", "-relu(0.1*x)"])
def test_normalised(name):
    """Against an independent rule: the trapezoid one on a fine grid."""
    f = base_function(f"normalised({name})")
    x = torch.linspace(-12, 12, 480_001, dtype=torch.float64)
    density = torch.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    y = f.value(x)
    mean, square = (float(torch.trapezoid(v * density, x)) for v in (y, y * y))
    assert (mean, square) == pytest.approx((0, 1), abs=1e-4)
    assert gaussian_moments(f) == pytest.approx((0, 1), abs=1e-9)
    core = BASE_FUNCTIONS[f.core].value(f.input_scale * x)
    assert np.corrcoef(y.numpy(), core.numpy())[0, 1] * (-1 if name.startswith("-") else 1) > 0.999999


@pytest.mark.parametrize("scale", [0.01, 0.3, 5, 100, 3000])
def test_moments_of_a_quick_function(scale):
    """E[sin(bx)^2] = (1 - exp(-2 b^2)) / 2."""
    assert gaussian_moments(base_function(f"sin({scale}*x)")) == pytest.approx(
        (0, (1 - math.exp(-2 * scale**2)) / 2), abs=1e-9
    )


def test_moments_of_scaled_functions():
    assert gaussian_moments(base_function("-2*relu(3*x)")) == pytest.approx(
        (-6 / math.sqrt(2 * math.pi), 18), abs=1e-9
    )
    expected = math.exp(-0.5) / math.sqrt(2 * math.pi)
    assert gaussian_moments(base_function("thresholded_relu"))[0] == pytest.approx(expected, abs=1e-12)


def test_near_identity():
    near = {name for name, f in BASE_FUNCTIONS.items() if properties(f)["near_identity"]}
    assert near == {"identity", "elu", "tanh", "softsign", "sin", "hard_tanh", "snake"}
    assert not properties(base_function("sin(2*x)"))["near_identity"]
    assert properties(base_function("0.5*sin(2*x)"))["near_identity"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("rellu", "unknown base function 'rellu'; did you mean 'relu'"),
        ("2*rellu(3*x)", "unknown base function 'rellu'; did you mean 'relu'"),
        ("normalised(tahn)", "unknown base function 'tahn'; did you mean 'tanh'"),
        ("0*sin(x)", "expected factors other than 0, .* got '0' in '0"),
        ("sin(0*x)", "expected factors other than 0"),
        ("nan*sin(x)", "got 'nan'"),
        ("sin(nan*x)", "got 'nan'"),
        ("sin(inf*x)", "got 'inf'"),
        ("sin(1e300*x)", "to 10000 in magnitude"),
        ("sin(w*x)", "got 'w'"),
        ("sin(3x)", r"expected a base function as name, \[a\*\]name\(\[b\*\]x\)"),
        ("sin(3*y)", "expected a base function as name"),
        ("sin(x", "expected a base function as name"),
        ("sin(x)+cos(x)", "expected a base function as name"),
        ("", "expected a base function as name"),
        ("normalised(zero)", "expected a function that varies"),
        ("2*normalised(tanh)", "expected a base function as name"),
        ("normalised(normalised(tanh))", "expected a base function as name"),
    ],
)
def test_refused(text, sentence):
    with pytest.raises(UserError, match=sentence):
        base_function(text)


def test_canonical_genomes_have_one_spelling():
    site = Site("h", 6)
    types = (
        Base("1*sin(x)"),
        Base("sin"),
        Hull("convex", ("2.0*tanh", "relu", "2*tanh(x)")),
        Hull("affine", ("sin(1*x)",)),
        Rational(initial="tanh(1*x)"),
        Base("absent"),
    )
    genome = canonical(Genome((SiteGenome("h", types, (5, 1, 2, 3, 4, 0)),)), [site])
    assert genome.label == "1 rational(5/4,tanh) + 1 convex(2*tanh(x),relu) + 3 sin + 1 absent"
