"""One suite over the table of kinds: what training relies on, whatever the kind."""

import pytest
import torch

from evoact.activations.kinds import RECORDS, count, curve, initial, kind_of, unpack
from evoact.activations.routing.plan import plan_site
from evoact.errors import UserError
from evoact.genomes.activation import per_neuron, pieces, trains
from evoact.genomes.activation_json import from_json, to_json
from evoact.genomes.genome import SiteGenome
from evoact.genomes.kinds import (
    KINDS,
    Captured,
    Hull,
    Maxout,
    PiecewiseLinear,
    PReLU,
    ProbabilisticMaxout,
    Tabulated,
)
from tests.activations.examples import EXAMPLES

SMOOTH = [
    a
    for a in EXAMPLES
    if a.kind
    in ("base", "hull", "subnetwork", "scaled", "network_in_network", "lp_pool", "probabilistic_maxout")
    and "relu" not in a.label
]
MIXTURES = [a for a in EXAMPLES if kind_of(a).mixture(a) is not None]
EVERY = pytest.mark.parametrize("activation", EXAMPLES, ids=lambda a: a.label)
NEURONS = 5

pytestmark = pytest.mark.usefixtures("bend")


def uniform(template):
    return torch.rand(template.shape, generator=generator(4), dtype=template.dtype)


# With noise, as while training, where it makes a difference.
EVERY_WAY = pytest.mark.parametrize(
    ("activation", "noise"),
    [(a, None) for a in EXAMPLES] + [(a, uniform) for a in EXAMPLES if a.kind == "probabilistic_maxout"],
    ids=lambda v: getattr(v, "label", "noise" if v else "evaluation"),
)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def parameters_of(activation, sets, dtype=torch.float64):
    """The start of each set, moved a little, so that nothing is at a special place."""
    kind = kind_of(activation)
    start = torch.cat([kind.initial(activation, 1, generator(i)) for i in range(sets)])
    assert start.shape == (sets, kind.numbers(activation))
    return (start + 0.05 * torch.randn(start.shape, generator=generator(9), dtype=torch.float64)).to(dtype)


def inputs_of(activation, sets, elements, dtype=torch.float64):
    shape = (sets, pieces(activation), elements)
    return 2 * torch.randn(shape, generator=generator(3), dtype=torch.float64).to(dtype)


def test_every_kind_is_in_both_tables_and_here():
    missing = {
        kind: [where for where, there in places.items() if kind not in there]
        for kind in KINDS.keys() | RECORDS.keys()
        for places in [{"KINDS": KINDS, "RECORDS": RECORDS, "EXAMPLES": {a.kind for a in EXAMPLES}}]
    }
    assert not {kind: where for kind, where in missing.items() if where}


@EVERY
def test_what_trains_has_numbers(activation):
    assert trains(activation) == (kind_of(activation).numbers(activation) > 0)


@EVERY
@pytest.mark.parametrize("sets", [1, 3])
def test_the_start_has_its_numbers(activation, sets):
    kind = kind_of(activation)
    start = kind.initial(activation, sets, generator())
    assert start.dtype == torch.float64
    assert start.shape == (sets, kind.numbers(activation))
    assert torch.equal(start, kind.initial(activation, sets, generator()))


def test_a_walk_over_a_site_gives_every_type_its_part():
    types = tuple(EXAMPLES)
    site = SiteGenome("s", types, (*range(len(types)), *range(len(types))))
    flat = initial(site, generator())
    walked = list(unpack(site, flat))
    assert [a for a, _, _ in walked] == EXAMPLES
    assert torch.equal(torch.cat([own.flatten() for _, _, own in walked]), flat)
    for i, (activation, neurons, own) in enumerate(walked):
        assert neurons.tolist() == [i, i + len(types)]
        assert own.numel() == count(activation, 2)
        path = torch.stack([flat, 2 * flat])
        assert torch.equal(list(unpack(site, path))[i][2], torch.stack([own, 2 * own]))


@pytest.mark.parametrize("activation", MIXTURES, ids=lambda a: a.label)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_mixture_is_what_the_kind_evaluates(activation, dtype):
    """Values and gradients of the fast road, by the kernels in single precision, against `evaluate`."""
    members = [SiteGenome("s", (activation,), (0, 0, 0))] * 2
    number = count(activation, 3)
    x = inputs_of(activation, 6, 40, dtype).view(2, 3, 40).requires_grad_()
    start = parameters_of(
        activation, 2 * number // kind_of(activation).numbers(activation) if number else 2, dtype
    )
    flat = start.view(2, number).detach().requires_grad_()
    sets = 6 if per_neuron(activation) else 2
    own = kind_of(activation).evaluate(
        activation, x.view(sets, 1, -1), flat.view(sets, -1) if number else flat, None
    )
    expected = own.view(2, 3, 40)
    found = plan_site(members)(x, flat)
    tolerance = 1e-5 if dtype == torch.float32 else 1e-12
    assert torch.allclose(found, expected, rtol=tolerance, atol=tolerance)
    ours, theirs = (
        torch.autograd.grad((y * y).sum(), (x, flat), materialize_grads=True) for y in (found, expected)
    )
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b, rtol=10 * tolerance, atol=40 * tolerance)


@EVERY
def test_exact_curves_are_near_those_of_the_kind(activation):
    x = torch.linspace(-4, 4, 101, dtype=torch.float64)
    parameters = parameters_of(activation, 2)
    if kind_of(activation).learned(activation) is None:
        assert torch.equal(*(curve(activation, parameters, x, exact) for exact in (False, True)))
    else:
        assert torch.allclose(
            *(curve(activation, parameters, x, exact) for exact in (False, True)), atol=1e-5
        )


@EVERY_WAY
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shape_and_dtype(activation, dtype, noise):
    x, parameters = inputs_of(activation, 2, 7, dtype), parameters_of(activation, 2, dtype)
    y = kind_of(activation).evaluate(activation, x, parameters, noise)
    assert (y.shape, y.dtype) == ((2, 7), dtype)


@EVERY_WAY
def test_gradients(activation, noise):
    x = inputs_of(activation, 2, 4).requires_grad_()
    parameters = parameters_of(activation, 2).requires_grad_()
    evaluate = kind_of(activation).evaluate
    assert torch.autograd.gradcheck(lambda x, p: evaluate(activation, x, p, noise), (x, parameters))


@pytest.mark.parametrize("activation", SMOOTH, ids=lambda a: a.label)
def test_second_derivatives(activation):
    x = inputs_of(activation, 2, 3).requires_grad_()
    parameters = parameters_of(activation, 2).requires_grad_()
    evaluate = kind_of(activation).evaluate
    assert torch.autograd.gradgradcheck(lambda x, p: evaluate(activation, x, p, None), (x, parameters))


@EVERY
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_finite_at_extremes(activation, dtype):
    ends = torch.tensor([-1e4, -90.0, -1.0, 0.0, 1.0, 90.0, 1e4], dtype=dtype)
    x = ends.expand(1, pieces(activation), len(ends)).clone().requires_grad_()
    parameters = parameters_of(activation, 1, dtype).requires_grad_()
    y = kind_of(activation).evaluate(activation, x, parameters, None)
    assert y.isfinite().all()
    for gradient in torch.autograd.grad(y.sum(), (x, parameters), materialize_grads=True):
        assert gradient.isfinite().all()


@EVERY
def test_nan_stays_nan(activation):
    x = torch.full((1, pieces(activation), 2), float("nan"))
    y = kind_of(activation).evaluate(activation, x, parameters_of(activation, 1, torch.float32), None)
    assert y.isnan().all()


@EVERY_WAY
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("elements", [1, 33, 500])
def test_a_set_does_not_depend_on_its_neighbours(activation, dtype, elements, noise):
    """Bit by bit: values, input gradients and parameter gradients, alone and among others."""
    sets = 6
    x, parameters = inputs_of(activation, sets, elements, dtype), parameters_of(activation, sets, dtype)
    u = uniform(x[:, 0])

    def outcome(own):
        z, p = x[own].clone().requires_grad_(), parameters[own].clone().requires_grad_()
        draws = None if noise is None else lambda template: u[own]
        y = kind_of(activation).evaluate(activation, z, p, draws)
        return y, *torch.autograd.grad((y * y).sum(), (z, p), materialize_grads=True)

    together = outcome(slice(0, sets))
    for own in (slice(0, 1), slice(2, 3), slice(3, 6)):
        for alone, among in zip(outcome(own), together, strict=True):
            assert torch.equal(alone, among[own])


@EVERY
def test_an_element_does_not_depend_on_its_place(activation):
    x, parameters = inputs_of(activation, 2, 300, torch.float32), parameters_of(activation, 2, torch.float32)
    evaluate = kind_of(activation).evaluate
    whole = evaluate(activation, x, parameters, None)
    for start, length in [(0, 1), (3, 33), (17, 101), (299, 1)]:
        part = x[:, :, start : start + length].clone()
        assert torch.equal(evaluate(activation, part, parameters, None), whole[:, start : start + length])


@EVERY
def test_json_gives_it_back(activation):
    assert from_json(to_json(activation)) == activation


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Hull("convex", ()), "at least one base function, got none"),
        (lambda: Hull("round", ("relu",)), "unknown hull.hull 'round'"),
        (lambda: Maxout(0), "expected maxout.pieces to be at least 1, got 0"),
        (lambda: PiecewiseLinear(True), "at least 1, got True"),
        (lambda: PReLU("layers"), "did you mean 'layer'"),
        (lambda: ProbabilisticMaxout(2, float("nan")), "sharpness to be a number above 0, got nan"),
        (lambda: Tabulated("c", "quadratic"), "unknown tabulated.interpolation 'quadratic'"),
        (lambda: Captured("c", -1.0, 1.0, (0.0, 1.0, 2.0), "cubic"), "at least 4 finite numbers for cubic"),
        (
            lambda: Captured("c", 1.0, 1.0, (0.0, 1.0)),
            "between low < high, got 2 of them between 1.0 and 1.0",
        ),
        (lambda: Captured("c", -1.0, 1.0, (0.0, float("nan"))), "finite numbers for linear interpolation"),
        (lambda: from_json({"kind": "maxout"}), "expected an integer as maxout.pieces"),
        (lambda: from_json({"kind": "maxuot"}), "did you mean 'maxout'"),
    ],
)
def test_wrong_activations(make, sentence):
    with pytest.raises(UserError, match=sentence):
        make()


def test_labels_tell_activations_apart():
    assert len({a.label for a in EXAMPLES}) == len(EXAMPLES)
