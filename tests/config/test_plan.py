"""Comparisons: repeats, shared data, and equal budgets."""

import pytest
import yaml

from evoact.config import comparison, read_plan
from evoact.errors import UserError


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


def test_amortised_meta_training_comes_on_top(tiny_comparison, problems_of):
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
        assert read_plan(yaml.safe_load(amortised.to_yaml())) == amortised
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
