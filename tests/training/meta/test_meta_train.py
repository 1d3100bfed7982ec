"""Meta-training: gradients against finite differences and against plain autograd, modes, memory, bad input."""

import weakref
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from evoact.activations.capture import capture
from evoact.activations.curves import save_curve
from evoact.activations.kinds import RECORDS
from evoact.activations.spline import Grid
from evoact.errors import UserError
from evoact.genomes.kinds import Base, Hull, Maxout, PReLU, Scaled, Subnetwork, Tabulated
from evoact.genomes.meta_training import MetaTraining
from evoact.networks.hamiltonian import hamiltonian
from evoact.networks.lenet5 import lenet5
from evoact.tasks.faulty import faulty
from evoact.tasks.task import to_device
from evoact.training.meta.derivatives import ByAutograd
from evoact.training.meta.inner_optimizers import SGD, Adam, RMSprop
from evoact.training.meta.meta_train import _start, meta_train
from evoact.training.meta.mlp_derivatives import MLPDerivatives
from evoact.training.meta.outer_gradient import OuterProblem, by_evolution, by_first_order, by_unrolling
from evoact.training.meta.typed_sites import TypedPass, typed_site
from evoact.training.meta.unrolled import unrolled
from tests.training.examples import network, task

SUBNETWORKS = (Subnetwork("sin", 4), Subnetwork("zero", 4))
MIXED = (Subnetwork("relu", 3), Hull("affine", ("tanh", "sin")), Scaled("tanh", "neuron"), Base("cos"))
DEFAULT = RMSprop()
FINE = Grid(-10.0, 10.0, 513)


def problem(
    types=SUBNETWORKS,
    net=None,
    data=None,
    *,
    optimizer=DEFAULT,
    rate=0.05,
    steps=7,
    grid=None,
    dtype="float64",
):
    """A small outer problem and its start [V]; without a grid sub-networks are exact."""
    if grid is None:
        types = tuple(replace(t, evaluation="exact") if isinstance(t, Subnetwork) else t for t in types)
    data = data or task()
    net = net or network(hidden=(8, 6))
    sites = tuple(typed_site(site, types) for site in net.sites)
    inputs, targets = to_device(data.splits()["train"], torch.device("cpu"), getattr(torch, dtype))
    made = OuterProblem(
        network=net,
        task=data,
        sites=sites,
        grid=grid or FINE,
        optimizer=optimizer,
        learning_rate=rate,
        inputs=inputs,
        targets=targets,
        batch_size=20,
        steps=steps,
        seed=3,
        dtype=getattr(torch, dtype),
    )
    return made, _start(sites, 0.05 if rate is None else None, 3).to(getattr(torch, dtype))


def loss(made, outer):
    """The outer loss by the inner loop alone."""
    estimate = by_evolution(made, outer, 0, pairs=1, spread=1e-300)
    return estimate.loss


def assert_finite_differences(made, outer, tolerance=1e-6, h=1e-4):
    """Fourth-order central differences along random directions, relative to the gradient."""
    gradient = by_unrolling(made, outer, 0).gradient
    draw = torch.Generator().manual_seed(0)
    for _ in range(4):
        d = torch.randn(len(outer), generator=draw, dtype=outer.dtype)
        d /= d.norm()
        f = [loss(made, outer + k * h * d) for k in (-2, -1, 1, 2)]
        numeric = (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * h)
        assert abs(float(gradient @ d) - numeric) < tolerance * float(gradient.norm())


@pytest.mark.parametrize("optimizer", [RMSprop(), RMSprop(momentum=0.5), SGD(), SGD(0.9), Adam()], ids=repr)
@pytest.mark.parametrize("grid", [None, Grid(-3.0, 3.0, 61)], ids=["exact", "splines"])
def test_unrolled_equals_finite_differences(optimizer, grid):
    assert_finite_differences(*problem(optimizer=optimizer, grid=grid, rate=0.02))


@pytest.mark.parametrize(
    "types", [MIXED, (Hull("convex", ("tanh", "sin"), "neuron"),), (PReLU("layer"), Base("sin"))]
)
def test_every_trained_activation_can_be_an_outer_variable(types):
    assert_finite_differences(*problem(types, grid=FINE), h=1e-5)


def test_the_learning_rate_can_be_an_outer_variable():
    made, outer = problem(rate=None)
    assert by_unrolling(made, outer, 0).gradient[-1].abs() > 1e-3
    assert_finite_differences(made, outer)


def test_regression_and_an_activated_output():
    data = task(regression=True)
    assert_finite_differences(*problem(data=data, grid=FINE))


@pytest.mark.parametrize("grid", [None, FINE], ids=["exact", "splines"])
def test_hamiltonian_networks(grid):
    data = task(features=4, classes=4, regression=True)
    assert_finite_differences(*problem(net=hamiltonian((4,), 4, hidden=[6]), data=data, steps=3, grid=grid))


def plain(made, outer):
    """The meta-gradient by autograd through everything at once, and the losses."""
    outer = outer.clone().requires_grad_()
    prepared, rate = made.variables(outer[None])
    loop = made.loop(0)
    exact = ByAutograd(loop.derivatives.loss)
    weights = loop.start.expand(1, -1).clone().requires_grad_()
    state, losses = loop.optimizer.start(weights), []
    for t in range(loop.steps):
        losses.append(exact.loss(weights, prepared, t))
        (g,) = torch.autograd.grad(losses[-1].sum(), weights, create_graph=True)
        weights, state = loop.optimizer.update(weights, state, g, rate, t)
    total = torch.stack(losses).mean()
    return torch.autograd.grad(total, outer)[0], float(total.detach())


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "types", [SUBNETWORKS, (Subnetwork("sin", 4),), (Subnetwork("relu", 4), Subnetwork("sin", 2))]
)
def test_reversal_by_hand_equals_autograd(types, dtype):
    made, outer = problem(types, grid=Grid(-2.0, 2.0, 41), dtype=dtype, steps=12, rate=0.01)
    found, (expected, value) = by_unrolling(made, outer, 0), plain(made, outer)
    tolerance = 1e-10 if dtype == "float64" else 1e-4
    assert found.loss == pytest.approx(value, rel=1e-6)
    assert (found.gradient - expected).norm() < tolerance * expected.norm()


def test_mlps_of_splines_alone_are_reversed_by_hand():
    assert isinstance(problem(grid=FINE)[0].loop(0).derivatives, MLPDerivatives)
    assert isinstance(problem(MIXED, grid=FINE)[0].loop(0).derivatives, ByAutograd)
    assert isinstance(problem()[0].loop(0).derivatives, ByAutograd)
    with_dropout = replace(network(hidden=(8, 6)), dropout=0.5)
    assert isinstance(problem(net=with_dropout, grid=FINE)[0].loop(0).derivatives, ByAutograd)


def test_members_of_a_pack_have_their_own_gradients():
    made, outer = problem(grid=FINE)
    two = torch.stack([outer, 1.1 * outer])
    prepared, rate = made.variables(two)
    both = unrolled(made.loop(0), prepared, rate).prepared
    for k in range(2):
        prepared, rate = made.variables(two[k : k + 1])
        for name, alone in unrolled(made.loop(0), prepared, rate).prepared.items():
            assert torch.allclose(both[name].view(2, *alone.shape)[k], alone, rtol=1e-9, atol=1e-12)


def test_splines_give_the_exact_meta_gradient():
    types = (Subnetwork("sin", 50), Subnetwork("sin", 50))
    found = []
    for grid in (None, FINE):
        made, outer = problem(types, network(hidden=(8,)), grid=grid, steps=25, rate=0.01)
        found.append(by_unrolling(made, outer, 0).gradient)
    assert (found[1] - found[0]).norm() < 1e-3 * found[0].norm()


# --- modes ----------------------------------------------------------------------------------------


def test_modes_agree_where_they_should():
    made, outer = problem(grid=FINE)
    whole = by_unrolling(made, outer, 0).gradient
    assert torch.equal(by_unrolling(made, outer, 0, window=made.steps).gradient, whole)
    assert torch.equal(
        by_unrolling(made, outer, 0, window=1).gradient, by_first_order(made, outer, 0).gradient
    )
    cut = by_unrolling(made, outer, 0, window=3).gradient
    assert (cut - whole).norm() / whole.norm() > 1e-3
    made, outer = problem(grid=FINE, steps=1)
    assert torch.equal(by_first_order(made, outer, 0).gradient, by_unrolling(made, outer, 0).gradient)


def test_windows_are_short_unrolled_runs():
    """Two windows: the mean of the first steps alone, and of the last from where the first ended."""
    made, outer = problem(steps=6)
    first, _ = problem(steps=3)
    prepared, rate = made.variables(outer[None])
    cut = unrolled(made.loop(0), prepared, rate, window=3).prepared
    start = unrolled(first.loop(0), prepared, rate).prepared
    last = unrolled(made.loop(0), prepared, rate, window=3)
    for name in cut:
        assert torch.equal(cut[name], last.prepared[name])
        assert not torch.allclose(cut[name], start[name] / 2)


def test_evolution_estimates_the_gradient():
    made, outer = problem(
        (Scaled("sin"), Scaled("tanh")), network(hidden=(4,)), steps=4, optimizer=SGD(), rate=0.3
    )
    exact = by_unrolling(made, outer, 0)
    estimate = by_evolution(made, outer, 0, pairs=1000, spread=1e-3)
    # The relative error of N pairs in V dimensions is about sqrt((V + 1) / N).
    error = (estimate.gradient - exact.gradient).norm() / exact.gradient.norm()
    assert error < 1.5 * ((len(outer) + 1) / 1000) ** 0.5
    assert estimate.loss == pytest.approx(exact.loss, rel=1e-4)
    assert estimate.examples == 2000 * 4 * 20
    assert exact.examples == 3 * 4 * 20


# --- memory ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("grid", [None, FINE], ids=["autograd", "by hand"])
def test_recomputed_moments_change_nothing(grid):
    made, outer = problem(net=network(hidden=(5,)), steps=20, grid=grid, dtype="float32")
    whole = by_unrolling(made, outer, 0, segment=1)
    for segment in (5, 7, 20, 100):
        again = by_unrolling(made, outer, 0, segment=segment)
        assert torch.equal(again.gradient, whole.gradient)
        assert (again.loss, again.beyond) == (whole.loss, whole.beyond)


def test_memory_grows_with_the_square_root_of_the_steps(monkeypatch):
    """Counts the gradients, one of each kept moment, that are alive at any later step."""
    monkeypatch.setattr("evoact.training.meta.unrolled.KEPT_BYTES", 0)
    most = {}
    for steps in (16, 64):
        made, outer = problem(net=network(hidden=(5,)), steps=steps, grid=FINE, dtype="float32")
        loop = made.loop(0)
        counting = Counting(loop.derivatives)
        prepared, rate = made.variables(outer[None])
        unrolled(replace(loop, derivatives=counting), prepared, rate)
        most[steps] = counting.most_alive
    # Two square roots of them: those kept, and those of one segment. One more is in the making.
    assert most[16] <= 2 * 4 + 2
    assert most[64] <= 2 * 8 + 2


class Counting:
    """Derivatives that watch how many of the gradients they gave are still in use."""

    def __init__(self, derivatives):
        self.derivatives, self.given, self.most_alive = derivatives, [], 0

    def gradient(self, *arguments):
        loss, g = self.derivatives.gradient(*arguments)
        self.given.append(weakref.ref(g))
        self.most_alive = max(self.most_alive, sum(given() is not None for given in self.given))
        return loss, g

    def product(self, *arguments):
        return self.derivatives.product(*arguments)


# --- meta_train -----------------------------------------------------------------------------------

QUICK = {"outer_steps": 4, "inner_steps": 3, "batch_size": 20, "noise": 0.0}


class Rescaled:
    """A task whose losses are so many times another's."""

    def __init__(self, data, scale):
        self.data, self.scale = data, scale

    def __getattr__(self, name):
        return getattr(self.data, name)

    def losses(self, outputs, targets, names):
        return self.scale * self.data.losses(outputs, targets, names)


SETTINGS = {field.name for field in fields(MetaTraining)}


def run(types=SUBNETWORKS, net=None, data=None, **changes):
    settings = MetaTraining(**(QUICK | {k: v for k, v in changes.items() if k in SETTINGS}))
    others = {k: v for k, v in changes.items() if k not in SETTINGS}
    return meta_train(types, net or network(), data or task(), settings, **others)


def test_types_share_out_all_neurons_evenly():
    sizes = [
        b.stop - b.start
        for b in typed_site(network(hidden=(12,)).sites[0], [Subnetwork("sin", 2)] * 5).blocks
    ]
    assert sum(sizes) == 12
    assert max(sizes) - min(sizes) == 1
    assert run((Subnetwork("sin", 2),) * 5).skipped == 0


def test_equal_types_start_apart():
    start = run((Subnetwork("sin", 5),) * 2, outer_steps=0).parameters["hidden0"]
    assert not np.allclose(*start)


def test_no_outer_steps_give_the_start():
    none, some = run(outer_steps=0), run()
    for site in ("hidden0", "hidden1"):
        assert np.array_equal(none.trajectory[site], some.trajectory[site][:1])
        assert np.array_equal(np.concatenate(none.parameters[site]), none.trajectory[site][0])
    assert (none.losses.shape, none.gradient_examples, none.skipped) == ((0,), 0, 0)


def test_the_seed_decides_everything():
    a, b, c = run(), run(), run(seed=1)
    assert np.array_equal(a.losses, b.losses)
    assert np.array_equal(a.trajectory["hidden0"], b.trajectory["hidden0"])
    assert not np.array_equal(a.losses, c.losses)


def test_updates_are_momentum_of_the_clamped_gradient():
    sgd = {"outer_optimizer": "sgd", "outer_rate": 2.0, "outer_momentum": 0.5}
    found = run(outer_steps=3, clamp=1e-5, dtype="float64", **sgd)
    first, second, third = np.diff(found.trajectory["hidden0"], axis=0)
    assert np.abs(first).max() == pytest.approx(2e-5, rel=1e-6)
    assert np.abs(second - 0.5 * first).max() == pytest.approx(2e-5, rel=1e-6)
    assert np.abs(third - 0.5 * second).max() == pytest.approx(2e-5, rel=1e-6)


def test_steps_do_not_depend_on_the_scale_of_the_loss():
    """By default; a task's outer gradients may be a hundred times another's."""
    data = task()
    moved = []
    for scale in (1.0, 0.01):
        scaled = Rescaled(data, scale)
        found = run(data=scaled, net=network(), inner_steps=1, dtype="float64", clamp=10.0)
        moved.append(np.diff(found.trajectory["hidden0"], axis=0))
    assert np.abs(moved[0][0]).max() == pytest.approx(0.03, rel=1e-3)
    assert (
        np.abs(moved[1] - moved[0]).mean() < 0.001
    )  # not equal: Adam's epsilon counts where a gradient vanishes


@pytest.mark.parametrize("mode", ["unrolled", "truncated", "first_order", "evolution"])
def test_diverging_inner_runs_are_skipped_and_counted(mode):
    data = faulty(nan=0.5)
    sick = [data.fate(str(step)) == "nan" for step in range(8)]
    assert 0 < sum(sick) < 8
    found = run(net=network(2, 2), data=data, outer_steps=8, mode=mode, pairs=2)
    assert found.skipped == sum(sick)
    moved = np.abs(np.diff(found.trajectory["hidden0"], axis=0)).max(axis=1) > 0
    assert moved.tolist() == [not s for s in sick]
    assert np.isfinite(found.losses).tolist() == [not s for s in sick]


def test_inputs_beyond_the_grid_are_counted():
    assert run(grid=FINE).beyond_grid == 0
    narrow = Grid(-0.5, 0.5, 33)
    alone = run(grid=narrow)
    mixed = run((*SUBNETWORKS, Base("sin")), grid=narrow)
    assert 0 < alone.beyond_grid < 4 * 3 * 20 * 22
    assert 0 < mixed.beyond_grid < alone.beyond_grid
    assert run((Subnetwork("sin", 4, "exact"),), grid=narrow).beyond_grid == 0


@pytest.mark.parametrize("mode", ["unrolled", "evolution"])
def test_the_learning_rate_is_learned(mode):
    slow = {"optimizer": "sgd", "learning_rate": 0.05}
    found = run(learn_rate=True, outer_steps=8, inner_steps=8, mode=mode, clamp=1.0, **slow)
    assert found.learning_rate > 0.051  # so slow a start wants a larger one
    assert run().learning_rate == 0.01


def test_other_networks_and_tasks():
    from tests.training.examples import image_task

    found = run(net=lenet5((1, 16, 16), 3, width=0.1), data=image_task((1, 16, 16), 3), batch_size=10)
    assert found.skipped == 0
    assert len(found.parameters) == 3


def test_meta_training_lowers_the_loss():
    types = (Subnetwork("sin", 8),) * 2
    found = run(
        types, outer_steps=30, inner_steps=8, batch_size=50, optimizer="sgd", learning_rate=0.3, clamp=1.0
    )
    assert found.losses[-8:].mean() < 0.9 * found.losses[:8].mean()


def test_a_learned_curve_can_be_used_by_name(tmp_path, monkeypatch):
    monkeypatch.setenv("EVOACT_CURVES", str(tmp_path))
    found = run(outer_rate=0.001)
    learned, parameters = found.types["hidden0"][0], found.parameters["hidden0"][0]
    save_curve(tmp_path / "learned", capture(learned, parameters, points=2001, metadata={"task": "small"}))
    x = torch.linspace(-9, 9, 100, dtype=torch.float64)[None, None]
    row = torch.as_tensor(parameters)[None]
    exact = RECORDS["subnetwork"].evaluate(learned, x, row, None)
    tabulated = RECORDS["tabulated"].evaluate(Tabulated("learned", "cubic"), x, row[:, :0], None)
    assert torch.allclose(exact, tabulated, atol=1e-8)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"types": ()}, "from 1 to 12 neuron types"),
        ({"types": SUBNETWORKS * 7}, "from 1 to 12 neuron types"),
        ({"types": (Base("relu"), Base("sin"))}, "parameters to learn"),
        ({"types": (Maxout(2),)}, "one pre-activation"),
        ({"types": {"hiden0": SUBNETWORKS}}, "unknown site 'hiden0'; did you mean 'hidden0'"),
        ({"types": {}}, "types for every site, got none for hidden0"),
        ({"mode": "unroled"}, "did you mean 'unrolled'"),
        ({"outer_optimizer": "adem"}, "did you mean 'adam'"),
        ({"optimizer": "rmspop"}, "did you mean 'rmsprop'"),
        ({"optimizer_arguments": (("alfa", 0.9),)}, "did you mean 'alpha'"),
        ({"inner_steps": 0}, "inner_steps of at least 1"),
        ({"outer_steps": -1}, "outer_steps of at least 0"),
        ({"clamp": 0.0}, "clamp above 0"),
        ({"learning_rate": float("nan")}, "learning_rate above 0"),
        ({"mode": "first_order", "learn_rate": True}, "choose another mode"),
        ({"dtype": "float16"}, "unknown precision"),
        ({"batch_size": 1000}, "at most 300"),
    ],
)
def test_bad_input(changes, message):
    with pytest.raises(UserError, match=message):
        run(**changes)


@pytest.mark.parametrize("activation", [Base("sin"), Hull("linear", ("sin", "cos"), "neuron"), Maxout(2)])
def test_only_one_curve_for_all_neurons_can_be_captured(activation):
    with pytest.raises(UserError, match="one learned curve"):
        capture(activation, np.zeros(2))
    with pytest.raises(UserError, match="expected 13 parameters"):
        capture(Subnetwork("sin", 4), np.zeros(3))


# --- noise ----------------------------------------------------------------------------------------


def noisy(types, level=0.3, **changes):
    made, outer = problem(types, **changes)
    return replace(made, noise=level), outer


@pytest.mark.parametrize("types", [SUBNETWORKS, MIXED], ids=["by hand", "by autograd"])
def test_noise_is_part_of_what_is_differentiated(types):
    made, outer = noisy(types, grid=FINE)
    assert_finite_differences(made, outer, h=1e-5)
    quiet = replace(made, noise=0.0)
    assert loss(made, outer) != loss(quiet, outer)
    assert loss(replace(made, noise=1e-9), outer) == pytest.approx(loss(quiet, outer), abs=1e-7)


def test_noise_by_hand_is_noise_by_autograd():
    by_hand, outer = noisy(SUBNETWORKS, grid=FINE)
    assert isinstance(by_hand.loop(2).derivatives, MLPDerivatives)
    prepared, rate = by_hand.variables(outer[None], 2)
    loop = by_hand.loop(2)
    autograd = replace(loop, derivatives=ByAutograd(loop.derivatives.loss))
    a, b = (unrolled(way, prepared, rate, segment=3) for way in (loop, autograd))
    assert torch.allclose(a.losses, b.losses, rtol=1e-12)
    for name in prepared:
        assert torch.allclose(a.prepared[name], b.prepared[name], rtol=1e-9, atol=1e-12), name


def test_noise_moves_neurons_and_hidden_units_as_said():
    """Against the sub-network with noise in its hidden vector, written out."""
    made, outer = noisy((Subnetwork("sin", 4), Base("cos")))
    site = made.sites[0]
    noise = made.loop(0).derivatives.loss.noise["hidden0"]
    assert noise.neurons.shape == (made.steps, site.neurons)
    for drawn in (noise.neurons, noise.units):
        assert 0.25 < drawn.abs().max() <= 0.3
        assert drawn.min() < 0 < drawn.max()
    prepared, _ = made.variables(outer[None])
    z = torch.randn(1, site.neurons, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    u, b, v, d = outer[: site.parameters].split([4, 4, 4, 1])
    units = torch.tanh(z[:, :4, :, None] * u + b) + noise.units[2, 0]
    expected = torch.cat([z[:, :4].sin() + 0.2 * (units @ v + d), z[:, 4:].cos()], dim=1)
    expected = expected + noise.neurons[2][None, :, None]
    layers = TypedPass(
        {"hidden0": site},
        prepared,
        FINE,
        {},
        {},
        None,
        shifts={"hidden0": made.loop(0).derivatives.loss.shift("hidden0", prepared, 2)},
    )
    assert torch.allclose(layers.activate("hidden0", z), expected, atol=1e-12)


def test_noise_is_another_in_each_step_and_outer_step_but_the_same_again():
    made, _ = noisy(SUBNETWORKS)
    first, again, other = (made.loop(i).derivatives.loss.noise["hidden1"].neurons for i in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first[0], first[1])
