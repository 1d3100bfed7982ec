"""Units by the kernels against their formulas in double precision: values, gradients twice, neighbours."""

import pytest
import torch

from evoact.activations.kinds import kind_of
from evoact.genomes.activation import pieces
from evoact.genomes.kinds import Maxout, PiecewiseLinear, Rational
from evoact.native.tensors import accepts
from tests.native.derivatives import assert_same_numbers, values_and_derivatives

UNITS = [
    Rational(5, 4, initial="tanh"),
    Rational(2, 1),
    PiecewiseLinear(3),
    PiecewiseLinear(1),
    Maxout(3),
]


def made(activation, dtype, sets=3):
    kind = kind_of(activation)
    generator = torch.Generator().manual_seed(0)
    parameters = kind.initial(activation, sets, generator).to(dtype).requires_grad_()
    x = torch.randn(sets, pieces(activation), 700, generator=generator, dtype=torch.float64).to(dtype)
    return x.requires_grad_(), parameters


@pytest.mark.parametrize("activation", UNITS, ids=lambda a: a.label)
def test_values_and_derivatives(activation):
    results = []
    for dtype in (torch.float32, torch.float64):
        x, parameters = made(activation, dtype)
        y = kind_of(activation).evaluate(activation, x, parameters, None)
        if accepts(x):
            assert y.grad_fn.name() in ("UnitBackward", "LargestBackward")
        results.append(values_and_derivatives(y, x, [t for t in (x, parameters) if t.numel()]))
    assert_same_numbers(*results)


@pytest.mark.parametrize("activation", UNITS, ids=lambda a: a.label)
def test_a_set_has_the_same_bits_alone(activation):
    def gradients(rows):
        x, parameters = (t.detach()[rows].requires_grad_() for t in made(activation, torch.float32))
        y = kind_of(activation).evaluate(activation, x, parameters, None)
        return [y, *torch.autograd.grad((y**2).sum(), [t for t in (x, parameters) if t.numel()])]

    for one, other in zip(gradients(slice(1, 2)), gradients(slice(None)), strict=True):
        assert torch.equal(one[0], other[1])


def test_not_a_number_stays_one():
    x = torch.full((1, 2, 3), float("nan"))
    for activation in (Maxout(2), PiecewiseLinear(2)):
        own = x[:, : pieces(activation)]
        parameters = kind_of(activation).initial(activation, 1, torch.Generator()).float()
        assert kind_of(activation).evaluate(activation, own, parameters, None).isnan().all()
