"""What can be wrong with the activations that a search space lists under `given`."""

import pytest

ONE_MISTAKE = {
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
}


@pytest.mark.parametrize(("changes", "expected"), ONE_MISTAKE.values(), ids=ONE_MISTAKE)
def test_one_mistake_one_sentence(changes, expected, tiny, problems_of):
    (problem,) = problems_of(tiny(**changes))
    assert problem.startswith(expected)
