"""Arrivals from other islands join a generation."""

import random

import pytest

from evoact.config import experiment
from evoact.errors import UserError
from evoact.records import TrainResult
from evoact.strategies import create
from evoact.strategies.proposers.islands import Island, check_island


def proposals_of(made, migration, generations=3):
    """All proposals of so many generations; every result is the number of the candidate."""
    strategy = create(
        "evolution",
        made.space,
        seed=made.seed,
        networks=made.networks,
        steps=made.steps,
        options=made.config.strategy.arguments,
        island=lambda proposer: Island(proposer, made.space, migration, 1, 2),
    )
    asked = []
    while len({p.generation for p in asked}) < generations and (pack := strategy.ask(4)):
        asked += pack
        strategy.tell(scored(p) for p in pack)
    return asked


def scored(proposal):
    return TrainResult(proposal, "completed", "accuracy", "maximize", val_metric=proposal.candidate / 100)


def test_arrivals_are_trained_first_unless_they_are_known(tiny):
    made = experiment(tiny(budget__networks=40))
    alone = proposals_of(made, lambda generation, leaving: ())
    known = alone[0].genome
    stranger = next(
        g for g in (made.space.sample(random.Random(i)) for i in range(99))
        if g not in {p.genome for p in alone}
    )  # fmt: skip
    left = {}

    def migration(generation, leaving):
        left[generation] = leaving
        return [known, stranger] if generation == 1 else ()

    asked = proposals_of(made, migration)
    assert sorted(left) == [1, 2]
    best = max((p for p in asked if p.generation == 0), key=lambda p: p.candidate)
    assert left[1][0] == best.genome
    assert len(left[1]) == 2
    second = [p.structure for p in asked if p.generation == 1]
    before = [p.structure for p in alone if p.generation == 1]
    assert second[1:] == before[: len(second) - 1]
    assert second[0] not in before


def test_the_first_generation_has_no_arrivals(tiny):
    made = experiment(tiny())
    asked = proposals_of(made, lambda generation, leaving: pytest.fail(str(generation)), generations=1)
    assert {p.generation for p in asked} == {0}


@pytest.mark.parametrize("name", ["random", "successive_halving", "enumerate"])
def test_only_searches_with_generations_have_arrivals(name, tiny):
    made = experiment(tiny(strategy={"name": name}))
    with pytest.raises(UserError, match=f"on an island that learns from whole generations.*got {name}"):
        check_island(made.proposer)
