"""What the keys of a search space mean, and what can be wrong with them."""

import pytest
import yaml

from evoact.activations.curves import Curve, load_curve, save_curve
from evoact.config import experiment
from evoact.errors import UserError
from evoact.genomes.kinds import KINDS, Base, Hull

ONE_MISTAKE = {
    "YAML's no in a list": (
        {"space__functions": ["relu", False]},
        "space.functions.1: expected text, got False",
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
    "unknown curve": (
        {"space__types__tabulated": {"curves": ["bend"]}},
        "space.types.tabulated.curves: unknown curve 'bend'; looked in 'curves'",
    ),
    "unknown site": (
        {"space__sites": {"hiden0": {"types_per_layer": [1, 1]}}},
        "space: unknown site 'hiden0'; did you mean 'hidden0'?",
    ),
    "unknown function of a site": (
        {"space__sites": {"hidden0": {"types": {"base": {"functions": ["tahn"]}}}}},
        "space.sites.hidden0.types.base.functions: unknown base function 'tahn'; did you mean 'tanh'?",
    ),
    "least above most at a site": (
        {"space__sites": {"hidden0": {"types_per_layer": [2, 1]}}},
        "space.sites.hidden0.types_per_layer: expected [least, most], got [2, 1]",
    ),
    "hull larger than its functions": (
        {"space__types__hull__sizes": [2, 4]},
        "space.types.hull.sizes: expected at most 3, the number of functions, got 4",
    ),
    "more types than neurons": (
        {"space__types_per_layer": [1, 9]},
        "space: expected no more types than the 8 blocks of 1 neuron at site 'hidden0', got up to 9; lower "
        "types_per_layer or neurons_per_block, or widen the layer",
    ),
    "more types than blocks": (
        {"space__types_per_layer": [1, 3], "space__neurons_per_block": 4},
        "space: expected no more types than the 2 blocks of 4 neurons at site 'hidden0', got up to 3; lower "
        "types_per_layer or neurons_per_block, or widen the layer",
    ),
    "least above most": (
        {"space__types_per_layer": [2, 1]},
        "space.types_per_layer: expected [least, most], got [2, 1]",
    ),
    "learning rates reversed": (
        {"space__learning_rate__low": 1.0},
        "space.learning_rate: expected low <= high, got 1 > 0.1",
    ),
}


@pytest.mark.parametrize(("changes", "expected"), ONE_MISTAKE.values(), ids=ONE_MISTAKE)
def test_one_mistake_one_sentence(changes, expected, tiny, problems_of):
    (problem,) = problems_of(tiny(**changes))
    assert problem.startswith(expected)


def test_functions_of_a_type_default_to_those_of_the_space(tiny):
    space = experiment(tiny(space__types={"base": {}})).space
    assert all(space.layers[0].offers(Base(name)) for name in ("relu", "tanh", "sin"))
    space = experiment(
        tiny(space__types={"base": {"functions": ["abs"]}}, space__types_per_layer=[1, 1])
    ).space
    assert space.layers[0].offers(Base("abs"))
    with pytest.raises(UserError):
        space.layers[0].family_of(Base("relu"))


def test_every_kind_of_types(tiny, tmp_path, monkeypatch, problems_of):
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


def test_dropout_is_searched(tiny):
    made = experiment(
        tiny(space__hyperparameters={"dropout": [0, 0.2, 0.5]}, space__optimizer={"weight_decay": [0, 1e-4]})
    )
    assert made.space.size() == 6 * experiment(tiny()).space.size()
    assert made.space.grids["dropout"] == (0, 0.2, 0.5)
    assert experiment(yaml.safe_load(made.to_yaml())) == made
