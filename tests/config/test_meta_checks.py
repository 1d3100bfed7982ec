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
}


@pytest.mark.parametrize(("changes", "expected"), ONE_MISTAKE.values(), ids=ONE_MISTAKE)
def test_one_mistake_one_sentence(changes, expected, tiny, problems_of):
    (problem,) = problems_of(tiny(**changes))
    assert problem.startswith(expected)
