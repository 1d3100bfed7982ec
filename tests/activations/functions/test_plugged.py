"""Base functions of plugins: one function per element, bit-equal wherever an element lies."""

import math

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from evoact.activations.curves import Curve
from evoact.activations.functions import plugged
from evoact.activations.functions.base_functions import PLUGGED, REFUSED, apply, base_function
from evoact.activations.functions.plugged import POINTS, drawn, grid, of_code, plug_in, stand_in
from evoact.activations.kinds.rational import fitted
from evoact.errors import UserError
from evoact.plugins import Plugin


def bump(x):
    """x exp(-x^2)."""
    return x * torch.exp(-x * x)


def plugin(name, text="import torch\ndef bump(x):\n    return x * torch.exp(-x * x)\n"):
    return {name: Plugin(name, f"{name}.py", text)}


def test_its_derivatives_are_those_of_its_operations():
    f = of_code("p:bump", bump)
    x = torch.linspace(-3, 3, 41, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x: apply(f, x), x)
    assert gradgradcheck(lambda x: apply(f, x), x)
    out = torch.empty(41, dtype=torch.float64)
    assert f.value(x.detach(), out=out) is out
    assert torch.equal(out, bump(x.detach()))


@pytest.mark.parametrize("size", [1, 7, 63, 64, 65, 1000, 40_001])
def test_an_element_has_the_same_bits_wherever_it_lies(size):
    f = of_code("p:smooth", lambda x: torch.tanh(x) * torch.sigmoid(3 * x) + torch.exp(-x * x))
    x = torch.randn(size, generator=torch.Generator().manual_seed(0))
    whole, at = torch.randn(90_000, generator=torch.Generator().manual_seed(1)), 12_345
    whole[at : at + size] = x
    assert torch.equal(f.value(whole)[at : at + size], f.value(x))
    assert torch.equal(f.derivative(whole, whole)[at : at + size], f.derivative(x, x))
    assert torch.equal(f.value(x.expand(2, size).t())[:, 1], f.value(x))


def test_transforms_go_through_it():
    f = of_code("p:bump", bump)
    x = torch.randn(3, 5)
    slopes = torch.func.vmap(torch.func.vmap(torch.func.grad(lambda z: apply(f, z))))(x)
    assert torch.allclose(slopes, torch.exp(-x * x) * (1 - 2 * x * x), atol=1e-6)


def test_a_stand_in_is_close_until_the_function_itself_is_known():
    name = "standing:bump"
    of_it = plugin("standing")
    x = torch.linspace(-4, 4, 99)
    values = [float(y) for y in bump(grid())]
    stand_in(name, "x exp(-x^2)", values)
    assert len(values) == POINTS
    assert (base_function(name).value(x) - bump(x)).abs().max() < 2e-3
    assert base_function(name).formula == "x exp(-x^2)"
    assert base_function(name).value(torch.tensor([math.nan, 1.0])).isnan().tolist() == [True, False]
    about = fitted(name, 5, 4)
    plug_in(name, of_it)
    assert torch.allclose(base_function(name).value(x), bump(x), atol=1e-7)
    assert fitted(name, 5, 4) != about  # nothing that was made of the stand-in stays
    stand_in(name, "another", [0.0] * POINTS)
    assert drawn(name)[0] == f"{name}(x)"


def test_normalised_and_scaled_forms():
    plug_in("formed:bump", plugin("formed"))
    f = base_function("normalised(formed:bump(2*x))")
    x = torch.randn(100_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert f.value(x).mean().abs() < 0.01
    assert (f.value(x).square().mean() - 1).abs() < 0.02
    assert str(base_function("1*formed:bump(1*x)").name) == "formed:bump"
    assert Curve(grid().numpy(), drawn("formed:bump")[1]).digest  # as a captured curve has it


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (lambda x: x.softmax(0), "to compute each element by itself"),
        (lambda x: x - x.mean(), "to compute each element by itself"),
        (lambda x: x + torch.rand_like(x), "to compute each element by itself"),
        (lambda x: x.sum(), r"of the shape and type of its input, got \[\]"),
        (lambda x: x.double(), "of the shape and type of its input"),
        (lambda x: 3.0, "of the shape and type of its input, got float"),
        (lambda x: x.mul_(2), "to leave its input as it is, got another"),
        (lambda x: torch.log(x), "to be finite with finite slope from -8 to 8"),
        (lambda x: torch.from_numpy(np.sin(x.numpy())), "to be differentiable, got RuntimeError"),
        (
            lambda x: x if x > 0 else -x,
            "to take a tensor in PyTorch and to be differentiable, got RuntimeError",
        ),
        (lambda: 3, "to take a tensor in PyTorch and to be differentiable, got TypeError"),
        (3, "to take a tensor in PyTorch and to be differentiable, got TypeError"),
    ],
)
def test_what_is_no_function_of_each_element_is_refused(code, words):
    with pytest.raises(UserError, match=words):
        of_code("p:f", code)


def test_what_is_refused_is_said_when_it_is_used():
    plug_in("refusing:bump", plugin("refusing", "def bump(x):\n    return x.softmax(0)\n"))
    assert "refusing:bump" in REFUSED
    assert "refusing:bump" not in PLUGGED
    with pytest.raises(UserError, match="expected refusing:bump to compute each element by itself"):
        base_function("2*refusing:bump")
    plug_in("refusing:bump", plugin("refusing"))  # mended
    assert base_function("refusing:bump").value(torch.zeros(1)) == 0
    stand_in("short:bump", "x", [0.0])
    with pytest.raises(
        UserError, match=f"expected {plugged.POINTS} values of the function short:bump, got 1"
    ):
        base_function("short:bump")
