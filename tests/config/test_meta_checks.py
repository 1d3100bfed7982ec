"""What can be wrong with a config's meta-training."""

import pytest

ONE_MISTAKE = {
    "steps for a network that differentiates": (
        {
            "task": {"name": "van_der_pol"},
            "network": {"name": "hamiltonian"},
            "strategy": {"name": "bilevel", "outer_steps": 1, "inner_steps": 1},
            "budget__networks": 60,
        },
        "strategy.interpolation: expected cubic with the network hamiltonian, whose outputs are derivatives, got ",
    ),
    "weights that stay": (
        {
            "training__train": "activations",
            "strategy": {"name": "bilevel", "outer_steps": 1, "inner_steps": 1},
            "budget__networks": 60,
        },
        "strategy: expected training.train: all with a meta-training, which trains fresh weights, got activations",
    ),
    "a type within another search": (
        {
            "strategy": {
                "name": "hybrid",
                "learned": {
                    "outer_steps": 1,
                    "inner_steps": 1,
                    "types": [{"kind": "subnetwork", "base": "sine", "hidden": 5}],
                },
            },
            "budget__networks": 60,
        },
        "strategy.learned.types.0: ",
    ),
    "a setting within another search": (
        {"strategy": {"name": "hybrid", "learned": {"outer_step": 1}}},
        "strategy: unknown setting of strategy 'bilevel' 'outer_step'; did you mean 'outer_steps'",
    ),
    "a text for a number within another search": (
        {"strategy": {"name": "hybrid", "learned": {"outer_steps": "many"}}},
        "expected settings of strategy 'bilevel' in strategy.learned, got {'outer_steps': 'many'}: ",
    ),
    "no settings within another search": (
        {"strategy": {"name": "hybrid", "learned": "yes"}},
        "expected settings of strategy 'bilevel' as strategy.learned, got 'yes'",
    ),
    "a budget that meta-training takes whole": (
        {"strategy": {"name": "hybrid", "learned": {}}},
        "strategy: expected a budget of more than ",
    ),
}


@pytest.mark.parametrize(("changes", "expected"), ONE_MISTAKE.values(), ids=ONE_MISTAKE)
def test_one_mistake_one_sentence(changes, expected, tiny, problems_of):
    (problem,) = problems_of(tiny(**changes))
    assert problem.startswith(expected)
