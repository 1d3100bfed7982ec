"""What pydantic finds is said in our words, and what stands in for a broken part is not complained about."""

import pytest

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
        "packs.zzz: unknown key; known here: size, sizes, threads, timeout_seconds",
    ),
    "text for a number": ({"seed": "x"}, "seed: expected an integer, got 'x'"),
    "number in quotes": ({"training__steps": "5"}, "training.steps: expected an integer, got '5'"),
    "fraction for an integer": ({"training__steps": 1.5}, "training.steps: expected an integer, got 1.5"),
    "true for an integer": ({"training__steps": True}, "training.steps: expected an integer, got True"),
    "true for a number": ({"budget__minutes": True}, "budget.minutes: expected a number, got True"),
    "text for a section": (
        {"training": "fast"},
        "training: expected a section of keys and values, got 'fast'; known here: steps, epochs, ",
    ),
    "names for a section": (
        {"task": ["faulty"]},
        "task: expected a section of keys and values, got ['faulty']",
    ),
    "text for a list": ({"space__functions": "relu"}, "space.functions: expected a list, got 'relu'"),
    "nothing for a section": ({"space": None}, "space: expected a section of keys and values, got None"),
    "unknown backend": (
        {"execution__backend": "slurm"},
        "execution.backend: expected 'local', 'ray_tune' or 'table', got 'slurm'",
    ),
    "half an epoch": ({"training__epochs": 0.5}, "training.epochs: expected an integer, got 0.5"),
    "unknown sort of distinct": (
        {"confirm__distinct": "seed"},
        "confirm.distinct: expected 'candidate' or 'structure', got 'seed'",
    ),
    "no pieces": (
        {"space__types__maxout": {"pieces": [0]}},
        "space.types.maxout.pieces.0: expected more than 0, got 0",
    ),
    "unknown kind": (
        {"space__types__prelus": {}},
        "space.types.prelus: unknown key; did you mean 'prelu'?",
    ),
    "no width": ({"space__least_width": 0.0}, "space.least_width: expected more than 0, got 0.0"),
    "too wide": ({"space__least_width": 2.0}, "space.least_width: expected at most 1, got 2.0"),
    "unknown key of a site": (
        {"space__sites": {"hidden0": {"typs": {}}}},
        "space.sites.hidden0.typs: unknown key; did you mean 'types'?",
    ),
    "no functions": ({"space__functions": []}, "space.functions: expected a list of at least 1, got 0"),
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
    "endless grid": (
        {"space__learning_rate__per_decade": 10**9},
        "space.learning_rate.per_decade: expected at most 100, got 1000000000",
    ),
    "budget of zero": ({"budget__networks": 0}, "budget.networks: expected more than 0, got 0"),
    "budget below zero": ({"budget__minutes": -1}, "budget.minutes: expected more than 0, got -1"),
    "wrong argument of an optimizer": (
        {"training__optimizer": {"name": "adam", "beta1": None}},
        "training.optimizer.beta1: expected a finite number, got None",
    ),
}


@pytest.mark.parametrize(("changes", "expected"), ONE_MISTAKE.values(), ids=ONE_MISTAKE)
def test_one_mistake_one_sentence(changes, expected, tiny, problems_of):
    (problem,) = problems_of(tiny(**changes))
    assert problem.startswith(expected)


def test_a_mended_part_makes_no_further_mistakes(tiny, problems_of):
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
def test_one_mistake_makes_one_sentence(tiny, changes, problem, problems_of):
    assert problems_of(tiny(**changes)) == [problem]


@pytest.mark.parametrize("data", [{}, {1: 2}, {"task": {1: 2}}, {"space": []}, {"budget": [1]}])
def test_nonsense(data, problems_of):
    assert problems_of(data)


@pytest.mark.parametrize("section", ["task", "network", "space", "budget"])
def test_missing_section(section, tiny, problems_of):
    data = tiny()
    del data[section]
    assert problems_of(data) == [f"{section}: expected a value, got none"]
