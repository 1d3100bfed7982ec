"""Units of several pieces by the kernels against their formulas in double precision: values, gradients, neighbours."""

import pytest
import torch

from evoact.activations import units
from evoact.activations.kinds import kind_of
from evoact.activations.routing.plan import plan_site
from evoact.genomes.activation import pieces
from evoact.genomes.genome import SiteGenome
from evoact.genomes.kinds import LpPool, NetworkInNetwork
from evoact.native.library import library
from evoact.native.tensors import accepts
from tests.native.derivatives import assert_same_numbers, values_and_derivatives

UNITS = [
    LpPool(4),
    LpPool(2),
    LpPool(3),
    NetworkInNetwork(1, "sin"),
    NetworkInNetwork(3, "tanh"),
    NetworkInNetwork(2, "2*gelu(0.5*x)"),
]


def made(activation, dtype, rows=1, m=700, sets=3):
    """Pieces in the order of layers, [sets, rows, P, m], and parameters that are all different."""
    generator = torch.Generator().manual_seed(0)
    parameters = kind_of(activation).initial(activation, sets, generator)
    parameters += 0.3 * torch.rand(parameters.shape, generator=generator, dtype=torch.float64)
    x = torch.randn(sets, rows, pieces(activation), m, generator=generator, dtype=torch.float64)
    return x.to(dtype).requires_grad_(), parameters.to(dtype).requires_grad_()


def evaluated(activation, x, parameters):
    """[sets, rows, m], by `evaluate` in double precision, by rows where there are kernels."""
    sets, rows, _, m = x.shape
    if accepts(x):
        return units.by_rows(kind_of(activation).unit(activation), x, parameters)
    kind = kind_of(activation)
    return kind.evaluate(activation, x.transpose(1, 2).flatten(2), parameters, None).view(sets, rows, m)


@pytest.mark.parametrize(("rows", "m"), [(1, 700), (7, 100), (2, 513), (600, 1)])
@pytest.mark.parametrize("activation", UNITS, ids=lambda a: a.label)
def test_values_and_derivatives(activation, rows, m):
    results = []
    for dtype in (torch.float32, torch.float64):
        x, parameters = made(activation, dtype, rows, m)
        y = evaluated(activation, x, parameters)
        if accepts(x):
            assert y.grad_fn.name() == "PiecesBackward"
        results.append(values_and_derivatives(y, x, (x, parameters)))
    assert_same_numbers(*results)


@pytest.mark.parametrize("activation", UNITS, ids=lambda a: a.label)
def test_a_set_has_the_same_bits_alone(activation):
    def gradients(sets):
        x, parameters = (t.detach()[sets].requires_grad_() for t in made(activation, torch.float32, 7, 100))
        y = evaluated(activation, x, parameters)
        return [y, *torch.autograd.grad((y**2).sum(), (x, parameters))]

    for one, other in zip(gradients(slice(1, 2)), gradients(slice(None)), strict=True):
        assert torch.equal(one[0], other[1])


def test_equal_pieces_on_their_centres_have_no_slope():
    activation = LpPool(2)
    x = torch.zeros(1, 2, 5, requires_grad=True)
    parameters = kind_of(activation).initial(activation, 1, torch.Generator()).float()
    y = kind_of(activation).evaluate(activation, x, parameters, None)
    (slope,) = torch.autograd.grad(y.sum(), x)
    assert float(y.detach().abs().max()) < 1e-29
    assert not slope.any()


@pytest.mark.parametrize(
    "activation", [LpPool(2), LpPool(3), NetworkInNetwork(2, "tanh")], ids=lambda a: a.label
)
def test_not_a_number_stays_one(activation):
    x = torch.zeros(1, pieces(activation), 3)
    x[0, -1] = float("nan")
    parameters = torch.ones(1, pieces(activation) + 1)
    assert kind_of(activation).evaluate(activation, x, parameters, None).isnan().all()


def test_sites_take_neurons_as_they_lie():
    site = SiteGenome("s", (LpPool(2), NetworkInNetwork(2, "tanh")), (0, 1, 0, 1, 1))
    plan = plan_site([site, site])
    assert library() is None or all(group.unit is not None for group in plan.groups)
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(2, 10, 7, generator=generator, dtype=torch.float64)
    parameters = torch.rand(2, 6, generator=generator, dtype=torch.float64)
    assert torch.allclose(plan(z.float(), parameters.float()).double(), plan(z, parameters), atol=1e-5)
