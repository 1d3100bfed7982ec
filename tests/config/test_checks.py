"""Unknown names, arguments and sizes that cannot be met: one sentence for each, all at once."""

import math

import pytest

from evoact.config import experiment
from evoact.errors import ConfigError

ONE_MISTAKE = {
    "unknown task": (
        {"task": {"name": "mnist_1d"}},
        "task.name: unknown task 'mnist_1d'; did you mean 'mnist1d'?",
    ),
    "unknown network": (
        {"network": {"name": "mpl"}},
        "network.name: unknown network 'mpl'; did you mean 'mlp'?",
    ),
    "unknown strategy": (
        {"strategy": {"name": "evolutoin"}},
        "strategy.name: unknown strategy 'evolutoin'; did you mean 'evolution'?",
    ),
    "unknown optimizer": (
        {"training__optimizer": {"name": "adamm"}},
        "training.optimizer.name: unknown optimizer 'adamm'; did you mean 'adam'?",
    ),
    "unknown schedule": (
        {"training__schedule": {"name": "stepwize", "every": 5}},
        "training.schedule.name: unknown schedule 'stepwize'; did you mean 'stepwise'?",
    ),
    "unknown key of a schedule": (
        {"training__schedule": {"name": "inverse_time", "decai": 0.1}},
        "training.schedule: unknown key 'decai'; did you mean 'decay'?",
    ),
    "schedule without its length": (
        {"training__schedule": {"name": "cosine"}},
        "training.schedule.steps: expected a value, got none",
    ),
    "impossible schedule": (
        {"training__schedule": {"name": "stepwise", "every": 0}},
        "expected training.schedule.every of at least 1",
    ),
    "early stop beyond the end": (
        {"training__early_stop": {"every": 20, "patience": 1}},
        "training.early_stop.every: expected fewer than the 20 steps of a network, got 20",
    ),
    "early stop without patience": (
        {"training__early_stop": {"every": 5}},
        "training.early_stop.patience",
    ),
    "averages of a training that may end at any step": (
        {"training__early_stop": {"every": 5, "patience": 1}, "training__average": {"last": 0.2}},
        "training.average: expected it without early_stop, since the last steps of a training that may end at any",
    ),
    "an average over nearly all": (
        {"training__average": {"last": 0.9}},
        "training.average.last: expected at most 0.5, got 0.9",
    ),
    "steps and epochs": ({"training__epochs": 3}, "training: expected steps or epochs, got both, 20 and 3"),
    "a network for images": (
        {"network": {"name": "lenet5"}},
        "network: expected images of shape [channels, height, width] with at least 16 x 16 pixels",
    ),
    "no budget": (
        {"budget": {}},
        "budget: expected networks, gradient_examples or minutes, got none of them",
    ),
    "budget for no network": (
        {"budget": {"gradient_examples": 639}},
        "budget.gradient_examples: expected at least 640 for one network, got 639",
    ),
    "unknown argument of a task": (
        {"task__rasies": 0.1},
        "task: unknown key 'rasies'; did you mean 'raises'?",
    ),
    "argument for a task without any": (
        {"task": {"name": "digits", "x": 1}},
        "task: ",
    ),
    "unknown argument of a network": (
        {"network__hiden": [8]},
        "network: unknown key 'hiden'; did you mean 'hidden'?",
    ),
    "unknown argument of a strategy": (
        {"strategy__popluation": 8},
        "strategy: unknown key 'popluation'; did you mean 'population'?",
    ),
    "unknown argument of an optimizer": (
        {"training__optimizer": {"name": "sgd", "momentun": 0.9}},
        "training.optimizer: unknown key 'momentun'; did you mean 'momentum'?",
    ),
    "wrong argument of a task": (
        {"task__raises": "often"},
        "task.raises: expected a finite number, got 'often'",
    ),
    "wrong optional argument of a task": (
        {"task": {"name": "cifar10", "train_examples": "many"}},
        "task.train_examples: expected an integer, got 'many'",
    ),
    "wrong argument of a network": ({"network__hidden": 8}, "network.hidden: expected a list, got 8"),
    "wrong entry of a network's argument": (
        {"network__hidden": [8, "x"]},
        "network.hidden: expected a list with an integer in each place, got [8, 'x']",
    ),
    "wrong argument of a strategy": (
        {"strategy__population": "many"},
        "strategy.population: expected an integer, got 'many'",
    ),
    "missing argument of a task": ({"task": {"name": "arrays"}}, "task.path: expected a value, got none"),
    "task's arguments out of range": ({"task__raises": 1.5}, "task: expected rates of at least 0"),
    "network without a layer": ({"network__hidden": []}, "expected network.hidden to list at least one"),
    "network of no width": ({"network__hidden": [0]}, "expected network.hidden to list at least one"),
    "a surrogate of another number of signals": (
        {"warm_start": {"run": "runs/earlier", "genomes": [], "surrogates": [[0.5] * 8, [0.5] * 6]}},
        "warm_start.surrogates.1: expected 5 or 8 lengths and variances, as in the resolved config of a run, got 6",
    ),
    "a length of 0": (
        {"warm_start": {"run": "runs/earlier", "genomes": [], "surrogates": [[0.5] * 4 + [0.0]]}},
        "warm_start.surrogates.0.4: expected more than 0, got 0.0",
    ),
    "an objective that is no column": (
        {"strategy": {"name": "evolution", "objectives": ["val_metric", "n_paramters"]}},
        "strategy: unknown objective 'n_paramters'; did you mean 'n_parameters'?",
    ),
    "strategy's arguments out of range": (
        {"strategy__population": 1},
        "strategy: expected fewer elites than the population of 1, got 2",
    ),
    "file of a task is not there": (
        {"task": {"name": "arrays", "path": "no.npz"}},
        "expected task.path to name an npz file, got 'no.npz', which does not exist",
    ),
}


@pytest.mark.parametrize(("changes", "expected"), ONE_MISTAKE.values(), ids=ONE_MISTAKE)
def test_one_mistake_one_sentence(changes, expected, tiny, problems_of):
    (problem,) = problems_of(tiny(**changes))
    assert problem.startswith(expected)


@pytest.mark.parametrize(
    ("optimizer", "training", "message"),
    [
        ({"momentum": [0.9]}, {}, "space.optimizer: unknown key 'momentum'; known"),
        ({"learning_rate": [0.9]}, {}, "space.optimizer: unknown key 'learning_rate'; known"),
        ({"beta1": [0.9, 0.8]}, {}, "space.optimizer.beta1: expected ascending values without repetition"),
        ({"beta1": []}, {}, "space.optimizer.beta1"),
        ({"beta1": [math.inf]}, {}, "space.optimizer.beta1"),
        (
            {"beta1": [0.9]},
            {"beta1": 0.8},
            "space.optimizer.beta1: expected it here or in training.optimizer, got both",
        ),
    ],
)
def test_wrong_settings_of_the_optimizer(tiny, optimizer, training, message):
    with pytest.raises(ConfigError) as error:
        experiment(tiny(space__optimizer=optimizer, training__optimizer={"name": "adam", **training}))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("searched", "network", "message"),
    [
        (
            {"dropuot": [0]},
            {},
            "space.hyperparameters: unknown hyperparameter 'dropuot'; did you mean 'dropout'?",
        ),
        ({"beta1": [0.9]}, {}, "expected arguments of the optimizer in space.optimizer, got 'beta1'"),
        ({"dropout": [0.5, 0]}, {}, "space.hyperparameters.dropout: expected ascending values"),
        ({"dropout": []}, {}, "space.hyperparameters.dropout"),
        (
            {"dropout": [0, 1]},
            {},
            "space.hyperparameters.dropout: expected from 0 to less than 1, got [0.0, 1.0]",
        ),
        (
            {"dropout": [0, 0.5]},
            {"name": "resnet56"},
            "dropout: expected a network with dropout, one of mlp, kerasnet, alexnet, transformer, got resnet56",
        ),
        (
            {"dropout": [0, 0.5]},
            {"dropout": 0.2},
            "dropout: expected it here or in network, got both, [0.0, 0.5] and 0.2; leave one out",
        ),
    ],
)
def test_wrong_hyperparameters(tiny, searched, network, message):
    with pytest.raises(ConfigError) as error:
        experiment(tiny(space__hyperparameters=searched, network={"name": "mlp", **network}))
    assert message in str(error.value)


def test_all_mistakes_at_once(tiny, problems_of):
    """Those of form, of names, of ranges, and those that show only when things are made."""
    data = tiny(
        sede=1,
        training={"steps": 0, "optimizer": {"name": "adamm"}},
        strategy__population="many",
        space__functions=["relu", "tahn", "sin", 3],
        space__types__hull__kidns=["convex"],
        space__learning_rate__low=-1,
        budget__networks=-5,
        task__raises=2.0,
    )
    found = "\n".join(problems_of(data))
    for part in (
        "sede: unknown key",
        "training.steps: expected more than 0",
        "training.optimizer.name: unknown optimizer",
        "strategy.population: expected an integer",
        "space.functions.3: expected text",
        "space.types.hull.kidns: unknown key",
        "space.learning_rate.low: expected more than 0",
        "budget.networks: expected more than 0",
        "task: expected rates of at least 0",
    ):
        assert part in found


def test_mistakes_in_independent_sections_that_show_when_things_are_made(tiny, problems_of):
    data = tiny(network__hidden=[0], strategy={"name": "random", "bacth": 2}, space__types_per_layer=[3, 2])
    assert [p.split()[0] for p in problems_of(data)] == ["strategy:", "space.types_per_layer:", "expected"]
