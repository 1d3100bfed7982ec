"""What the papers state about their activations, as tests (Manessi & Rozza 2018, section III, and others)."""

import itertools

import pytest
import torch

from evoact.activations.functions.base_functions import BASE_FUNCTIONS, apply, base_function
from evoact.activations.functions.properties import properties
from evoact.activations.kinds import kind_of
from evoact.activations.kinds.hull import COEFFICIENTS
from evoact.genomes.kinds import (
    Hull,
    LpPool,
    Maxout,
    PiecewiseLinear,
    PReLU,
    ProbabilisticMaxout,
    Rational,
    Scaled,
)

SETS = [("identity", "relu"), ("identity", "tanh"), ("relu", "tanh"), ("identity", "relu", "tanh")]
NEAR_IDENTITY = [name for name, f in BASE_FUNCTIONS.items() if properties(f)["near_identity"]]
X = torch.linspace(-5, 5, 1001, dtype=torch.float64)


def draw(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def evaluate(activation, x, parameters):
    """One set; x [E] or [P, E]."""
    x = x[None] if x.dim() == 1 else x
    return kind_of(activation).evaluate(activation, x[None], parameters[None], None)[0]


@pytest.mark.parametrize("functions", list(itertools.combinations(NEAR_IDENTITY, 3)), ids=",".join)
def test_proposition_1(functions):
    """Affine hulls of functions that approximate the identity near the origin do so too; no others do."""
    zero = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    for seed in range(3):
        w = draw(3, seed=seed)
        y = evaluate(Hull("affine", functions), zero, w)
        assert y.tolist() == [0]
        assert float(torch.autograd.grad(y, zero)[0]) == pytest.approx(1, abs=1e-12)
        y = evaluate(Hull("linear", functions), zero, w)
        assert float(torch.autograd.grad(y, zero)[0]) == pytest.approx(float(w.sum()), abs=1e-12)


@pytest.mark.parametrize("functions", SETS, ids=",".join)
def test_convex_and_conic_hulls_keep_monotonicity(functions):
    assert all(properties(base_function(name))["monotone"] for name in functions)
    for seed in range(20):
        w = 3 * draw(len(functions), seed=seed)
        for hull in ("convex", "conic"):
            assert (evaluate(Hull(hull, functions), X, w).diff() >= 0).all()


def test_affine_hulls_do_not():
    w = torch.tensor([-1.0, 2.0], dtype=torch.float64)
    steps = evaluate(Hull("affine", ("identity", "tanh")), X, w).diff()
    assert (steps < 0).any()
    assert (steps > 0).any()


def test_conv_of_identity_and_relu_is_a_learned_leaky_relu():
    """c x + (1 - c) max(0, x) = max(0, x) + c min(0, x), exactly in every bit where it is one product."""
    for seed in range(5):
        w = draw(2, seed=seed)
        c = COEFFICIENTS["convex"](w)
        hull = evaluate(Hull("convex", ("identity", "relu")), X, w)
        leaky = evaluate(PReLU(), X, c[:1])
        assert torch.equal(hull[X < 0], leaky[X < 0])
        assert torch.allclose(hull, leaky, rtol=1e-15, atol=0)
        assert 0 < float(c[0]) < 1


def test_convex_is_conic_and_affine():
    """Every convex combination is in both; what is in both is convex."""
    c = COEFFICIENTS["convex"](3 * draw(200, 3))
    conic = COEFFICIENTS["conic"](torch.log(torch.expm1(c)))  # the free parameters that give c
    affine = COEFFICIENTS["affine"](c)
    assert torch.allclose(conic, c, atol=1e-12)
    assert torch.allclose(affine, c, atol=1e-12)
    cone = COEFFICIENTS["conic"](draw(200, 3, seed=1))
    both = cone / cone.sum(1, keepdim=True)  # the points of the cone at which coefficients sum to 1
    assert torch.allclose(COEFFICIENTS["affine"](both), both, atol=1e-12)
    assert torch.allclose(COEFFICIENTS["convex"](torch.log(both)), both, atol=1e-12)


def test_a_hull_layer_is_a_stack_of_layers_and_a_1x1_convolution():
    """Figure 2: one layer for each base function, all with the same weights, then a 1x1 convolution over them."""
    functions, (b, n, m) = ("identity", "relu", "tanh"), (7, 6, 4)
    inputs, weight, bias, w = draw(b, m), draw(n, m, seed=1), draw(n, seed=2), draw(3, seed=3)
    c = COEFFICIENTS["affine"](w)
    z = torch.nn.functional.linear(inputs, weight, bias)  # [B, N]
    stack = torch.stack([base_function(name).value(z) for name in functions], dim=1)  # channels: functions
    convolved = torch.nn.functional.conv1d(stack, c.view(1, 3, 1))[:, 0]
    hull = evaluate(Hull("affine", functions), z.flatten(), w).view(b, n)
    assert torch.allclose(hull, convolved, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("hull", ["convex", "affine"])
def test_a_hull_of_one_function_is_that_function(hull):
    y = evaluate(Hull(hull, ("sin",)), X, draw(1))
    assert torch.allclose(y, torch.sin(X), rtol=1e-15)


def test_the_starts():
    """Each family at its start is what its module says."""

    def start(activation, x=X):
        initial = kind_of(activation).initial(activation, 1, torch.Generator())[0]
        return evaluate(activation, x, initial)

    assert torch.equal(start(Scaled("swish")), base_function("swish").value(X))
    assert torch.equal(start(PReLU()), torch.where(X > 0, X, 0.25 * X))
    three = draw(3, 50)
    assert torch.allclose(start(LpPool(3), three), three.square().mean(0).sqrt())
    grid = X[X.abs() <= 3]
    for name, error in (("leaky_relu", 0.05), ("tanh", 0.01), ("relu", 0.05), ("sin(2*x)", 0.3)):
        fit = start(Rational(initial=name), grid)
        assert (fit - base_function(name).value(grid)).abs().max() < error, name


def test_maxout_of_two_pieces_contains_relu_and_abs():
    assert torch.equal(evaluate(Maxout(2), torch.stack([X, 0 * X]), X[:0]), X.clamp(min=0))
    assert torch.equal(evaluate(Maxout(2), torch.stack([X, -X]), X[:0]), X.abs())


def test_lp_pool_tends_to_the_largest_distance():
    z, order = draw(3, 50), torch.tensor([0.0, 0.0, 0.0, 2000.0], dtype=torch.float64)
    assert torch.allclose(evaluate(LpPool(3), z, order), z.abs().amax(0), rtol=1e-3)
    order[3] = -50.0  # p = 1: the mean distance
    assert torch.allclose(evaluate(LpPool(3), z, order), z.abs().mean(0))


def test_probabilistic_maxout_draws_by_softmax():
    activation = ProbabilisticMaxout(3, 1.5)
    z = torch.tensor([0.3, -0.4, 1.0], dtype=torch.float64)
    x = z[None, :, None].expand(1, 3, 20_000)
    noise = torch.rand(1, 20_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    drawn = kind_of(activation).evaluate(activation, x, z[None, :0], lambda _: noise)
    shares = torch.stack([(drawn == value).double().mean() for value in z])
    p = torch.softmax(1.5 * z, 0)
    assert float(shares.sum()) == 1
    assert torch.allclose(shares, p, atol=0.01)
    assert float(evaluate(activation, z[:, None], z[:0])) == pytest.approx(float(p @ z))
    sharp = ProbabilisticMaxout(3, 1e4)
    assert float(evaluate(sharp, z[:, None], z[:0])) == pytest.approx(float(z.max()))


def test_piecewise_linear_units_are_relu_to_the_right():
    """Agostinelli et al. 2015, section 2: g(x) = x for x >= max(0, max b)."""
    activation = PiecewiseLinear(4)
    parameters = kind_of(activation).initial(activation, 1, torch.Generator())[0]
    right = X[parameters[4:].clamp(min=0).max() <= X]
    assert torch.equal(evaluate(activation, right, parameters), right)
    assert not torch.allclose(evaluate(activation, X, parameters), X.clamp(min=0))


def test_apply_outside_of_training_keeps_no_graph():
    assert apply(base_function("sin"), X).grad_fn is None
