"""Euler roll-outs: against closed forms, and of networks that a run confirmed."""

import numpy as np
import pytest

from evoact.cli.commands import study
from evoact.config import experiment
from evoact.errors import UserError
from evoact.execution.run import search
from evoact.studies.rollouts import FARTHEST, STATES_TOGETHER, System, euler, roll_out, system_of


def turn(states):
    """A rotation: x' = v, v' = -x."""
    return np.stack([states[..., 1], -states[..., 0]], axis=-1)


def energy(states):
    return np.square(states).sum(axis=-1) / 2


def test_euler_on_a_rotation_gains_energy_as_known():
    path = euler(turn, np.array([[1.0, 0.0]]), 0.1, 50)
    assert energy(path)[:, 0] == pytest.approx(0.5 * (1 + 0.1**2) ** np.arange(51))


def test_the_true_derivatives_have_no_error_but_eulers():
    states = np.random.default_rng(0).normal(size=(1, 20, 2))
    starts = states[:, :3]
    coarse, fine = (roll_out("r", turn, System(turn, energy), states, starts, dt, 40) for dt in (0.02, 0.01))
    assert coarse.derivative_error == [0.0]
    assert 0 < fine.distance[0] < coarse.distance[0]
    expected = np.mean((1 + 0.02**2) ** np.arange(41) - 1)
    assert coarse.energy_error == pytest.approx([expected])


def test_what_leaves_all_bounds_is_lost():
    away = euler(lambda x: x, np.array([[1.0], [0.0]]), 1.0, 12)
    assert np.nanmax(away) < FARTHEST
    assert np.isnan(away[-1, 0])
    assert away[-1, 1] == 0
    found = roll_out(
        "r",
        lambda x: 50 * x,
        System(turn, energy),
        np.ones((1, 2, 2)),
        np.ones((1, 2, 2)),
        0.1,
        10,
    )
    assert np.isinf(found.distance).all()
    assert np.isinf(found.energy_error).all()


def test_many_states_are_taken_a_part_at_a_time():
    """All at once, the hidden activity of twenty networks on 100,000 states took 20 GB."""
    states = np.random.default_rng(0).normal(size=(1, 2 * STATES_TOGETHER + 7, 2))
    most = []

    def field(x):
        most.append(x.shape[1])
        return 2 * turn(x)

    found = roll_out("r", field, System(turn, energy), states, states[:, :3], 0.01, 5)
    assert max(most) <= STATES_TOGETHER
    assert found.derivative_error == pytest.approx([np.square(turn(states)).mean()])


PENDULUM = {
    "name": "clock",
    "task": {"name": "pendulum_clock", "source": "simulated"},
    "network": {"name": "hamiltonian", "hidden": [6]},
    "space": {
        "types": {"base": {"functions": ["sin", "tanh"]}},
        "types_per_layer": [1, 1],
        "learning_rate": {"values": [0.01]},
    },
    "strategy": {
        "name": "bilevel",
        "types": [{"kind": "subnetwork", "base": "sin", "hidden": 3}] * 2,
        "outer_steps": 2,
        "inner_steps": 2,
        "batch_size": 10,
        "interpolation": "cubic",
    },
    "training": {"steps": 5, "batch_size": 20},
    "budget": {"networks": 6},
    "baselines": {"replicates": 0},
    "confirm": {"candidates": 3, "seeds": 3},
    "execution": {"backend": "local"},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    place = tmp_path_factory.mktemp("clock") / "run"
    search(experiment(PENDULUM), place)
    return place


@pytest.mark.slow
def test_the_networks_of_a_run(run, capsys):
    study.rollouts(str(run), steps=20, starts=2)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + 3 + 1
    (true,) = [line for line in lines if line.startswith("| true derivatives | 0 |")]
    assert len([line for line in lines if "captured(0." in line and line.endswith("| 3 |")]) == 3
    assert float(true.split("|")[4]) < 0.01


def test_flatness_of_the_networks_of_a_run(run, capsys):
    study.flatness(str(run), networks=2, examples=30, probes=4)
    lines = capsys.readouterr().out.splitlines()[2:]
    assert len(lines) == 3
    for line in lines:
        _, _, trace, near_zero, ratio, normalised, networks, _ = (
            cell.split("±")[0] for cell in line.split("|")
        )
        assert float(trace) != 0
        assert 0 <= float(near_zero) <= 1
        assert 1 <= float(ratio) <= 6
        assert float(normalised) == pytest.approx(float(ratio) / 6, rel=0.01)
        assert int(networks) == 2


def test_tables_of_differences_set_a_mix_beside_its_types(run, capsys):
    study.differences(str(run))
    text = capsys.readouterr().out
    assert text.count("best of its types") == 1


def test_learned_curves_become_files_and_a_picture(run, tmp_path, capsys, monkeypatch):
    picture = tmp_path / "types.svg"
    study.learned_curves(str(run), str(tmp_path), "clock", str(picture))
    assert [line.rpartition("/")[2] for line in capsys.readouterr().out.splitlines()] == [
        "clock-0.0.safetensors",
        "clock-0.1.safetensors",
        "types.svg",
    ]
    content = picture.read_text()
    assert content.count("<path") == 6  # two types at three moments
    assert "type 2, from subnetwork(sin,3)" in content
    study.learned_curves(str(run), str(tmp_path), figure=str(picture))
    assert picture.read_text() == content
    monkeypatch.setenv("EVOACT_CURVES", str(tmp_path))
    again = PENDULUM | {
        "space": PENDULUM["space"] | {"types": {"tabulated": {"curves": ["clock-0.1"]}}},
        "strategy": {"name": "enumerate"},
        "budget": {"networks": 1},
        "confirm": {"candidates": 0},
    }
    assert search(experiment(again), tmp_path / "again").summary.networks == 1


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({"name": "mnist1d"}, "expected a run on van_der_pol, henon_heiles or pendulum_clock, got mnist1d"),
        ({"name": "henon_heiles", "standardise": True}, "states are not standardised"),
    ],
)
def test_other_tasks_have_no_roll_outs(task, message):
    made = experiment(PENDULUM | {"task": task, "network": {"name": "mlp", "hidden": [6]}})
    with pytest.raises(UserError, match=message):
        system_of(made)


def test_runs_that_have_nothing_to_show(tmp_path):
    for command in (study.differences, study.rollouts, study.flatness, study.learned_curves):
        with pytest.raises(UserError, match="expected"):
            command(str(tmp_path))
    for level, dt in ((1.0, 0.0), (0.0, float("inf"))):
        with pytest.raises(UserError, match="expected --level between 0 and 1, got"):
            study.differences(str(tmp_path), level=level)
        with pytest.raises(UserError, match="expected --dt above 0 and finite, got"):
            study.rollouts(str(tmp_path), dt=dt)
