"""Comparisons: what is right is read exactly, and each mistake is reported for the arm it is in."""

import pytest
import yaml

import evoact
from evoact.config import comparison, load, load_comparison, read_plan
from evoact.errors import ConfigError

ONE_MISTAKE = {
    "unknown key": ({"repeat": 3}, "unknown key 'repeat'; did you mean 'repeats'?"),
    "unknown key of an arm": (
        {"arms__random__stratgy": {}},
        "arms.random.stratgy: unknown key; did you mean 'strategy'?",
    ),
    "no repeats": ({"repeats": 0}, "repeats: expected more than 0, got 0"),
    "one arm": ({"arms": {"only": {"strategy": {"name": "random"}}}}, "arms: expected a list of at least 2, got 1"),
    "no arms": ({"arms": 3}, "arms: expected a section of keys and values, got 3"),
    "unknown reference": (
        {"reference": "homogenous"},
        "reference: unknown arm 'homogenous'; did you mean 'homogeneous'?",
    ),
    "unknown scaled": ({"scaled": "x"}, "scaled: unknown arm 'x'; known: evolution, homogeneous, random"),
    "reference and scaled": (
        {"reference": "random", "scaled": "random"},
        "scaled: expected another arm than the reference, got 'random' for both",
    ),
    "time": ({"budget": {"minutes": 5.0, "networks": 8}}, "budget.minutes: expected networks or gradient_examples"),
    "baselines": ({"baselines": {"replicates": 1}}, "baselines: expected none in a comparison"),
    "no confirmation": ({"confirm__candidates": 0}, "confirm.candidates: expected at least 1"),
    "equivalence": ({"equivalence": -1.0}, "equivalence: expected at least 0, got -1.0"),
    "an arm's strategy": (
        {"arms__random__strategy__name": "randon"},
        "arms.random.strategy.name: unknown strategy 'randon'; did you mean 'random'?",
    ),
    "an arm's setting": (
        {"arms__evolution__strategy__elites": 4},
        "arms.evolution.strategy: expected fewer elites than the population of 4, got 4",
    ),
    "an arm's space": (
        {"arms__homogeneous__space__functions": ["relu", "tahn"]},
        "arms.homogeneous.space.functions: unknown base function 'tahn'",
    ),
    "an arm's training": ({"arms__random__training": {"stps": 3}}, "arms.random.training.stps: unknown key"),
    "the common part": ({"network__name": "mpl"}, "network.name: unknown network 'mpl'; did you mean 'mlp'?"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", ONE_MISTAKE)
def test_one_mistake_one_sentence(mistake, tiny_comparison, problems_of):
    changes, sentence = ONE_MISTAKE[mistake]
    (problem,) = problems_of(tiny_comparison(**changes))
    assert problem.startswith(sentence), problem


def test_all_mistakes_at_once(tiny_comparison, problems_of):
    changes = {"network__name": "mpl", "reference": "x", "arms__random__strategy__name": "y", "sead": 1}
    assert len(problems_of(tiny_comparison(**changes))) == 4


def test_two_arms_of_one_name(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("arms:\n  a: {strategy: {name: random}}\n  a: {strategy: {name: optuna}}\n")
    with pytest.raises(ConfigError, match=r"the key 'a' is listed twice"):
        load_comparison(path)


def test_the_commands_say_which_is_which(tiny, tiny_comparison, tmp_path):
    for name, data in (("search", tiny()), ("comparison", tiny_comparison())):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(data))
    with pytest.raises(ConfigError, match="got a comparison with `arms`; run it with `evoact compare`"):
        load(tmp_path / "comparison.yaml")
    with pytest.raises(ConfigError, match="got none; run an experiment with `evoact search`"):
        load_comparison(tmp_path / "search.yaml")


def test_resolved_configs_are_read_back(tiny, tiny_comparison):
    for data in (tiny(), tiny_comparison(arms__evolution__group="evolved", scaled="random")):
        made = read_plan(data)
        again = read_plan(yaml.safe_load(made.to_yaml()))
        assert again == made
        assert again.to_yaml() == made.to_yaml()


def test_arms_inherit_and_override(tiny_comparison, tmp_path):
    path = tmp_path / "c.yaml"
    data = tiny_comparison(
        learning_rate={"values": [0.5]},
        arms__random__learning_rate={"values": [0.1, 0.2]},
        arms__evolution__training={"epochs": 2, "optimizer": {"name": "sgd"}},
    )
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    made = load_comparison(path, ["arms.evolution.strategy.population=6", "seed=3"])
    assert [e.space.learning_rates for e in made.arms.values()] == [(0.5,), (0.1, 0.2), (0.5,)]
    evolution = made.arms["evolution"].config
    assert (evolution.training.steps, evolution.training.epochs, evolution.training.batch_size) == (
        None,
        2,
        32,
    )
    assert evolution.training.optimizer.name == "sgd"
    assert evolution.strategy.arguments["population"] == 6
    assert made.arms["random"].config.training.steps == 10
    assert (made.name, made.seed, made.reference) == ("tiny", 3, "homogeneous")
    with pytest.raises(ConfigError, match=r"arms: unknown arm 'evolutoin'; did you mean 'evolution'\?"):
        load_comparison(path, ["arms.evolutoin.training.steps=5"])
    assert "one more" in load_comparison(path, ["arms.one more={strategy: {name: random}}"]).arms


def test_overrides_of_plain_data_are_those_of_a_file(tiny_comparison, tmp_path):
    data = tiny_comparison()
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(data, sort_keys=False))
    overrides = ["arms.evolution.strategy.population=6", "seed=3"]
    assert comparison(data, overrides=overrides) == load_comparison(tmp_path / "tiny.yaml", overrides)
    assert data == tiny_comparison()
    with pytest.raises(ConfigError, match="unknown arm 'evolutoin'"):
        evoact.compare(data, tmp_path / "run", ["arms.evolutoin.training.steps=5"])
