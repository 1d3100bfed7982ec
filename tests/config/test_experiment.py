"""What a config means: budgets, steps, phases; the resolved one means the same."""

import pytest
import yaml

from evoact.config import experiment


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {
            "space__learning_rate": {"low": 1e-5, "high": 3e-5},
            "space__types__subnetwork": {"bases": ["relu"]},
        },
        {"training__optimizer": {"name": "sgd", "momentum": 0.9}, "budget": {"minutes": 0.5}},
        {"packs__timeout_seconds": 1.5, "execution": {"backend": "ray_tune", "gpus_per_pack": 0.5}},
        {"name": "ünïcode: 1", "description": "two\nlines"},
        {"training": {"epochs": 2, "schedule": {"name": "stepwise", "every": 100}}},
        {"training": {"batch_size": 7}},
    ],
)
def test_resolved_config_means_the_same(changes, tiny):
    made = experiment(tiny(**changes))
    again = experiment(yaml.safe_load(made.to_yaml()))
    assert again == made
    assert again.space == made.space


def test_budgets(tiny):
    per_network = 20 * 32
    for budget, networks in (
        ({"networks": 5}, 5),
        ({"gradient_examples": 7 * per_network + 1}, 7),
        ({"networks": 5, "gradient_examples": 3 * per_network}, 3),
        ({"minutes": 1, "networks": 9}, 9),
    ):
        assert experiment(tiny(budget=budget)).networks == networks
    assert experiment(tiny(budget={"minutes": 1})).networks > 10**9


def test_how_long_is_steps_or_epochs(tiny):
    made = experiment(tiny(training={"epochs": 3, "batch_size": 30}))  # of 400 examples
    assert made.steps == 3 * (400 // 30)
    assert made.gradient_examples == 30 * 39 * 30
    by_default = experiment(tiny(training={}))
    assert by_default.steps == by_default.config.training.steps == 500
    assert experiment(tiny(training={"steps": None, "epochs": 1})).steps == 4


def test_schedules_reach_the_trainer(tiny):
    settings = experiment(tiny(training__schedule={"name": "inverse_time", "decay": 0.5})).training
    assert (settings.schedule, settings.schedule_arguments) == ("inverse_time", {"decay": 0.5})
    assert experiment(tiny()).training.schedule == "constant"


def test_every_phase_is_counted(tiny):
    made = experiment(tiny())
    assert made.networks_by_phase == {"baseline": 3 * 2, "search": 16, "confirm": (2 + 1) * 2, "judge": 2}
    assert made.gradient_examples == 30 * 20 * 32
