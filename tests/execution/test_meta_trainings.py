"""Meta-trainings in a run: their rows and artifacts, what is made of them, what they survive."""

import json

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from evoact.activations.capture import capture
from evoact.config import experiment
from evoact.errors import ConfigError, UserError
from evoact.execution.meta_trainings import meta_trained
from evoact.execution.run import search
from evoact.genomes import genome as genomes
from evoact.genomes import meta_training
from evoact.genomes.kinds import Subnetwork
from evoact.leaderboard.schema import result
from evoact.records import UNLIMITED
from evoact.strategies import create
from tests.execution.test_killed import at_random, check_same, run_killed

BILEVEL = {
    "name": "bilevel",
    "types": [{"kind": "subnetwork", "base": "sin", "hidden": 3}] * 3,
    "outer_steps": 3,
    "inner_steps": 4,
    "batch_size": 20,
}
LEARNING = {"strategy": BILEVEL, "space__types": {"base": {}}, "space__types_per_layer": [1, 1]}


@pytest.fixture
def run(tiny, tmp_path, rows_of):
    def carry_out(**changes):
        finished = search(experiment(tiny(**(LEARNING | changes))), tmp_path / "run")
        return finished, rows_of(tmp_path / "run", ())

    return carry_out


def test_a_meta_training_is_a_row_with_an_artifact(run, tmp_path):
    finished, rows = run()
    (row,) = [r for r in rows if r["kind"] == "meta_train"]
    assert (row["phase"], row["state"], row["pack_size"], row["strategy"]) == (
        "search",
        "completed",
        1,
        "bilevel",
    )
    assert row["gradient_examples"] == 3 * 3 * 4 * 20  # unrolled
    assert (row["steps"], row["steps_run"], row["n_parameters"]) == (12, 12, 30)
    assert (row["val_metric"], row["test_metric"]) == (None, None)
    assert (row["skipped_steps"], row["beyond_grid"]) == (0, 0)
    assert json.loads(row["meta_training"])["mode"] == "unrolled"
    assert genomes.loads(row["genome"]).sites[0].counts() == (2, 3, 3)  # 8 neurons, none left out
    learned = load_file(tmp_path / "run" / row["artifact"])
    assert learned["hidden0.trajectory"].shape == (4, 30)
    assert learned["losses"].mean() == pytest.approx(row["train_loss"])
    # The row alone holds the curves.
    entries = json.loads(row["learned_types"])["hidden0"]
    for entry, parameters in zip(entries, learned["hidden0.trajectory"][-1].reshape(3, 10), strict=True):
        curve = capture(Subnetwork("sin", 3), parameters)
        assert entry["values"] == pytest.approx(curve.values.tolist(), rel=1e-7)
    assert finished.summary.meta_trainings == 1
    assert finished.summary.networks == len(rows) - 1


def test_types_of_one_start_differ(run):
    _, rows = run()
    (row,) = [r for r in rows if r["kind"] == "meta_train"]
    first, second, _ = (entry["values"] for entry in json.loads(row["learned_types"])["hidden0"])
    assert np.abs(np.subtract(first, second)).max() > 0.01


@pytest.mark.slow
def test_networks_of_learned_curves_are_trained_and_confirmed(run):
    _, rows = run(budget__networks=20)
    networks = [r for r in rows if r["strategy"] == "bilevel" and r["kind"] == "train"]
    # 720 gradient-examples of meta-training are worth 2 networks of 20 steps of 32.
    assert len(networks) == 18
    assert all("captured" in r["genome"] and r["state"] == "completed" for r in networks)
    assert {r["gradient_examples"] for r in networks} == {640}
    assert any("captured" in r["genome"] for r in rows if r["phase"] == "confirm")


@pytest.mark.slow
def test_the_same_run_learns_the_same(tiny, tmp_path, rows_of):
    for name in ("one", "other"):
        search(experiment(tiny(**LEARNING)), tmp_path / name)
    assert rows_of(tmp_path / "one") == rows_of(tmp_path / "other")


def test_a_diverging_meta_training_is_a_row_and_the_rest_goes_on(run):
    finished, rows = run(strategy=BILEVEL | {"inner_rate": 1e30, "controls": True, "starts": 2})
    sick = [r for r in rows if r["kind"] == "meta_train"]
    assert [r["state"] for r in sick] == ["diverged", "diverged"]
    assert all(r["error"] == "3 of 3 outer steps were not finite, the last among them" for r in sick)
    assert all((r["skipped_steps"], r["learned_types"]) == (3, "{}") for r in sick)
    controls = [r for r in rows if r["strategy"] == "bilevel" and r["kind"] == "train"]
    assert controls
    assert all("captured" not in r["genome"] for r in controls)
    assert finished.complete


def meta_proposal(made):
    strategy = create(
        "bilevel",
        made.space,
        seed=made.seed,
        networks=made.networks,
        steps=made.steps,
        batch_size=made.training.batch_size,
        options=made.config.strategy.arguments,
    )
    return strategy.ask(1)[0]


def test_a_meta_training_that_takes_too_long_is_a_row(tiny):
    made = experiment(tiny(**LEARNING))
    row = meta_trained(meta_proposal(made), made, torch.device("cpu"), 1e-3)
    assert (row.state, row.error, row.learned) == ("timed_out", "not finished after 0.001 s", {})


@pytest.mark.parametrize("mode", meta_training.MODES)
def test_the_cost_is_known_before_and_right_after(mode, tiny):
    made = experiment(tiny(**LEARNING | {"strategy": BILEVEL | {"mode": mode, "pairs": 2}}))
    proposal = meta_proposal(made)
    found = meta_trained(proposal, made, torch.device("cpu"), None)
    assert found.state == "completed"
    assert found.gradient_examples == proposal.settings.gradient_examples > 0


@pytest.mark.slow
def test_killed_at_any_operation_and_resumed(config_file, tmp_path, rows_of):
    config = config_file(**LEARNING, budget__networks=14, training__steps=3, confirm__candidates=1)
    operations = run_killed(config, tmp_path, {"undisturbed": []})["undisturbed"]["operations"]
    expected = rows_of(tmp_path / "undisturbed")
    assert sum(r["kind"] == "meta_train" for r in expected) == 1
    assert all(result(r) for r in expected)
    moments = {
        "early": ["#21", "#18", "#24"],  # about when the meta-training's row is written
        "late": [f"#{operations - 20}", "#18"],
        "clock": at_random(0, 1),
    }
    found = run_killed(config, tmp_path, moments)
    assert sum(run["killed"] for run in found.values()) >= 4
    check_same(tmp_path, moments, rows_of)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strategy": BILEVEL | {"inner_optimizer": "rmspop"}}, "strategy: unknown inner optimizer 'rmspop'"),
        (
            {"strategy": BILEVEL | {"inner_optimizer": "adam", "inner_momentum": 0.5}},
            "strategy: unknown argument of the inner optimizer 'adam' 'momentum'",
        ),
        ({"strategy": BILEVEL | {"outer_stepz": 5}}, "strategy: unknown key 'outer_stepz'"),
        ({"strategy": BILEVEL | {"outer_steps": "many"}}, "strategy.outer_steps: expected an integer"),
        ({"strategy": BILEVEL | {"types": []}}, "strategy: expected from 1 to 8 types"),
        (
            {"strategy": BILEVEL | {"types": [*BILEVEL["types"], {**BILEVEL["types"][0], "base": "sinn"}]}},
            "strategy.types.3: unknown base function 'sinn'; did you mean 'sin'?",
        ),
        (
            {"budget__networks": 2},
            "strategy: expected a budget of more than 2 networks, which is what meta-training costs",
        ),
    ],
)
def test_what_a_config_says_wrong(changes, message, tiny):
    with pytest.raises(ConfigError) as caught:
        experiment(tiny(**LEARNING | changes))
    assert [p for p in caught.value.problems if p.startswith(message)], caught.value.problems


def test_what_a_search_is_planned_to_cost(tiny):
    # 720 gradient-examples of meta-training are worth 2 networks of 640, and one row.
    made = experiment(tiny(**LEARNING, budget__networks=20))
    assert made.networks_by_phase["search"] == 19
    assert made.gradient_examples == (6 + 20 + 6 + 2) * 640
    by_time = experiment(tiny(**LEARNING, budget={"minutes": 1.0}))
    assert by_time.networks_by_phase["search"] == UNLIMITED


def test_what_only_the_data_tells(tiny, tmp_path):
    made = experiment(
        tiny(**LEARNING | {"strategy": BILEVEL | {"batch_size": 9999}, "budget__networks": 10**6})
    )
    with pytest.raises(
        UserError, match=r"strategy.batch_size of at most \d+, the training examples, got 9999"
    ):
        search(made, tmp_path / "run")
    assert not (tmp_path / "run").exists()
