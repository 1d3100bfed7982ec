"""Differences between arms: what is compared with what, and that intervals cover the truth."""

import json

import numpy as np
import pytest

from evoact.cli.commands import study
from evoact.errors import UserError
from evoact.genomes.genome import Site, dumps, homogeneous, structure
from evoact.genomes.kinds import Base, Hull, Scaled
from evoact.studies.differences import Arm, arms, difference, differences, markdown

SITES = (Site("h", 4), Site("g", 3))
HULL = Hull("affine", ("identity", "tanh"))


def rows(activation, candidate, test, *, rate=0.1, validation=None, seeds=None, **changes):
    """The rows of one confirmed network: one for each entry of `test`."""
    genome = homogeneous(activation, SITES, learning_rate=rate)
    seeds = seeds or range(1000, 1000 + len(test))
    common = {"phase": "confirm", "state": "completed", "metric": "accuracy", "direction": "maximize"}
    return [
        {
            **common,
            "candidate": candidate,
            "seed": seed,
            "genome": dumps(genome),
            "structure": structure(genome),
            "learning_rate": rate,
            "val_metric": value if validation is None else validation,
            "test_metric": value,
            "test_large_metric": None,
            **changes,
        }
        for seed, value in zip(seeds, test, strict=True)
    ]


TABLE = [
    *rows(Base("identity"), 0, (0.50, 0.52, 0.51)),
    *rows(Base("tanh"), 1, (0.60, 0.61, 0.59), validation=0.4),  # the better test, the worse validation
    *rows(Base("relu"), 2, (0.55, 0.57, 0.56)),
    *rows(HULL, 3, (0.70, 0.71, 0.72)),
    *rows(Scaled("tanh"), 4, (0.65, 0.64, 0.66)),
    *rows(Base("relu"), 5, (0.99, 0.99, 0.99), phase="search"),
]


def test_arms_are_the_confirmed_structures():
    made = arms(reversed(TABLE))
    assert [arm.label for arm in made] == [
        "affine(identity,tanh)",
        "scaled(tanh)",
        "relu",
        "identity",
        "tanh",
    ]
    assert made[0].seeds == (1000, 1001, 1002)
    assert made[0].test == (0.70, 0.71, 0.72)
    assert [arm.plain for arm in made] == [False, False, True, True, True]
    with pytest.raises(UserError, match="run with a confirmation, got none"):
        arms(TABLE[-3:])


def test_what_is_compared_with_what():
    found = {(d.arm, d.reason): d for d in differences(arms(TABLE))}
    assert [(*key, d.other) for key, d in found.items()] == [
        ("affine(identity,tanh)", "best base function", "identity"),  # chosen on validation
        ("affine(identity,tanh)", "relu", "relu"),
        ("affine(identity,tanh)", "scaled control", "scaled(tanh)"),
        ("scaled(tanh)", "best base function", "tanh"),
        ("scaled(tanh)", "relu", "relu"),
    ]
    gain = found["affine(identity,tanh)", "best base function"]
    assert gain.gain == pytest.approx(0.2)
    assert gain.low <= gain.gain <= gain.high
    assert gain.seeds == 3


def test_of_several_learning_rates_the_best_on_validation_stands():
    twice = [
        *rows(HULL, 0, (0.5, 0.6, 0.7), rate=0.1, validation=0.3),
        *rows(HULL, 1, (0.4, 0.4, 0.4), rate=0.01, validation=0.8),
    ]
    (arm,) = arms(twice)
    assert (arm.learning_rate, arm.test) == (0.01, (0.4, 0.4, 0.4))


def test_failed_seeds_are_counted_and_left_out_on_both_sides():
    made = rows(HULL, 0, (0.7, 0.6, 0.8, 0.5)) + rows(Base("relu"), 1, (0.1, 0.2, 0.3, 0.4))
    made[1] |= {"state": "diverged", "val_metric": None, "test_metric": None}
    hull, relu = arms(made)
    assert (hull.failed, hull.seeds) == (1, (1000, 1002, 1003))
    assert difference(hull, relu).gain == pytest.approx(np.mean([0.6, 0.5, 0.1]))
    nothing = [row | {"state": "failed", "val_metric": None, "test_metric": None} for row in made[4:]]
    assert [arm.label for arm in arms(made[:4] + nothing)] == ["affine(identity,tanh)"]
    with pytest.raises(UserError, match=r"at least 3 seeds .* in common, got 2"):
        difference(hull, Arm("other", (), 0.1, (1, 1000, 1002), (0,) * 3, (0,) * 3, 0))


def test_a_smaller_error_is_a_gain():
    errors = [
        *rows(Scaled("relu"), 0, (1.0, 1.1, 1.3), direction="minimize", metric="mean_squared_error"),
        *rows(Base("relu"), 1, (2.0, 2.1, 2.2), direction="minimize", metric="mean_squared_error"),
    ]
    made = arms(errors)
    assert [arm.label for arm in made] == ["scaled(relu)", "relu"]
    found = differences(made, direction="minimize")
    assert [(d.reason, d.gain > 0.9) for d in found] == [("best base function", True), ("relu", True)]
    assert "+0.967" in markdown(made, found, "mean_squared_error")


def test_equal_differences_have_an_interval_of_one_point():
    a = Arm("a", (), 0.1, (0, 1, 2), (0.5,) * 3, (0.5, 0.6, 0.7), 0)
    b = Arm("b", (), 0.1, (0, 1, 2), (0.5,) * 3, (0.4, 0.5, 0.6), 0)
    found = difference(a, b)
    assert (found.low, found.high) == (found.gain, found.gain)


def test_intervals_cover_the_truth_about_as_often_as_they_say(monkeypatch):
    monkeypatch.setattr("evoact.studies.differences.RESAMPLES", 999)
    rng = np.random.default_rng(5)
    seeds = tuple(range(12))
    covered = []
    for _ in range(200):
        shared = rng.normal(0, 3, 12)  # what both owe to the seed cancels
        a = Arm("a", (), 0.1, seeds, (0.0,) * 12, tuple(1 + shared + rng.normal(0, 0.3, 12)), 0)
        b = Arm("b", (), 0.1, seeds, (0.0,) * 12, tuple(shared + rng.normal(0, 0.3, 12)), 0)
        found = difference(a, b)
        assert found.high - found.low < 1
        covered.append(found.low < 1 < found.high)
    assert 0.85 < np.mean(covered) < 0.99


def test_the_program_reads_a_run(tiny, tmp_path, capsys):
    from evoact.config import experiment
    from evoact.execution.run import search

    given = [{"kind": "base", "name": "relu"}, {"kind": "scaled", "base": "relu"}]
    made = experiment(
        tiny(
            space__types={"given": given},
            strategy={"name": "enumerate"},
            baselines={"replicates": 0},
            confirm={"candidates": 2, "seeds": 3, "distinct": "structure"},
        )
    )
    search(made, tmp_path / "run")
    study.differences(str(tmp_path / "run"), study.Format.json)
    shown = json.loads(capsys.readouterr().out)
    assert {arm["label"] for arm in shown["arms"]} == {"relu", "scaled(relu)"}
    assert [d["reason"] for d in shown["differences"]] == ["best base function", "relu"]
    study.differences(str(tmp_path / "run"))
    assert "| scaled(relu) | relu | relu |" in capsys.readouterr().out
    with pytest.raises(UserError, match="expected a run directory"):
        study.differences(str(tmp_path / "nothing"))
