"""Comparisons: what is right is read exactly, what is wrong is said of the arm that it is wrong in."""

from pathlib import Path

import pytest
import yaml

from evoact.analysis.verdicts import fewest_repeats
from evoact.config import comparison, load, load_comparison, plan
from evoact.config.width_controls import most_parameters
from evoact.errors import ConfigError, UserError
from evoact.networks.network import parameter_count


def problems_of(data):
    with pytest.raises(ConfigError) as caught:
        comparison(data)
    return list(caught.value.problems)


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
def test_one_mistake_one_sentence(mistake, tiny_comparison):
    changes, sentence = ONE_MISTAKE[mistake]
    (problem,) = problems_of(tiny_comparison(**changes))
    assert problem.startswith(sentence), problem


def test_all_mistakes_at_once(tiny_comparison):
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
        made = plan(data)
        again = plan(yaml.safe_load(made.to_yaml()))
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


def test_repeats_differ_by_their_seed_which_arms_share(tiny_comparison):
    made = comparison(tiny_comparison())
    seeds = {part: made.part(*part).seed for part in made.parts()}
    assert len(seeds) == 6
    assert len(set(seeds.values())) == 2
    assert seeds["random", 0] == seeds["evolution", 0] != seeds["random", 1]
    assert list(made.parts())[:3] == [("homogeneous", 0), ("random", 0), ("evolution", 0)]
    other = comparison(tiny_comparison(seed=1))
    assert not {other.part(*part).seed for part in other.parts()} & set(seeds.values())


def test_the_data_is_held_once(tiny_comparison):
    made = comparison(tiny_comparison())
    assert len({id(made.part(*part).task) for part in made.parts()} | {id(made.task)}) == 1
    assert len({id(made.part("random", repeat).space) for repeat in range(2)}) == 1


# --- equal budgets ----------------------------------------------------------------------------------


def test_budgets_are_equal_in_gradient_examples(tiny_comparison):
    data = tiny_comparison(budget={"gradient_examples": 8 * 320}, arms__random__training={"steps": 20})
    made = comparison(data)
    made.check_budgets()
    assert {name: e.networks for name, e in made.arms.items()} == {
        "homogeneous": 8,
        "random": 4,
        "evolution": 8,
    }


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"arms__random__training": {"steps": 7}},
            "got 2560 for 'homogeneous' and 1792 for 'random'; choose a budget that is a multiple of 320 and 224",
        ),
        (
            {"budget": {"gradient_examples": 2560}, "arms__random__training": {"steps": 30}},
            "got 2560 for 'homogeneous' and 1920 for 'random'",
        ),
        (
            {"arms__homogeneous__strategy": {"name": "enumerate"}},
            "expected arm 'homogeneous' to spend its budget of 8 networks, got a space and seeds for 6",
        ),
        (
            {"replicates": 1, "budget__networks": 100, "arms__homogeneous__strategy": {"name": "random"}},
            "expected arm 'homogeneous' to spend its budget of 100 networks, got a space and seeds for 6",
        ),
    ],
)
def test_budgets_that_cannot_be_equal(changes, sentence, tiny_comparison):
    with pytest.raises(UserError) as caught:
        comparison(tiny_comparison(**changes)).check_budgets()
    assert sentence in str(caught.value)


def bilevel(**settings):
    types = [{"kind": "subnetwork", "base": "sin", "hidden": 2}] * 2
    return {
        "name": "bilevel",
        "types": types,
        "outer_steps": 4,
        "inner_steps": 5,
        "batch_size": 16,
    } | settings


def test_amortised_meta_training_comes_on_top(tiny_comparison):
    # 4 x 5 steps of 16 examples, each counted three times: 960 gradient-examples, 3 networks of 320.
    for budget in ({"networks": 8}, {"gradient_examples": 8 * 320}):
        counted = comparison(tiny_comparison(budget=budget, arms__learned={"strategy": bilevel()}))
        counted.check_budgets()
        assert counted.arms["learned"].networks == 8
        amortised = comparison(
            tiny_comparison(budget=budget, arms__learned={"strategy": bilevel(), "amortised": True})
        )
        amortised.check_budgets()
        assert amortised.arms["learned"].networks == 11
        assert plan(yaml.safe_load(amortised.to_yaml())) == amortised
    # More meta-training than the whole budget: only where it is amortised.
    large = bilevel(outer_steps=40)
    assert (
        comparison(tiny_comparison(arms__learned={"strategy": large, "amortised": True}))
        .arms["learned"]
        .networks
        == 38
    )
    (problem,) = problems_of(tiny_comparison(arms__learned={"strategy": large}))
    assert problem.startswith("arms.learned.strategy: expected a budget of more than 30 networks")
    (problem,) = problems_of(tiny_comparison(arms__random__amortised=True))
    assert problem == "arms.random.amortised: expected an arm with meta-training, got strategy random"


# --- width-matched controls -------------------------------------------------------------------------


def test_a_larger_arm_gets_a_control_as_large(tiny_comparison):
    maxout = {
        "types": {"maxout": {"pieces": [2]}},
        "types_per_layer": [1, 1],
        "learning_rate": {"values": [0.1]},
    }
    made = comparison(tiny_comparison(network__hidden=[32, 32], arms__evolution__space=maxout))
    control = "homogeneous as large as evolution"
    assert list(made.arms) == ["homogeneous", "random", "evolution", control]
    assert made.controls == {control: ("evolution",)}
    wide = made.arms[control]
    assert wide.space.functions == made.arms["homogeneous"].space.functions
    target = most_parameters(made.arms["evolution"])
    assert target > 1.05 * parameter_count(made.arms["homogeneous"].network)
    assert target <= parameter_count(wide.network) < 1.05 * target
    assert made.config.network.arguments == {"hidden": [32, 32]}
    again = plan(yaml.safe_load(made.to_yaml()))
    assert again.arms.keys() == made.arms.keys()
    assert again.controls == made.controls


def test_arms_of_a_size_share_a_control_and_small_differences_need_none(tiny_comparison):
    def pieces(n):
        return {
            "types": {"maxout": {"pieces": [n]}},
            "types_per_layer": [1, 1],
            "learning_rate": {"values": [0.1]},
        }

    made = comparison(
        tiny_comparison(
            network__hidden=[32],
            arms__two={"space": pieces(2), "strategy": {"name": "random"}},
            arms__twice={"space": pieces(2), "strategy": {"name": "optuna"}},
            arms__four={"space": pieces(4), "strategy": {"name": "random"}},
        )
    )
    assert made.controls == {
        "homogeneous as large as four": ("four",),
        "homogeneous as large as two, twice": ("two", "twice"),
    }


def test_an_arm_is_not_overwritten_by_a_control(tiny_comparison):
    maxout = {"types": {"maxout": {"pieces": [4]}}, "types_per_layer": [1, 1]}
    maxout |= {"learning_rate": {"values": [0.1]}}
    arms = {
        "arms__large": {"space": maxout, "strategy": {"name": "random"}},
        "arms__homogeneous as large as large": {"strategy": {"name": "random"}},
    }
    with pytest.raises(ConfigError, match=r"arms\.homogeneous as large as large: expected another name"):
        comparison(tiny_comparison(network__hidden=[32], **arms))


# --- the configs of the repository ------------------------------------------------------------------

FILES = sorted((Path(__file__).parents[1] / "configs").glob("compare_*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_comparisons_of_the_repository(path):
    assert path.read_text().splitlines()[0] == f"# evoact compare configs/{path.name}"
    made = load_comparison(path)
    made.check_budgets()
    assert plan(yaml.safe_load(made.to_yaml())) == made
    assert len(made.arms) - len(made.controls) >= 10
    for name, arm in made.arms.items():
        assert arm.config.baselines.replicates == 0
        if arm.config.strategy.name == "enumerate":  # each activation at each learning rate, once at least
            assert len([*arm.space.ordinary()]) <= arm.networks, name
    rates = {arm.space.learning_rates for arm in made.arms.values()}
    assert len(rates) == 1, "the learning rate is tuned on the same grid"
    repeats = fewest_repeats(len(made.arms) + 1)
    assert (made.repeats >= repeats) != path.stem.endswith("_small")
