"""Configs: what is right is read exactly, and everything that is wrong is said, all at once."""

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from evoact.activations.curves import Curve, load_curve, save_curve
from evoact.config import experiment, load, load_space
from evoact.errors import ConfigError, UserError
from evoact.genomes.activation import KINDS, Base, Hull
from evoact.networks.network import parameter_count
from evoact.strategies import proposer

ROOT = Path(__file__).parents[1]
FILES = sorted(path for path in (ROOT / "configs").glob("*.yaml") if not path.stem.startswith("compare_"))
SPACES = sorted((ROOT / "search_spaces").glob("*.yaml"))


def problems_of(data):
    with pytest.raises(ConfigError) as caught:
        experiment(data)
    for problem in caught.value.problems:
        assert problem.strip()
        assert "\n" not in problem
    return list(caught.value.problems)


ONE_MISTAKE = {
    "unknown key": ({"sede": 1}, "sede: unknown key; did you mean 'seed'?"),
    "unknown key inside": (
        {"training__stps": 1},
        "training.stps: unknown key; did you mean 'steps'?",
    ),
    "unknown key of a type": (
        {"space__types__hull__kidns": ["convex"]},
        "space.types.hull.kidns: unknown key; did you mean 'kinds'?",
    ),
    "unknown key, nothing near": (
        {"packs__zzz": 1},
        "packs.zzz: unknown key; known here: size, threads, timeout_seconds",
    ),
    "text for a number": ({"seed": "x"}, "seed: expected an integer, got 'x'"),
    "number in quotes": ({"training__steps": "5"}, "training.steps: expected an integer, got '5'"),
    "fraction for an integer": ({"training__steps": 1.5}, "training.steps: expected an integer, got 1.5"),
    "true for an integer": ({"training__steps": True}, "training.steps: expected an integer, got True"),
    "true for a number": ({"budget__minutes": True}, "budget.minutes: expected a number, got True"),
    "text for a section": (
        {"training": "fast"},
        "training: expected a section of keys and values, got 'fast'",
    ),
    "name for a section": ({"task": "faulty"}, "task: expected a section of keys and values, got 'faulty'"),
    "text for a list": ({"space__functions": "relu"}, "space.functions: expected a list, got 'relu'"),
    "YAML's no in a list": (
        {"space__functions": ["relu", False]},
        "space.functions.1: expected text, got False",
    ),
    "nothing for a section": ({"space": None}, "space: expected a section of keys and values, got None"),
    "unknown backend": (
        {"execution__backend": "slurm"},
        "execution.backend: expected 'local', 'ray_tune' or 'table', got 'slurm'",
    ),
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
    "steps and epochs": ({"training__epochs": 3}, "training: expected steps or epochs, got both, 20 and 3"),
    "half an epoch": ({"training__epochs": 0.5}, "training.epochs: expected an integer, got 0.5"),
    "a network for images": (
        {"network": {"name": "lenet5"}},
        "network: expected images of shape [channels, height, width] with at least 16 x 16 pixels",
    ),
    "unknown function": (
        {"space__functions": ["relu", "tahn", "sin"]},
        "space.functions: unknown base function 'tahn'; did you mean 'tanh'?",
    ),
    "unknown evaluation": (
        {"space__types__subnetwork": {"bases": ["relu"], "evaluation": ["splin"]}},
        "space.types.subnetwork.evaluation: unknown name 'splin'; did you mean 'spline'?",
    ),
    "unknown function of a type": (
        {"space__types__subnetwork": {"bases": ["rleu"]}},
        "space.types.subnetwork.bases: unknown base function 'rleu'; did you mean 'relu'?",
    ),
    "unknown hull": (
        {"space__types__hull__kinds": ["convecks"]},
        "space.types.hull.kinds: unknown name 'convecks'; did you mean 'convex'?",
    ),
    "unknown sharing": (
        {"space__types__hull__per": ["layers"]},
        "space.types.hull.per: unknown name 'layers'; did you mean 'layer'?",
    ),
    "function named twice": (
        {"space__functions": ["relu", "sin", "relu"]},
        "space.functions: 'relu' is listed twice",
    ),
    "nothing given": (
        {"space__types__given": []},
        "space.types.given: expected a list of at least 1, got 0",
    ),
    "a name as a given activation": (
        {"space__types__given": ["relu"]},
        "space.types.given.0: expected a section of keys and values, got 'relu'",
    ),
    "a given activation without a kind": (
        {"space__types__given": [{"name": "relu"}]},
        "space.types.given.0: expected a kind, such as base, got {'name': 'relu'}",
    ),
    "unknown kind of a given activation": (
        {"space__types__given": [{"kind": "maxuot", "pieces": 2}]},
        "space.types.given.0: unknown activation kind 'maxuot'; did you mean 'maxout'?",
    ),
    "unknown key of a given activation": (
        {"space__types__given": [{"kind": "maxout", "pices": 2}]},
        "space.types.given.0: unknown field of maxout 'pices'; did you mean 'pieces'?",
    ),
    "missing key of a given activation": (
        {"space__types__given": [{"kind": "maxout"}]},
        "space.types.given.0: expected an integer as maxout.pieces, got {'kind': 'maxout'} without it",
    ),
    "wrong value in a given activation": (
        {"space__types__given": [{"kind": "maxout", "pieces": 0}]},
        "space.types.given.0: expected maxout.pieces to be at least 1, got 0",
    ),
    "wrong type in a given activation": (
        {"space__types__given": [{"kind": "base", "name": 3}]},
        "space.types.given.0: expected text as base.name, got 3",
    ),
    "no list in a given hull": (
        {"space__types__given": [{"kind": "hull", "hull": "convex", "functions": "relu"}]},
        "space.types.given.0: expected a list of texts as hull.functions, got 'relu'",
    ),
    "unknown function of a given hull": (
        {"space__types__given": [{"kind": "hull", "hull": "convex", "functions": ["rleu", "tanh"]}]},
        "space.types.given.0: unknown base function 'rleu'; did you mean 'relu'?",
    ),
    "a given activation twice": (
        {"space__types__given": [{"kind": "prelu"}, {"kind": "prelu", "per": "layer"}]},
        "space.types.given.1: prelu is listed twice",
    ),
    "an activation given and by its kind": (
        {"space__types__given": [{"kind": "base", "name": "tanh"}]},
        "space: expected each activation once, got tanh as given and by its kind",
    ),
    "absent as a given activation": (
        {"space__types__given": [{"kind": "base", "name": "absent"}]},
        "space.types.given.0: 'absent' is not a function; space.least_width says",
    ),
    "a grid and values": (
        {"space__learning_rate": {"low": 0.01, "high": 0.1, "values": [0.01]}},
        "space.learning_rate: expected values or a grid, got both, values and low, high; leave one out",
    ),
    "values not in order": (
        {"space__learning_rate": {"values": [0.1, 0.01]}},
        "space.learning_rate.values: expected ascending values without repetition, got [0.1, 0.01]",
    ),
    "half a grid": (
        {"space__learning_rate": {"low": 0.01}},
        "space.learning_rate.high: expected a value, got none",
    ),
    "unknown sort of distinct": (
        {"confirm__distinct": "seed"},
        "confirm.distinct: expected 'candidate' or 'structure', got 'seed'",
    ),
    "empty space": (
        {"space__types": {}},
        "space.types: expected at least one of base, hull, subnetwork, ",
    ),
    "wrong expression": (
        {"space__functions": ["relu", "0*sin(x)"]},
        "space.functions: expected factors other than 0, from 0.0001 to 10000 in magnitude, got '0'",
    ),
    "one function in two spellings": (
        {"space__functions": ["sin", "relu", "1.0*sin(x)"]},
        "space.functions: 'sin' is listed twice",
    ),
    "absent as a function": (
        {"space__functions": ["sin", "relu", "absent"]},
        "space.functions: 'absent' is not a function; space.least_width says",
    ),
    "normalised constant": (
        {"space__types__base__functions": ["relu", "normalised(zero)"]},
        "space.types.base.functions: expected a function that varies under a Gaussian input",
    ),
    "no functions anywhere": (
        {"space__functions": None, "space__types": {"scaled": {}}},
        "space.types.scaled.bases: expected a list of base functions here or in space.functions, got none",
    ),
    "unknown sharing of a unit": (
        {"space__types__prelu": {"per": ["channel"]}},
        "space.types.prelu.per: unknown name 'channel'",
    ),
    "unknown start": (
        {"space__types__rational": {"initial": ["leaky"]}},
        "space.types.rational.initial: unknown base function 'leaky'; did you mean 'leaky_relu'?",
    ),
    "no pieces": (
        {"space__types__maxout": {"pieces": [0]}},
        "space.types.maxout.pieces.0: expected more than 0, got 0",
    ),
    "unknown curve": (
        {"space__types__tabulated": {"curves": ["bend"]}},
        "space.types.tabulated.curves: unknown curve 'bend'; looked in 'curves'",
    ),
    "unknown kind": (
        {"space__types__prelus": {}},
        "space.types.prelus: unknown key; did you mean 'prelu'?",
    ),
    "no width": ({"space__least_width": 0.0}, "space.least_width: expected more than 0, got 0.0"),
    "too wide": ({"space__least_width": 2.0}, "space.least_width: expected at most 1, got 2.0"),
    "unknown site": (
        {"space__sites": {"hiden0": {"types_per_layer": [1, 1]}}},
        "space: unknown site 'hiden0'; did you mean 'hidden0'?",
    ),
    "unknown key of a site": (
        {"space__sites": {"hidden0": {"typs": {}}}},
        "space.sites.hidden0.typs: unknown key; did you mean 'types'?",
    ),
    "unknown function of a site": (
        {"space__sites": {"hidden0": {"types": {"base": {"functions": ["tahn"]}}}}},
        "space.sites.hidden0.types.base.functions: unknown base function 'tahn'; did you mean 'tanh'?",
    ),
    "least above most at a site": (
        {"space__sites": {"hidden0": {"types_per_layer": [2, 1]}}},
        "space.sites.hidden0.types_per_layer: expected [least, most], got [2, 1]",
    ),
    "no functions": ({"space__functions": []}, "space.functions: expected a list of at least 1, got 0"),
    "hull larger than its functions": (
        {"space__types__hull__sizes": [2, 4]},
        "space.types.hull.sizes: expected at most 3, the number of functions, got 4",
    ),
    "more types than neurons": (
        {"space__types_per_layer": [1, 9]},
        "space: expected no more types than the 8 blocks of 1 neurons at site 'hidden0', got up to 9",
    ),
    "more types than blocks": (
        {"space__types_per_layer": [1, 3], "space__neurons_per_block": 4},
        "space: expected no more types than the 2 blocks of 4 neurons at site 'hidden0', got up to 3",
    ),
    "least above most": (
        {"space__types_per_layer": [2, 1]},
        "space.types_per_layer: expected [least, most], got [2, 1]",
    ),
    "one number for two": ({"space__types_per_layer": 2}, "space.types_per_layer: expected a list, got 2"),
    "learning rate of zero": (
        {"space__learning_rate__low": 0.0},
        "space.learning_rate.low: expected more than 0, got 0.0",
    ),
    "learning rate below zero": (
        {"space__learning_rate__high": -0.1},
        "space.learning_rate.high: expected more than 0, got -0.1",
    ),
    "learning rate infinite": (
        {"space__learning_rate__high": float("inf")},
        "space.learning_rate.high: expected a finite number, got inf",
    ),
    "learning rates reversed": (
        {"space__learning_rate__low": 1.0},
        "space.learning_rate: expected low <= high, got 1 > 0.1",
    ),
    "endless grid": (
        {"space__learning_rate__per_decade": 10**9},
        "space.learning_rate.per_decade: expected at most 100, got 1000000000",
    ),
    "budget of zero": ({"budget__networks": 0}, "budget.networks: expected more than 0, got 0"),
    "budget below zero": ({"budget__minutes": -1}, "budget.minutes: expected more than 0, got -1"),
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
    "wrong argument of an optimizer": (
        {"training__optimizer": {"name": "adam", "beta1": None}},
        "training.optimizer.beta1: expected a finite number, got None",
    ),
    "missing argument of a task": ({"task": {"name": "arrays"}}, "task.path: expected a value, got none"),
    "task's arguments out of range": ({"task__raises": 1.5}, "task: expected rates of at least 0"),
    "network without a layer": ({"network__hidden": []}, "expected network.hidden to list at least one"),
    "network of no width": ({"network__hidden": [0]}, "expected network.hidden to list at least one"),
    "an objective that is no column": (
        {"strategy": {"name": "evolution", "objectives": ["val_metric", "n_paramters"]}},
        "strategy: unknown objective 'n_paramters'; did you mean 'n_parameters'?",
    ),
    "strategy's arguments out of range": (
        {"strategy__population": 1},
        "strategy: expected fewer elites than the population of 1, got 2",
    ),
    "steps for a network that differentiates": (
        {
            "task": {"name": "van_der_pol"},
            "network": {"name": "hamiltonian"},
            "strategy": {"name": "bilevel", "outer_steps": 1, "inner_steps": 1},
            "budget__networks": 60,
        },
        "strategy.interpolation: expected cubic with the network hamiltonian, whose outputs are derivatives, got ",
    ),
    "file of a task is not there": (
        {"task": {"name": "arrays", "path": "no.npz"}},
        "expected task.path to name an npz file, got 'no.npz', which does not exist",
    ),
}


@pytest.mark.parametrize(("changes", "expected"), ONE_MISTAKE.values(), ids=ONE_MISTAKE)
def test_one_mistake_one_sentence(changes, expected, tiny):
    (problem,) = problems_of(tiny(**changes))
    assert problem.startswith(expected)


@pytest.mark.parametrize("section", ["task", "network", "space", "budget"])
def test_missing_section(section, tiny):
    data = tiny()
    del data[section]
    assert problems_of(data) == [f"{section}: expected a value, got none"]


def test_all_mistakes_at_once(tiny):
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


def test_mistakes_in_independent_sections_that_show_when_things_are_made(tiny):
    data = tiny(network__hidden=[0], strategy={"name": "random", "bacth": 2}, space__types_per_layer=[3, 2])
    assert [p.split()[0] for p in problems_of(data)] == ["strategy:", "space.types_per_layer:", "expected"]


def test_a_mended_part_makes_no_further_mistakes(tiny):
    """What stands in for the broken part must not be complained about."""
    data = tiny(
        space__types={"hull": {"sizes": [0]}},
        space__learning_rate={"low": "x", "high": 0.1},
        task={"raises": 0.1},
        budget__networks="many",
    )
    assert sorted(p.split(":")[0] for p in problems_of(data)) == [
        "budget.networks",
        "space.learning_rate.low",
        "space.types.hull.sizes.0",
        "task.name",
    ]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"space__learning_rate": {"values": [-0.1]}},
            "space.learning_rate.values.0: expected more than 0, got -0.1",
        ),
        ({"space__types": {"maxuot": {}}}, "space.types.maxuot: unknown key; did you mean 'maxout'?"),
        (
            {"space__sites": {"hidden0": {"types": {"maxuot": {}}}}},
            "space.sites.hidden0.types.maxuot: unknown key; did you mean 'maxout'?",
        ),
    ],
)
def test_one_mistake_makes_one_sentence(tiny, changes, problem):
    assert problems_of(tiny(**changes)) == [problem]


@pytest.mark.parametrize("data", [{}, {1: 2}, {"task": {1: 2}}, {"space": []}, {"budget": [1]}])
def test_nonsense(data):
    assert problems_of(data)


# --- files --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "a: [1, 2",
            "expected YAML, got something else at line 2, column 1: did not find expected ',' or ']' "
            "(while parsing a flow sequence at line 1, column 4)",
        ),
        ("a: 1\n  b: 2", "expected YAML, got something else at line 2"),
        ("a: @x", "expected YAML, got something else at line 1, column 4"),
        ("!!python/object:os.system {}", "expected YAML, got something else at line 1"),
        ("[a, b]", "expected keys and values, got ['a', 'b']"),
        ("relu", "expected keys and values, got 'relu'"),
        ("", "expected keys and values, got an empty file"),
        ("seed: 1\nseed: 2", "the key 'seed' is listed twice"),
        ("task: {name: faulty, name: digits}", "the key 'name' is listed twice"),
    ],
)
def test_not_a_config(text, sentence, tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    (problem,) = caught.value.problems
    assert sentence in problem
    assert str(caught.value).startswith(f"{path}: ")


def test_not_a_file(tmp_path):
    with pytest.raises(UserError, match=r"expected a YAML file, got '.*no.yaml', which does not exist"):
        load(tmp_path / "no.yaml")
    with pytest.raises(UserError, match=r"expected a YAML file, got '.*', which is a directory"):
        load(tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"expected a YAML file, got '.*binary', which is not UTF-8 text"):
        load(tmp_path / "binary")


@pytest.mark.parametrize(
    ("text", "value"), [("1e-3", 0.001), ("1E2", 100.0), ("2.5e-1", 0.25), ("1.e-1", 0.1), ("0.1", 0.1)]
)
def test_numbers_as_people_write_them(text, value, config_file):
    path = config_file(space__learning_rate={"low": "LOW", "high": 100.0, "per_decade": 1})
    path.write_text(path.read_text().replace("LOW", text))
    assert load(path).space.learning_rates[0] == value


def test_a_config_at_a_uri(config_file, tmp_path):
    """As `evoact search URI/config.yaml`, which the end of a run on another file system prints."""
    assert load(config_file().as_uri()).config == load(config_file()).config
    for place, reason in (
        ((tmp_path / "no.yaml").as_uri(), "which does not exist"),
        (tmp_path.as_uri(), "which (is a directory|cannot be read)"),
        ("nowhere://bucket/config.yaml", "pyarrow can open"),
    ):
        with pytest.raises(UserError, match=reason):
            load(place)


def test_yaml_anchors_and_merges(config_file):
    path = config_file()
    path.write_text(path.read_text() + "baselines: &none {replicates: 0}\n")
    assert load(path).baseline_networks == 0
    text = path.read_text().replace("confirm:\n", "confirm:\n  <<: {seeds: 7}\n").replace("  seeds: 2\n", "")
    path.write_text(text)
    assert load(path).config.confirm.seeds == 7


def test_named_space_beside_the_config_or_in_the_repository(config_file, tiny):
    path = config_file(space="here.yaml")
    (path.parent / "here.yaml").write_text(yaml.safe_dump(tiny()["space"]))
    assert load(path).space.functions == ("relu", "tanh", "sin")
    path = config_file(space="quickstart", network__hidden=[64])
    assert "gaussian" in load(path).space.functions


def test_mistakes_of_a_space_stand_beside_those_of_its_config(config_file):
    with pytest.raises(ConfigError) as caught:
        load(config_file(space="quikstart", sede=1))
    unknown, key = caught.value.problems
    assert unknown.startswith("space: unknown search space 'quikstart'; did you mean 'quickstart'?")
    assert key.startswith("sede: unknown key")
    path = config_file(space="here.yaml", sede=1)
    (path.parent / "here.yaml").write_text("functions: [relu")
    with pytest.raises(ConfigError, match=r"here.yaml: expected YAML, got something else[^\n]*\n.*sede"):
        load(path)


# --- overrides ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("seed=3", lambda e: e.seed == 3),
        ("budget.networks=7", lambda e: e.networks == 7),
        ("training.optimizer={name: sgd, momentum: 0.9}", lambda e: e.training.optimizer == "sgd"),
        ("network.hidden=[4, 5]", lambda e: [s.neurons for s in e.network.sites] == [4, 5]),
        ("space.learning_rate.low=1e-3", lambda e: e.space.learning_rates[0] == 0.001),
        ("packs.timeout_seconds=2", lambda e: e.config.packs.timeout_seconds == 2.0),
        ("packs.timeout_seconds=null", lambda e: e.config.packs.timeout_seconds is None),
        ("name=a=b", lambda e: e.name == "a=b"),
    ],
)
def test_override(text, value, config_file):
    assert value(load(config_file(), [text]))


def test_override_inside_a_named_space(config_file):
    path = config_file(space="quickstart", network__hidden=[64])
    made = load(
        path, ["space.functions=[relu, sin]", "space.types.hull.sizes=[2]", "space.types_per_layer=[1, 2]"]
    )
    assert made.space.functions == ("relu", "sin")
    assert made.space.learning_rates == load(path).space.learning_rates


def test_later_overrides_win_and_may_choose_the_space(config_file):
    path = config_file(network__hidden=[64])
    made = load(path, ["space=quickstart", "space.types_per_layer=[2, 2]", "seed=1", "seed=2"])
    assert (made.space.types_per_layer, made.seed) == ((2, 2), 2)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("seed", "expected --set key.path=value, got 'seed'"),
        ("=3", "expected --set key.path=value, got '=3'"),
        ("a..b=3", "expected --set key.path=value, got 'a..b=3'"),
        ("seed=[1", r"expected a YAML value in --set seed=..., got '\[1'"),
        ("seed.x=1", "expected --set seed.x to lead through sections, but 'seed' is 0"),
        ("seed=", "seed: expected an integer, got None"),
        ("sede=1", "sede: unknown key; did you mean 'seed'?"),
        ("training.stps=1", "training.stps: unknown key; did you mean 'steps'?"),
    ],
)
def test_wrong_override(text, sentence, config_file):
    with pytest.raises(ConfigError, match=sentence):
        load(config_file(seed=0), [text])


def test_all_wrong_overrides_at_once(config_file):
    with pytest.raises(ConfigError) as caught:
        load(config_file(), ["seed", "sede=1", "task.name=x"])
    assert len(caught.value.problems) == 3


# --- what a config means ------------------------------------------------------------------------


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_the_configs_of_the_repository(path):
    made = load(path)
    assert experiment(yaml.safe_load(made.to_yaml())) == made
    command, *options = path.read_text().splitlines()[0].split(f" configs/{path.name}")
    assert command == "# evoact search", "the first line is the command that runs it"
    assert options in ([""], [" --address auto"])
    if made.config.strategy.name == "enumerate":  # neither cut short nor announced as more than it is
        strategy = proposer("enumerate", made.space, made.seed, made.config.strategy.arguments)
        assert made.config.budget.networks == len(strategy)
        structures = len(strategy) // len(made.space.learning_rates)
        assert made.config.confirm.candidates <= structures


# Of no paper.
GENERAL = {"cluster_gpu", "digits_hulls", "mnist1d_evolution", "mnist1d_successive_halving", "quickstart"}


def test_each_experiment_of_a_paper_has_a_small_version():
    stems = {path.stem.removesuffix("_reduced") for path in FILES} - GENERAL
    small = {stem for stem in stems if stem.endswith("_small")}
    assert len(small) >= 15
    assert stems - small == {stem.removesuffix("_small") for stem in small}
    for stem in sorted(small):
        few, full = (load(ROOT / "configs" / f"{s}.yaml") for s in (stem, stem.removesuffix("_small")))
        assert few.config.strategy.name == full.config.strategy.name
        assert few.config.space.types == full.config.space.types
        assert few.task.metric == full.task.metric
        assert parameter_count(few.network) < parameter_count(full.network)


def test_large_experiments_say_what_they_cost():
    for path in FILES:
        if load(path).config.execution.gpus_per_pack:
            assert path.stem in GENERAL or "GPU hours, by arithmetic" in path.read_text()


@pytest.mark.parametrize("path", SPACES, ids=lambda p: p.stem)
def test_the_search_spaces_of_the_repository(path):
    assert load_space(path).types


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "x.yaml: expected keys and values, got an empty file"),
        (b"\xff\xfe\x00", "x.yaml', which is not UTF-8 text"),
        (None, "x.yaml', which is a directory"),
        (
            b"types: {base: {}}\nfunctions: [relu]\nlearning_rate: {values: [0.1]}\n",
            "x.yaml: expected an experiment, got a search space; give the file of an experiment",
        ),
    ],
)
def test_files_that_are_no_experiment(tmp_path, content, sentence):
    path = tmp_path / "x.yaml"
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        load(path)
    assert sentence in str(caught.value)
    assert "Errno" not in str(caught.value)


def test_another_name_with_keys_left_over_says_how_to_replace_the_section(config_file):
    config = config_file()
    with pytest.raises(ConfigError) as caught:
        load(config, ["network.name=lenet5"])
    assert "network: unknown key 'hidden'" in caught.value.problems[0]
    assert caught.value.problems[0].endswith("use --set 'network={name: lenet5}'")
    with pytest.raises(ConfigError) as caught:
        load(config, ["network.hiden=[3]"])
    assert "--set" not in str(caught.value)


def test_wrong_search_space_file(tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text("functions: [rleu]\ntypes: {}\nlearning_rate: {low: 1, high: 0.1}\n")
    with pytest.raises(ConfigError) as caught:
        load_space(path)
    assert [p.split(":")[0] for p in caught.value.problems] == ["functions", "types", "learning_rate"]


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


def test_name_is_that_of_the_file_unless_given(config_file, tiny):
    path = config_file()
    assert load(path).name == "tiny"
    path = path.rename(path.with_name("other.yaml"))
    data = tiny()
    del data["name"]
    path.write_text(yaml.safe_dump(data))
    assert load(path).name == "other"


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
    assert made.summary()["gradient_examples"] == 30 * 39 * 30
    by_default = experiment(tiny(training={}))
    assert by_default.steps == by_default.config.training.steps == 500
    assert experiment(tiny(training={"steps": None, "epochs": 1})).steps == 4


def test_schedules_reach_the_trainer(tiny):
    settings = experiment(tiny(training__schedule={"name": "inverse_time", "decay": 0.5})).training
    assert (settings.schedule, settings.schedule_arguments) == ("inverse_time", {"decay": 0.5})
    assert experiment(tiny()).training.schedule == "constant"


def test_summary_counts_every_phase(tiny):
    summary = experiment(tiny()).summary()
    assert {k: summary[k] for k in ("baseline", "search", "confirm", "judge", "networks")} == {
        "baseline": 3 * 2,
        "search": 16,
        "confirm": (2 + 1) * 2,
        "judge": 2,
        "networks": 30,
    }
    assert summary["gradient_examples"] == 30 * 20 * 32


def test_functions_of_a_type_default_to_those_of_the_space(tiny):
    space = experiment(tiny(space__types={"base": {}})).space
    assert all(space.layers[0].offers(Base(name)) for name in ("relu", "tanh", "sin"))
    space = experiment(
        tiny(space__types={"base": {"functions": ["abs"]}}, space__types_per_layer=[1, 1])
    ).space
    assert space.layers[0].offers(Base("abs"))
    with pytest.raises(UserError):
        space.layers[0].family_of(Base("relu"))


def test_every_kind_of_types(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("EVOACT_CURVES", str(tmp_path))
    save_curve(tmp_path / "bend", Curve([0, 1, 2, 3], [0, 1, 0, 1]))
    types = {
        "base": {},
        "hull": {"kinds": ["conic"], "sizes": [1, 2]},
        "subnetwork": {"bases": ["sin(2*x)"]},
        "scaled": {"per": ["layer", "neuron"]},
        "prelu": {},
        "piecewise_linear": {"hinges": [1, 2]},
        "rational": {"initial": ["tanh", "relu"]},
        "tabulated": {"curves": ["bend"], "interpolation": ["linear", "cubic"]},
        "maxout": {},
        "probabilistic_maxout": {"sharpness": [1.0, 2.0]},
        "lp_pool": {"pieces": [2, 4]},
        "network_in_network": {"bases": ["relu"]},
        "given": [
            {"kind": "hull", "hull": "convex", "functions": ["tanh", "sin"]},
            {"kind": "tabulated", "curve": "bend", "extrapolation": "constant"},
            {"kind": "captured", "curve": "learned", "low": -1.0, "high": 1.0, "values": [0.0, 0.5, 0.0]},
        ],
    }
    made = experiment(tiny(space__types=types, space__least_width=0.5))
    (layer,) = made.space.layers
    # A captured curve carries its values: it is given or not at all.
    assert [family.kind for family in layer.families] == [*(k for k in KINDS if k != "captured"), "given"]
    assert [family.size() for family in layer.families] == [3, 6, 1, 6, 1, 2, 2, 2, 1, 2, 2, 1, 3]
    assert made.space.most_absent(0) == 4
    assert made.config.space.types.tabulated.curves == [f"bend@{load_curve('bend').digest}"]
    assert made.config.space.types.given[1]["curve"] == f"bend@{load_curve('bend').digest}"
    again = experiment(yaml.safe_load(made.to_yaml()))
    assert again == made
    assert again.space == made.space
    save_curve(tmp_path / "short", Curve([0, 1, 2], [0, 1, 0]))
    short = {"tabulated": {"curves": ["short"], "interpolation": ["linear", "cubic"]}}
    assert problems_of(tiny(space__types=short)) == [
        "space.types.tabulated.curves: expected at least 4 points for cubic interpolation, got 3"
    ]
    save_curve(tmp_path / "bend", Curve([0, 1], [0, 1]))
    assert experiment(yaml.safe_load(made.to_yaml())) == made  # it brings what the curve was


def test_a_site_of_its_own(tiny):
    own = {"types": {"hull": {"kinds": ["linear"], "functions": ["sin", "cos"]}}, "types_per_layer": [1, 1]}
    made = experiment(tiny(network__hidden=[8, 4], space__sites={"hidden1": own}))
    first, second = made.space.layers
    assert first.offers(Base("relu"))
    assert (second.activations, second.types_per_layer) == (1, (1, 1))
    assert second.offers(Hull("linear", ("cos", "sin")))
    partly = experiment(tiny(network__hidden=[8, 4], space__sites={"hidden1": {"least_width": 0.25}}))
    assert [partly.space.most_absent(i) for i in (0, 1)] == [0, 3]
    assert partly.space.layers[1].families == partly.space.families


def test_hulls_of_one_function_are_base_functions(tiny):
    made = experiment(tiny(space__types={"hull": {"kinds": ["convex", "linear"], "sizes": [1, 2]}})).space
    assert made.layers[0].offers(Base("relu"))
    assert made.layers[0].offers(Hull("linear", ("relu",)))
    assert made.layers[0].activations == 3 + 3 + (3 + 3)
    only = experiment(tiny(space__types={"hull": {"kinds": ["affine"], "sizes": [1]}})).space
    assert [family.kind for family in only.families] == ["base"]


def test_functions_need_not_be_named_where_none_is_needed(tiny):
    data = tiny(space__types={"prelu": {"per": ["layer", "neuron"]}})
    del data["space"]["functions"]
    made = experiment(data)
    assert made.space.functions == ()
    assert made.baseline_networks == 0


def test_learning_rates_as_a_list(tiny):
    made = experiment(tiny(space__learning_rate={"values": [1e-4, 3e-4, 1e-3]}))
    assert made.space.learning_rates == (1e-4, 3e-4, 1e-3)
    assert experiment(yaml.safe_load(made.to_yaml())) == made


def test_settings_of_the_optimizer_are_searched(tiny):
    made = experiment(tiny(space__optimizer={"weight_decay": [0, 1e-4], "beta1": [0.8, 0.9, 0.95]}))
    rates = len(made.space.learning_rates)
    assert (
        len(made.space.settings) == 6 * rates == made.space.size() / (experiment(tiny()).space.size() / rates)
    )
    assert made.baseline_networks == 6 * experiment(tiny()).baseline_networks
    assert experiment(yaml.safe_load(made.to_yaml())) == made


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


def test_dropout_is_searched(tiny):
    made = experiment(
        tiny(space__hyperparameters={"dropout": [0, 0.2, 0.5]}, space__optimizer={"weight_decay": [0, 1e-4]})
    )
    assert made.space.size() == 6 * experiment(tiny()).space.size()
    assert made.space.grids["dropout"] == (0, 0.2, 0.5)
    assert experiment(yaml.safe_load(made.to_yaml())) == made


@pytest.mark.parametrize(
    ("searched", "network", "message"),
    [
        (
            {"dropuot": [0]},
            {},
            "space.hyperparameters: unknown hyperparameter 'dropuot'; did you mean 'dropout'?",
        ),
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
            "dropout: expected a network with dropout, one of mlp, kerasnet, alexnet, got resnet56",
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


def test_arrays_file(tiny, tmp_path):
    path = tmp_path / "data.npz"
    np.savez(path, x=np.zeros((10, 3)), y=np.arange(10) % 2)
    made = experiment(tiny(task={"name": "arrays", "path": str(path)}))
    assert made.task.input_shape == (3,)


def test_a_resolved_config_brings_its_curves(tiny, tmp_path, monkeypatch):
    """It is read again without their files, as a worker on another machine does."""
    folder = tmp_path / "somewhere"
    monkeypatch.setenv("EVOACT_CURVES", str(folder))
    save_curve(folder / "wave", Curve([0, 1, 2, 3], [0, 1, 0, 0.1]))
    made = experiment(tiny(space__types={"tabulated": {"curves": ["wave"]}}))
    script = (
        "import sys, yaml\n"
        "from evoact.config import experiment\n"
        "from evoact.activations.curves import load_curve\n"
        "made = experiment(yaml.safe_load(sys.stdin))\n"
        "(name,) = made.config.space.types.tabulated.curves\n"
        "print(load_curve(name).values.tolist())\n"
    )
    variables = {k: v for k, v in os.environ.items() if k != "EVOACT_CURVES"}
    done = subprocess.run(
        [sys.executable, "-c", script], input=made.to_yaml(), env=variables, capture_output=True, text=True
    )
    assert done.stdout == "[0.0, 1.0, 0.0, 0.1]\n", done.stderr
    name = made.config.space.types.tabulated.curves[0]
    data = yaml.safe_load(made.to_yaml())
    data["curves"][name]["values"][0] = 5.0
    with pytest.raises(ConfigError, match=rf"curves\.{name}: expected the name"):
        experiment(data)


def test_a_mapping_takes_a_space_by_name(tiny):
    assert "gaussian" in experiment(tiny(space="quickstart", network__hidden=[64])).space.functions


def test_learning_rates_may_stand_in_a_key_of_their_own(tiny):
    assert experiment(tiny(learning_rate={"values": [0.5]})).space.learning_rates == (0.5,)
