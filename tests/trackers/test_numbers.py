"""Points of results: numbers of each network, counts and the best so far."""

import pytest

from evoact.genomes.genome import Genome, SiteGenome
from evoact.genomes.kinds import Base
from evoact.records import TrainProposal, TrainResult
from evoact.trackers.numbers import Numbers

GENOME = Genome((SiteGenome("h", (Base("sin"),), (0,)),), (("learning_rate", 0.1),))


def result(value, state="completed", phase="search", arm="", direction="maximize", **fields):
    proposal = TrainProposal(0, 0, GENOME, "s", "f", seed=0, steps=1, phase=phase, arm=arm)
    return TrainResult(
        proposal,
        state,
        "accuracy",
        direction,
        val_metric=value,
        gradient_examples=100,
        finished_at=5.0,
        **fields,
    )


def test_a_networks_numbers_under_its_phase():
    (point,) = Numbers().points([result(0.5, phase="judge", test_metric=0.25, train_loss=float("nan"))])
    assert (point.step, point.time, point.part) == (1, 5.0, "")
    assert point.values == {
        "judge/validation": 0.5,
        "judge/best_validation": 0.5,
        "judge/test": 0.25,
        "judge/train_seconds": 0.0,
        "failures": 0.0,
        "gradient_examples": 100.0,
    }


@pytest.mark.parametrize(
    ("direction", "best"), [("maximize", [0.5, 0.5, 0.7]), ("minimize", [0.5, 0.4, 0.4])]
)
def test_the_best_and_the_counts_go_on_from_call_to_call(direction, best):
    numbers = Numbers()
    found = [numbers.points([result(v, direction=direction)])[0] for v in (0.5, 0.4, 0.7)]
    assert [p.values["search/best_validation"] for p in found] == best
    assert [p.step for p in found] == [1, 2, 3]
    (failed,) = numbers.points([result(None, state="failed")])
    assert failed.values == {
        "search/train_seconds": 0.0,
        "failures": 1.0,
        "gradient_examples": 400.0,
    }


def test_each_part_of_a_comparison_has_its_own_best():
    found = Numbers().points([result(0.9, arm="hulls"), result(0.1, arm="Random / all")])
    assert [p.part for p in found] == ["hulls-0", "random_all-f0f0755aebee-0"]
    assert [p.values["search/best_validation"] for p in found] == [0.9, 0.1]
