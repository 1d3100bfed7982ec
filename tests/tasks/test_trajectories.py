"""Dynamical systems: conserved energy, fields against differences, known solutions, the filmed pendulum."""

import sys

import numpy as np
import pytest
import torch

from evoact.errors import UserError
from evoact.tasks.henon_heiles import energy, field, henon_heiles, initial_states, orbits_of
from evoact.tasks.pendulum_clock import FILE, TRAIN_AND_VALIDATION, pendulum_clock
from evoact.tasks.pendulum_clock import energy as pendulum_energy
from evoact.tasks.pendulum_clock import field as pendulum_field
from evoact.tasks.trajectories import integrate, sample_times
from evoact.tasks.van_der_pol import field as van_der_pol_field
from evoact.tasks.van_der_pol import van_der_pol


@pytest.mark.slow
def test_henon_heiles_conserves_energy_to_the_end():
    """All 50 orbits of the default, to t = 1,000."""
    starts = initial_states(50, 0)
    energies = np.linspace(0.02, 0.15, 50)
    assert np.abs(energy(starts) - energies).max() < 1e-15
    assert (np.abs(starts[:, :2]) <= 0.3).all()
    assert (np.abs(starts[:, 2]) <= 0.2).all()
    assert (starts[:, 3] >= 0).all()
    paths = orbits_of(starts, np.linspace(0, 1000, 201))
    assert np.abs(energy(paths) - energies[:, None]).max() < 1e-8


def test_henon_heiles_moves_by_its_hamiltonian():
    states = torch.as_tensor(np.random.default_rng(0).uniform(-1, 1, (50, 4))).requires_grad_()
    q1, q2, p1, p2 = states.T
    h = (p1**2 + p2**2) / 2 + (q1**2 + q2**2) / 2 + q1**2 * q2 - q2**3 / 3
    (gradient,) = torch.autograd.grad(h.sum(), states)
    assert np.allclose(energy(states.detach().numpy()), h.detach())
    expected = torch.cat([gradient[:, 2:], -gradient[:, :2]], dim=1)
    assert np.allclose(field(states.detach().numpy()), expected, atol=1e-14)


def test_henon_heiles_is_the_same_set_in_every_version():
    """The first orbit with seed 0: other numbers here are another task."""
    start = initial_states(50, 0)[:1]
    assert np.allclose(start, [[0.06886049, -0.09645181, 0.04038223, 0.15697475]], atol=1e-8)
    path = orbits_of(start, np.array([0.0, 10.0, 100.0]))
    assert np.allclose(path[0, 1], [-0.0765237, 0.05104168, 0.03602887, -0.17242869], atol=1e-8)
    assert np.allclose(path[0, 2], [0.04438534, -0.08278993, 0.16600548, 0.05971473], atol=1e-8)


def runge_kutta(field, state, time, steps):
    """The classical method of order 4, to compare with."""
    h = time / steps
    for _ in range(steps):
        a = field(state)
        b = field(state + h / 2 * a)
        c = field(state + h / 2 * b)
        state = state + h / 6 * (a + 2 * b + 2 * c + field(state + h * c))
    return state


@pytest.mark.parametrize("system", [field, van_der_pol_field])
def test_orbits_against_another_method(system):
    start = np.full((3, 4 if system is field else 2), 0.2) * [[1.0], [0.5], [-1.5]]
    path = integrate(system, start, np.array([0.0, 4.0, 8.0]))
    assert np.array_equal(path[:, 0], start)
    assert np.abs(path[:, 2] - runge_kutta(system, start, 8.0, 4000)).max() < 1e-8


def test_henon_heiles_splits_orbits():
    splits = henon_heiles(orbits=10, span=20.0).splits()
    assert {n: len(s) for n, s in splits.items()} == {"train": 1200, "validation": 400, "test": 400}
    energies = np.linspace(0.02, 0.15, 10)
    seen = []
    for split in splits.values():
        found = energy(split.inputs.astype(np.float64)).reshape(-1, 200)
        assert np.ptp(found, axis=1).max() < 1e-6  # float32
        seen += [int(np.abs(energies - e).argmin()) for e in found.mean(axis=1)]
        assert np.allclose(split.targets, field(split.inputs), atol=1e-6)
    assert sorted(seen) == list(range(10))


def test_van_der_pol_is_judged_on_further_orbits(small):
    splits = van_der_pol(orbits=5, span=20.0).splits()
    assert {n: len(s) for n, s in splits.items()} == {
        "train": 600,
        "validation": 200,
        "test": 200,
        "test_large": 2000,
    }
    starts = np.concatenate([split.inputs[::200] for split in splits.values()])
    assert len(np.unique(starts, axis=0)) == 15
    assert np.abs(starts).max() <= 2
    large = splits["test_large"]
    assert np.allclose(large.targets, van_der_pol_field(large.inputs), atol=1e-5)


def test_other_seeds_and_arguments_are_other_orbits(small):
    first = henon_heiles(orbits=5, span=5.0).splits()["test"].inputs
    assert not np.array_equal(first, henon_heiles(orbits=5, span=5.0, seed=1).splits()["test"].inputs)
    stiff = van_der_pol(mu=5.0, orbits=5, span=5.0).splits()["test"]
    assert np.allclose(stiff.targets, van_der_pol_field(stiff.inputs, 5.0), atol=1e-4)


def test_van_der_pol_approaches_its_limit_cycle(small):
    assert len(van_der_pol(orbits=5).splits()["train"]) == 1500
    path = integrate(van_der_pol_field, np.array([[0.1, 0.0], [2.0, 2.0]]), sample_times(60.0, 50))
    late = path[:, 2000:, 0]
    # Amplitude about 2.02 for mu near 3.
    assert np.allclose(late.max(axis=1), 2.02, atol=0.01)
    assert np.allclose(late.min(axis=1), -2.02, atol=0.01)


def test_scaling_is_asked_for_and_leaves_targets_alone(small):
    plain, scaled = (van_der_pol(orbits=5, span=20.0, standardise=s) for s in (False, True))
    train = scaled.splits()["train"]
    assert np.array_equal(train.inputs, plain.splits()["train"].inputs)
    assert np.array_equal(train.targets, plain.splits()["train"].targets)
    stored = torch.as_tensor(train.inputs)[None]
    assert torch.equal(plain.prepare(stored, [1]), stored)
    seen = scaled.prepare(stored, [1])[0]
    assert torch.allclose(seen.mean(dim=0), torch.zeros(2), atol=1e-5)
    assert torch.allclose(seen.std(dim=0), torch.ones(2), atol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"orbits": 4}, "task.orbits of at least 5"),
        ({"span": 0.0}, "task.span"),
        ({"per_unit": 0}, "per_unit"),
    ],
)
@pytest.mark.parametrize("build", [henon_heiles, van_der_pol])
def test_bad_arguments(build, arguments, message):
    with pytest.raises(UserError, match=message):
        build(**arguments)


def test_orbits_that_escape_are_an_error():
    with pytest.raises(UserError, match="can be followed to t = 100"):
        integrate(lambda s: s**2, np.ones((1, 1)), np.array([0.0, 100.0]))


def test_mu_is_bounded():
    with pytest.raises(UserError, match=r"task\.mu from 0 to 100, got nan"):
        van_der_pol(mu=float("nan"))


def test_the_filmed_clock_and_its_noise_floor(real_data, capsys):
    splits = pendulum_clock(source="measured").splits()
    assert "the filmed clock in" in capsys.readouterr().err
    assert {n: len(s) for n, s in splits.items()} == {"train": 2090, "validation": 298, "test": 598}
    test = splits["test"]
    assert np.mean(test.targets**2) == pytest.approx(0.2307, abs=5e-5)
    first = [
        np.concatenate([getattr(splits[n], a) for n in ("train", "validation")])
        for a in ("inputs", "targets")
    ]
    assert len(first[0]) == int(TRAIN_AND_VALIDATION * 2986)
    omega_squared = -(first[0][:, 0] @ first[1][:, 1]) / (first[0][:, 0] @ first[0][:, 0])
    assert omega_squared == pytest.approx(9.466, abs=0.01)
    predicted = np.stack([test.inputs[:, 1], -9.466 * test.inputs[:, 0]], axis=1)
    assert np.mean((predicted - test.targets) ** 2) == pytest.approx(0.0033, abs=5e-5)
    assert np.array_equal(test.inputs[:, 1], test.targets[:, 0])


def test_the_simulated_clock(small, capsys):
    task = pendulum_clock()
    splits = task.splits()
    task.splits()
    assert capsys.readouterr().err.count("pendulum_clock: the simulated clock") == 1
    series = np.concatenate([s.inputs for s in splits.values()]).astype(np.float64)
    assert len(series) == 2986
    for split in splits.values():
        assert np.allclose(split.targets, pendulum_field(split.inputs), atol=1e-5)
    # Between these widths is the steady one, where the escapement gives what friction takes.
    narrow, wide = integrate(pendulum_field, np.array([[0.09, 0.0], [0.098, 0.0]]), np.array([0.0, 20.0]))
    assert pendulum_energy(narrow[0]) < pendulum_energy(narrow[1])
    assert pendulum_energy(wide[0]) > pendulum_energy(wide[1])


def test_the_clock_without_friction_and_push_conserves_energy(monkeypatch):
    module = sys.modules["evoact.tasks.pendulum_clock"]  # the function of that name hides it
    monkeypatch.setattr(module, "FRICTION", 0.0)
    monkeypatch.setattr(module, "PUSH", 0.0)
    path = integrate(pendulum_field, np.array([[0.5, 0.1]]), sample_times(20.0, 10))
    assert np.ptp(pendulum_energy(path)) < 1e-8


GOOD = "".join(f"{0.1 * i:.1f},0.1,0.2,0.3\n" for i in range(20))


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ("", "expected at least 10 rows of four numbers, got 0"),
        ("1,2,3,4\n", "expected at least 10 rows of four numbers, got 1"),
        (GOOD.replace(",0.3", ""), "expected at least 10 rows of four numbers, got 20 of 3"),
        (GOOD + "2.0,0.1", "expected rows of four numbers, got something else"),
        (GOOD.replace("0.3", "x"), "expected rows of four numbers, got something else"),
        (GOOD.replace("0.3", "nan"), "expected finite numbers"),
        (GOOD + GOOD, "expected increasing times"),
    ],
)
@pytest.mark.parametrize("verify", [True, False])
def test_bad_series(nothing, tmp_path, contents, message, verify):
    (tmp_path / "extracted_angles.csv").write_text(contents)
    with pytest.raises(
        UserError, match=rf"extracted_angles.csv: {message}.*expected {FILE.sha256}, found"
    ) as caught:
        pendulum_clock(str(tmp_path), verify=verify).splits()
    assert "\n" not in str(caught.value)


def test_a_series_of_ones_own(nothing, tmp_path):
    (tmp_path / "extracted_angles.csv").write_text(GOOD)
    with pytest.raises(UserError, match="expected contents with sha256"):
        pendulum_clock(str(tmp_path)).splits()
    splits = pendulum_clock(str(tmp_path), verify=False).splits()
    assert {n: len(s) for n, s in splits.items()} == {"train": 14, "validation": 2, "test": 4}


def test_a_clock_that_is_asked_for_and_missing(nothing, tmp_path):
    for arguments in ({"source": "measured"}, {"data": str(tmp_path)}):
        with pytest.raises(
            UserError, match=r"expected extracted_angles\.csv \(sha256 47fc\w+\) in .*, found none"
        ):
            pendulum_clock(**arguments).splits()
    with pytest.raises(UserError, match="did you mean 'measured'"):
        pendulum_clock(source="mesured")
    with pytest.raises(UserError, match=r"neither task\.data nor task\.download"):
        pendulum_clock(source="simulated", download=True)
