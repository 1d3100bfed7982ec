"""A mixed activation is an ordinary module, whatever its types are."""

import copy
import pickle
import re
import warnings

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import evoact
from evoact.activations.curves import Curve, save_curve
from evoact.activations.functions.base_functions import BASE_FUNCTIONS
from evoact.activations.kinds import RECORDS, curve, unpack
from evoact.errors import UserError
from evoact.genomes.activation import pieces
from evoact.genomes.genome import Genome, dumps
from evoact.genomes.notation import parse_site
from evoact.nn import MixedActivation
from evoact.nn.operators import operable

TEXT = "3 sin + 2 convex(relu,tanh) + 2 scaled(gelu)/neuron + 1 relu"
# Every kind.
TEXTS = [
    TEXT,
    "2 tanh + 3 normalised(gelu)",
    "4 subnetwork(sin,5) + 2 subnetwork(sin,5,exact)",
    "2 prelu/neuron + 3 piecewise_linear(3) + 2 rational(3/2,tanh)",
    "2 tabulated(bend) + 2 tabulated(bend,cubic) + 2 captured(bow,-3,3,[0.5,-0.3,0.1,0.4])",
    "3 maxout(3) + 2 probabilistic_maxout(2) + 1 relu",
    "3 lp_pool(2)/neuron + 2 network_in_network(2,tanh)",
]
SHUFFLED = (1, 0, 2, 3, 0, 1, 2, 0)  # of TEXT's neurons
EVERY = pytest.mark.parametrize("text", TEXTS)


@pytest.fixture(autouse=True)
def _bend(tmp_path, monkeypatch):
    monkeypatch.setenv("EVOACT_CURVES", str(tmp_path))
    grid = np.linspace(-3, 3, 20)
    save_curve(tmp_path / "bend", Curve(grid, np.sin(grid)))


def made(text, dim=1, assignment=None, dtype=torch.float64):
    """In evaluation, its coefficients at no special place."""
    act = MixedActivation(text, dim, assignment).to(dtype).eval()
    if act.coefficients is not None:
        noise = torch.randn(act.coefficients.shape, generator=torch.Generator().manual_seed(1))
        act.coefficients.data += 0.1 * noise.to(dtype)
    return act


def inputs(act, *shape, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64).to(dtype)


def by_neuron(act, x):
    """The same, neuron after neuron; the neurons are dimension 1."""
    flat = torch.zeros(0, dtype=x.dtype) if act.coefficients is None else act.coefficients.detach()
    y = torch.empty_like(x[:, : act.width])
    for activation, neurons, own in unpack(act.site, flat):
        for i, neuron in enumerate(neurons):
            first = neuron * act.pieces
            z = x[:, first : first + pieces(activation)].movedim(1, 0).flatten(1)
            y[:, neuron] = curve(activation, own[i : i + 1] if len(own) > 1 else own, z).view(y[:, 0].shape)
    return y


def test_texts_have_every_kind():
    assert {t.kind for text in TEXTS for t in parse_site(text).types} == set(RECORDS)


@EVERY
@pytest.mark.parametrize("shape", [(4,), (2, 6, 6), (2, 3)], ids=str)
def test_every_neuron_has_its_activation(text, shape):
    """Rows as they lie, transposed, and by types; another dimension as channels."""
    act = made(text)
    x = inputs(act, shape[0], act.width * act.pieces, *shape[1:])
    expected = by_neuron(act, x)
    torch.testing.assert_close(act(x), expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(copy.deepcopy(act).float()(x.float()).double(), expected, rtol=2e-5, atol=2e-5)
    last = made(text, dim=-1)
    torch.testing.assert_close(last(x.movedim(1, -1)).movedim(-1, 1), expected, rtol=1e-12, atol=1e-12)
    batched = torch.func.vmap(act)(x[:, None])[:, 0]
    torch.testing.assert_close(batched, expected, rtol=1e-12, atol=1e-12)


@EVERY
@pytest.mark.parametrize("shape", [(0,), (0, 3), (0, 64), (2, 0), (0, 0)])
def test_a_batch_without_examples(text, shape):
    for dtype, dim in [(torch.float32, 1), (torch.float64, 1), (torch.float32, -1)]:
        act = made(text, dim, dtype=dtype).train()
        n = act.width * act.pieces
        before, after = (shape[:1], shape[1:]) if dim == 1 else (shape, ())
        x = torch.zeros(*before, n, *after, dtype=dtype, requires_grad=True)
        y = act(x)
        y.sum().backward()
        assert y.shape == (*before, act.width, *after)
        assert x.grad.shape == x.shape
        assert act.coefficients is None or not act.coefficients.grad.any()


def test_any_assignment():
    act = made(TEXT, assignment=SHUFFLED)
    x = inputs(act, 3, 8)
    torch.testing.assert_close(act(x), by_neuron(act, x), rtol=1e-12, atol=1e-12)
    assert act.site.counts() == parse_site(TEXT).counts()
    assert "assignment" not in act.state_dict()
    with pytest.raises(
        UserError, match=re.escape("8 neurons with the counts [3, 2, 2, 1], got 8 neurons with [8, 0")
    ):
        MixedActivation(TEXT, assignment=[0] * 8)


@EVERY
def test_derivatives(text):
    act = made(text)
    x = inputs(act, 2, act.width * act.pieces).requires_grad_()
    given = [x] if act.coefficients is None else [x, act.coefficients]

    def f(x, *coefficients):
        return torch.func.functional_call(act, dict(zip(["coefficients"], coefficients, strict=False)), (x,))

    assert torch.autograd.gradcheck(f, given)
    assert torch.autograd.gradgradcheck(f, given)
    jacobian = torch.func.jacrev(lambda v: f(v, *given[1:]).sum(0))(x)
    eager = torch.autograd.functional.jacobian(lambda v: act(v).sum(0), x)
    torch.testing.assert_close(jacobian, eager, rtol=1e-10, atol=1e-10)
    second = torch.func.vmap(torch.func.jacrev(torch.func.jacrev(lambda v: act(v[None]).sum())))(x)
    expected = torch.autograd.functional.hessian(lambda v: act(v[None]).sum(), x[0].detach())
    torch.testing.assert_close(second[0], expected, rtol=1e-9, atol=1e-9)


def test_it_is_an_ordinary_module():
    act = made(TEXT, assignment=SHUFFLED, dtype=torch.float32)
    x = inputs(act, 3, 8, 5, 5, dtype=torch.float32)
    assert repr(act) == f"MixedActivation({TEXT})"
    assert list(act.state_dict()) == ["coefficients"]
    assert not MixedActivation("2 relu + 1 sin").state_dict()
    act(x)
    for other in (copy.deepcopy(act), pickle.loads(pickle.dumps(act))):
        assert torch.equal(other(x), act(x))
    fresh = MixedActivation(TEXT, assignment=SHUFFLED)
    fresh.load_state_dict(act.state_dict())
    assert torch.equal(fresh(x), act(x))
    last = x.contiguous(memory_format=torch.channels_last)
    assert act(last).is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(act(last), act(x), rtol=1e-6, atol=1e-6)
    assert act(x.to(torch.bfloat16)).dtype == torch.bfloat16


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast(dtype):
    net = torch.nn.Sequential(torch.nn.Linear(5, 8), made(TEXT, dtype=torch.float32), torch.nn.Linear(8, 1))
    x = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", dtype):
        y = net(x)
    assert y.dtype == dtype
    y.float().sum().backward()
    assert net[1].coefficients.grad.isfinite().all()
    torch.testing.assert_close(y.float(), net(x), rtol=0.05, atol=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("text", [text for text in TEXTS if "bend" not in text])
def test_compiled_without_a_break_and_exported(text):
    act = made(text, dtype=torch.float32)
    x = inputs(act, 2, act.width * act.pieces, dtype=torch.float32).requires_grad_()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        y = torch.compile(act, fullgraph=True, backend="aot_eager")(x)
        program = torch.export.export(act, (x.detach(),))
    exported = program.module()(x.detach())
    assert ("evoact.mixture" in program.graph_module.print_readable(print_output=False)) == operable(act.site)
    torch.testing.assert_close(y, act(x), rtol=2e-5, atol=2e-5)
    torch.testing.assert_close(exported, act(x), rtol=2e-5, atol=2e-5)
    (g,) = torch.autograd.grad(y.square().sum(), x)
    (expected,) = torch.autograd.grad(act(x).square().sum(), x)
    torch.testing.assert_close(g, expected, rtol=1e-4, atol=1e-4)


def test_exported_for_any_batch():
    act = made(TEXT, dtype=torch.float32)
    x = inputs(act, 3, 8, 6, 6, dtype=torch.float32)
    program = torch.export.export(act, (x,), dynamic_shapes=({0: torch.export.Dim("batch", min=2, max=9)},))
    for n in (2, 5):
        other = inputs(act, n, 8, 6, 6, dtype=torch.float32)
        torch.testing.assert_close(program.module()(other), act(other), rtol=1e-5, atol=1e-5)


def test_every_base_function():
    text = " + ".join(f"1 {name}" for name in BASE_FUNCTIONS)
    act = made(text)
    x = inputs(act, 5, act.width)
    torch.testing.assert_close(act(x), by_neuron(act, x), rtol=1e-12, atol=1e-12)


def test_probabilistic_maxout_draws_while_training():
    act = MixedActivation("2 probabilistic_maxout(2)").train()
    x = inputs(act, 50, 4)
    assert not torch.equal(act(x), act(x))
    assert torch.equal(act.eval()(x), act(x))


def test_a_network_of_a_leaderboard(tmp_path):
    site = parse_site(TEXT, "hidden0")
    trained = torch.arange(6.0)
    save_file({"hidden0.activation": trained}, tmp_path / "a.safetensors")
    row = {"genome": dumps(Genome((site,), (("learning_rate", 0.1),)))}
    act = evoact.nn.MixedActivation.from_row(row, site="hidden0", parameters=tmp_path / "a.safetensors")
    assert act.text == TEXT
    assert torch.equal(act.coefficients, trained)
    assert torch.equal(
        MixedActivation.from_row(row["genome"], parameters={"hidden0.activation": trained})(
            x := torch.ones(1, 8)
        ),
        act(x),
    )
    with pytest.raises(UserError, match="unknown site 'hiden0'; did you mean 'hidden0'"):
        MixedActivation.from_row(row, "hiden0")
    with pytest.raises(UserError, match=re.escape("expected 6 coefficients of " + TEXT + ", got shape [5]")):
        MixedActivation.from_row(row, parameters={"hidden0.activation": trained[:5]})
    with pytest.raises(UserError, match="unknown tensor of the artifact"):
        MixedActivation.from_row(row, parameters={})
    (tmp_path / "damaged.safetensors").write_bytes(b"12345678")
    with pytest.raises(UserError, match="which cannot be read"):
        MixedActivation.from_row(row, parameters=tmp_path / "damaged.safetensors")


@pytest.mark.parametrize(
    ("act", "sentence"),
    [
        (lambda: MixedActivation("4 rellu"), "unknown base function 'rellu'; did you mean 'relu'?"),
        (lambda: MixedActivation("4 convex(relu,tanhh)"), "did you mean 'tanh'?"),
        (lambda: MixedActivation("0 relu"), "expected at least one neuron"),
        (lambda: MixedActivation("4 tabulated(bnd)"), "unknown curve 'bnd'; did you mean 'bend'?"),
        (lambda: MixedActivation("3 relu + 2 sin")(torch.ones(2, 4)), "expected 5 elements along dimension 1"),
        (lambda: MixedActivation("3 relu")(torch.ones(3)), "got shape [3]"),
        (lambda: MixedActivation("3 relu")(torch.ones(2, 3).int()), "expected floating-point numbers"),
    ],
)  # fmt: skip
def test_mistakes_are_one_sentence(act, sentence):
    with pytest.raises(UserError, match=re.escape(sentence)):
        act()


@pytest.mark.parametrize(
    "text", ["2 relu + 2 tanh", "3 convex(relu,tanh)/neuron + 2 gelu", "2 scaled(sin) + 2 rational(3/2,tanh)"]
)
@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")  # PyTorch's own use
def test_forward_mode_derivatives(text):
    act = MixedActivation(text, -1).double()
    x, t = torch.randn(2, 4, act.width, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    _, tangent = torch.func.jvp(act, (x,), (t,))
    assert torch.allclose(tangent, (act(x + 1e-6 * t) - act(x - 1e-6 * t)) / 2e-6, atol=1e-7)

    def energy(z):
        return act(z).square().sum()

    twice = torch.func.jacrev(torch.func.jacrev(energy))(x[0])
    assert torch.allclose(torch.func.hessian(energy)(x[0]), twice, atol=1e-12)
